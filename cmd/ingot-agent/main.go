// Command ingot-agent runs in the ramdisk. The agent reads the boot medium's configuration, and works for the daemon
// named there until the machine is powered off.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/execution"
	"github.com/gitmetal/ingot/agent/facts/lldp"
	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/injection"
	"github.com/gitmetal/ingot/agent/logs"
	"github.com/gitmetal/ingot/agent/plugins"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/steps/diskimage"
	"github.com/gitmetal/ingot/agent/steps/holders"
	"github.com/gitmetal/ingot/agent/units"
	"github.com/gitmetal/ingot/agent/volumes"
	"github.com/gitmetal/ingot/agent/wire"
)

var version = "dev"

// runDir is in RAM: the ramdisk has no disk.
const runDir = "/run/ingot"

// runsDir holds the directories of runs of ephemeral workloads, which their scripts may enter.
const runsDir = "/run/ingot-runs"

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runAgent(ctx, log); err != nil && !errors.Is(err, context.Canceled) {
		log.Error("agent ends", "error", err)
		os.Exit(1)
	}
}

func runAgent(ctx context.Context, log *slog.Logger) error {
	boot, err := readBootConfig(wire.BootConfigPath)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", runDir, err)
	}
	log.Info("ingot agent", "version", version, "host", boot.Host, "boot", boot.Boot, "epoch", boot.Epoch)
	hardware := machine{neighbours: lldp.Listen(ctx), patient: boot.Discovery != nil}
	return agent.Run(ctx, agent.Config{Boot: boot, Machine: hardware, Log: log, KeyFile: runDir + "/agent.key",
		Logs: logs.Collect})
}

func readBootConfig(path string) (wire.BootConfig, error) {
	file, err := os.Open(path)
	if err != nil {
		return wire.BootConfig{}, fmt.Errorf("this medium was not filled by a daemon: %w", err)
	}
	defer file.Close()
	var boot wire.BootConfig
	if err := json.NewDecoder(io.LimitReader(file, wire.OverlaySize)).Decode(&boot); err != nil {
		return wire.BootConfig{}, fmt.Errorf("read %s: %w", path, err)
	}
	return boot, nil
}

// machine is the real machine.
type machine struct {
	neighbours *lldp.Neighbours // nil: nobody listens
	patient    bool             // the agent has the time to wait for neighbours
}

// Do implements agent.Machine.
func (m machine) Do(ctx context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
	switch {
	case step.Execution != nil && step.Script != nil && len(step.Script.Disks) == 0:
		return nil, execution.Execute(ctx, step, execution.Tools{Session: s, Apart: steps.Systemd, Dir: runsDir, Mount: execution.MountRAM, Run: runProgram})
	case step.Install != nil && step.Script == nil:
		return m.installSystem(ctx, *step.Install, s)
	case step.Script != nil && step.Install == nil:
		return nil, m.runScript(ctx, step, s)
	case step.Inject != nil:
		return nil, injection.Inject(ctx, *step.Inject, injection.Tools{Machine: volumes.Machine{Disks: steps.BlockDevices{Root: "/"}, Dir: runDir},
			Files: blobs{s}, Facts: s.Facts(), Report: s.Report})
	case step.Erase != nil && step.Script == nil:
		tools := diskTools(s)
		tools.Disks, tools.Held = steps.BlockDevices{Root: "/", Held: true}, holders.System("/")
		return nil, steps.EraseDisks(ctx, *step.Erase, steps.EraseTools{DiskTools: tools, NoteErased: s.NoteErased,
			Report: s.Report, Agent: version})
	case step.StartUnit != nil:
		return nil, units.Runner{Report: s.Report}.Start(ctx, step.StartUnit.Unit)
	case len(step.Describe) > 0:
		run := steps.ScriptRun{Facts: s.Facts(), Apart: steps.Systemd, Report: s.Report}
		described, err := plugins.DescribeAll(ctx, step.Describe, run)
		s.NoteDescribed(described)
		return nil, err
	default:
		return nil, errors.New("this agent knows no such step: rebuild the ramdisk with the daemon's version")
	}
}

// blobs opens the files of a job by their digests.
type blobs struct{ agent.Session }

// Image implements steps.Images.
func (b blobs) Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return b.Blob(ctx, sha256, offset)
}

// runProgram runs the script of a run, or its plug-in.
func runProgram(ctx context.Context, run steps.ScriptRun) (output string, err error) {
	if len(run.Script.Plugins) == 0 {
		return steps.RunScript(ctx, run)
	}
	candidates, err := plugins.Open(ctx, run)
	defer func() { err = errors.Join(err, candidates.Close()) }()
	if err == nil {
		err = candidates.CheckSupport()
	}
	if err != nil {
		return "", err
	}
	return candidates.Run(ctx, nil)
}

// runScript runs a script, or the plug-ins of a step, with the disks that it may write to. Plug-ins are asked what they
// are before leave is.
func (machine) runScript(ctx context.Context, step wire.Step, s agent.Session) (err error) {
	run := steps.ScriptRun{Script: *step.Script, Timeout: step.Timeout, Facts: s.Facts(), Apart: steps.Systemd,
		Report: s.Report}
	do := func(given []steps.GivenDisk, system ...steps.SystemDir) (string, error) {
		run.Given, run.System = given, system
		return steps.RunScript(ctx, run)
	}
	if len(step.Script.Plugins) > 0 {
		candidates, failed := plugins.Open(ctx, run)
		defer func() { err = errors.Join(err, candidates.Close()) }()
		if failed != nil {
			return failed
		}
		s.NoteDescribed(candidates.Described())
		if err := candidates.CheckSupport(); err != nil {
			return err
		}
		do = func(given []steps.GivenDisk, system ...steps.SystemDir) (string, error) {
			return candidates.Run(ctx, given, system...)
		}
	}
	switch {
	case step.Script.System != nil:
		machine := volumes.Machine{Disks: steps.BlockDevices{Root: "/"}, Dir: runDir}
		return volumes.WithSystem(ctx, machine, *step.Script.System, func(system []steps.SystemDir) error {
			_, err := do(nil, system...)
			return err
		})
	case len(step.Script.Disks) > 0:
		_, err = steps.WithDisks(ctx, step.Script.Disks, diskTools(s), func(given []steps.GivenDisk) (string, error) { return do(given) })
	default:
		_, err = do(nil)
	}
	return err
}

func diskTools(s agent.Session) steps.DiskTools {
	return steps.DiskTools{Disks: steps.BlockDevices{Root: "/"}, Leave: s, NoteDisks: s.NoteDisks}
}

func (machine) installSystem(ctx context.Context, job wire.Install, s agent.Session) (*wire.BootEntry, error) {
	disks := steps.BlockDevices{Root: "/"}
	tools := steps.Tools{Disks: disks, Leave: s, Images: s, Installer: steps.CoreOSInstaller{Dir: runDir},
		NoteTable: s.NoteTable}
	if job.Plain {
		memory := imagewriter.Memory{Dir: runDir, Bytes: s.Facts().Memory}
		writer, err := imagewriter.Open(ctx, job.Image, s, memory, s.Report)
		if err != nil {
			return nil, err
		}
		defer writer.Close()
		writer.Reread, writer.Drive, tools.Installer, tools.Check = diskimage.RereadPartitions, job.Drive, writer, writer.CheckDisk
	}
	if err := steps.InstallSystem(ctx, job, tools, s.Report); err != nil {
		return nil, err
	}
	disk, err := disks.FindPath(job.Disk)
	if err != nil {
		return nil, err
	}
	entry, err := tryEntry(ctx, entryEvery, func() (*wire.BootEntry, error) { return steps.Firmware{Root: "/"}.StartFrom(ctx, disk) })
	if err != nil {
		s.Report(wire.Progress{Lines: []string{fmt.Sprintf("boot entry: %v; the disk starts by its fallback path",
			err)}})
	}
	return entry, nil
}

// A boot entry is tried so often: some firmware refuses its first writes.
const (
	entryTries = 6
	entryEvery = 5 * time.Second
)

// tryEntry writes a boot entry with start, until start succeeds, entryTries is reached, or ctx ends.
func tryEntry(ctx context.Context, every time.Duration, start func() (*wire.BootEntry, error)) (entry *wire.BootEntry, err error) {
	for try := 1; ; try++ {
		if entry, err = start(); err == nil || try == entryTries {
			return entry, err
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return entry, err
		case <-timer.C:
		}
	}
}
