// Package agent is the loop that runs in the ramdisk: enrol, report the hardware, ask for a job, run the job, report
// the result. The agent opens no port, keeps everything in RAM, and decides nothing: a job names the disk to write, and
// the agent only verifies the disk.
//
// Call Run with a Config; package agent/steps does the steps of a job for the Machine. Do not add policy here: the
// planner in the daemon decides.
package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gitmetal/ingot/agent/logs"
	"github.com/gitmetal/ingot/agent/wire"
)

// Machine is the hardware that the agent runs on. Calls do not overlap.
type Machine interface {
	// Facts reads the hardware. Facts.Errors names the parts that cannot be read.
	Facts(ctx context.Context) (wire.Facts, error)
	// Do runs one step of a job to its end. A steps.Failure carries output for the daemon.
	Do(ctx context.Context, step wire.Step, s Session) (*wire.BootEntry, error)
	// PowerOff syncs and powers the machine off. It may return before the power is gone.
	PowerOff(ctx context.Context) error
	// CarryAccount carries out an order about the accounts of the machine's own BMC, and says what became of it.
	CarryAccount(ctx context.Context, order wire.AccountOrder) wire.AccountReport
}

// Session is what a running step may use.
type Session interface {
	// Report says how far the step is. Report never blocks for long; a report may be dropped.
	Report(p wire.Progress)
	// NoteTable keeps the partition table of the installed disk for the result.
	NoteTable(table wire.Table)
	// NoteDisks keeps what a script left on its disks for the result.
	NoteDisks(disks []wire.Disk)
	// NoteDescribed keeps what plug-ins said of themselves for the result.
	NoteDescribed(described []wire.Described)
	// NoteErased keeps the receipts of erased disks for the result.
	NoteErased(receipts []wire.Erased)
	// Image opens the image's bytes as served, from offset on. The daemon serves only the image of the current job, once
	// the job has leave to write.
	Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
	// Blob opens an input of the job's run, from offset on.
	Blob(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
	// Upload stores a file of the job's run, and returns once the daemon has acknowledged the digest.
	Upload(ctx context.Context, file wire.ResultFile, content io.ReaderAt) error
	// NoteExecuted keeps the end of a run for the result.
	NoteExecuted(executed wire.Executed)
	// AskLeave is one question for leave to write to the open disks, which show what is given: see steps.Leave. The
	// step's time stands still until the leave.
	AskLeave(ctx context.Context, disks []wire.Disk) (given bool, err error)
	// Facts is the machine as this boot's agent read it last.
	Facts() wire.Facts
}

// Config is what an agent needs.
type Config struct {
	Boot    wire.BootConfig
	Machine Machine
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
	// Logs collects the ramdisk's own logs for a step that failed; nil for none.
	Logs func(context.Context) []logs.File
	// KeyFile keeps the agent's key, in RAM, so that a restarted agent is the same agent; "" keeps the key in the
	// process.
	KeyFile string
}

// Pauses between tries.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 15 * time.Second
)

// Run enrols, reports the hardware and works on jobs until ctx ends, and then returns ctx.Err(). From a discovery medium,
// Run first registers the machine and waits until the machine is a host of the fleet. Run repeats a call
// after any answer of the daemon: a restarting daemon refuses at first. Another error means that the boot medium is
// useless.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Boot.Version != wire.Version {
		return fmt.Errorf("the boot medium speaks protocol %d, this agent %d: rebuild the ramdisk with the daemon's "+
			"version", c.Boot.Version, wire.Version)
	}
	key, err := loadKey(c.KeyFile)
	if err != nil {
		return err
	}
	for waits := c.Boot.Discovery != nil; ; {
		host := c
		if waits {
			if host.Boot, err = awaitHost(ctx, c, key); err != nil {
				return err
			}
		}
		if err := workForHost(ctx, host, key, waits); !errors.Is(err, errShutOut) {
			return err
		}
		c.Log.Warn("the daemon lets this machine in no more: its boot was closed, or another agent has it; the machine registers and waits again")
	}
}

// workForHost is the agent's work in the boot of a host. The error is errShutOut where an agent that waited before is not
// let in.
func workForHost(ctx context.Context, c Config, key *ecdsa.PrivateKey, waited bool) error {
	client, err := newClient(c, key)
	if err != nil {
		return err
	}
	defer client.closeConnections()
	a := agent{Config: c, client: client, nonce: rand.Text(), waited: waited}
	for _, step := range []func(context.Context) error{a.enrolUntilDone, a.readHardware, a.reportHardware,
		a.workOnJobs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitHost is the agent's work in discovery mode: see waitForHost. The agent of the host's boot has the same key, and
// the daemon lets no other in.
func awaitHost(ctx context.Context, c Config, key *ecdsa.PrivateKey) (wire.BootConfig, error) {
	client, err := newClient(c, key)
	if err != nil {
		return wire.BootConfig{}, err
	}
	defer client.closeConnections()
	a := agent{Config: c, client: client}
	return a.waitForHost(ctx)
}

type agent struct {
	Config
	client *client
	nonce  string     // of this process, for questions for leave
	waited bool       // in the ramdisk of a discovery medium, before it got its boot
	facts  wire.Facts // as last read; owned by the goroutine of Run
}

// errShutOut means that an agent that waited is not let in with the boot that it was given.
var errShutOut = errors.New("the daemon does not let this agent in")

// enrolWithin is how long an agent that waited asks to be let in with the boot that it was given: the daemon may have closed
// that boot meanwhile. An agent of a boot medium has nothing else to do, and asks on.
const enrolWithin = 2 * time.Minute

func (a *agent) enrolUntilDone(ctx context.Context) error {
	began := a.Now()
	return a.tryUntilDone(ctx, "enrol", func(ctx context.Context) error {
		err := a.client.tradeToken(ctx)
		if a.waited && errors.Is(err, errRefused) && a.Now().Sub(began) >= enrolWithin {
			return errors.Join(errShutOut, err)
		}
		return err
	})
}

// readHardware reads the hardware. A part that cannot be read becomes an error in the report.
func (a *agent) readHardware(ctx context.Context) error {
	facts, err := a.Machine.Facts(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		facts.Errors = append(facts.Errors, err.Error())
	}
	a.facts = facts
	return nil
}

func (a *agent) reportHardware(ctx context.Context) error {
	return a.tryUntilDone(ctx, "report the hardware", func(ctx context.Context) error {
		return a.callDaemon(ctx, wire.PathFacts, a.facts, nil)
	})
}

// callDaemon posts a message. The certificate of a refused agent may have ended: the agent enrols again, with the same
// key, and repeats the message.
func (a *agent) callDaemon(ctx context.Context, path string, in, out any) error {
	err := a.client.postMessage(ctx, path, in, out)
	if !errors.Is(err, errRefused) {
		return err
	}
	if again := a.client.tradeToken(ctx); again != nil {
		return errors.Join(err, again)
	}
	return a.client.postMessage(ctx, path, in, out)
}

// tryUntilDone calls try until try succeeds, ctx ends, or try says errShutOut.
func (a *agent) tryUntilDone(ctx context.Context, what string, try func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := try(ctx)
		switch {
		case err == nil:
			a.Log.Info(what + ": done")
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errShutOut):
			return err
		}
		a.Log.Warn(what+": trying again", "in", pause, "error", err)
		if !pauseFor(ctx, pause) {
			return ctx.Err()
		}
	}
}

// pauseFor pauses; false means that ctx ended.
func pauseFor(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
