package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// startDeadline bounds bmc.Machine.Start and bmc.Machine.Stop.
const startDeadline = 60 * time.Second

// run is a time during which the machine behind the server is on.
type run struct {
	restart bool // start again at the next exit
	ending  bool // a stop was asked for
}

// startMachine takes a System's machine through its firmware: pending settings are applied, and a boot override that is
// meant for one boot is used up.
func (s *Server) startMachine(system string) {
	s.applyPending(system)
	boot := s.nextBoot(system)
	s.recordOp(oplog.Start, string(boot.From))
	s.useOverride(system)
	if s.options.Machine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	exits, err := s.options.Machine.Start(ctx, boot)
	if err != nil {
		s.failed = errors.Join(s.failed, fmt.Errorf("replay: start the machine: %w", err))
		return
	}
	current := &run{}
	s.run = current
	s.runs.Go(func() { s.watchRun(system, current, exits) })
}

// watchRun waits for the end of a run, and starts the machine again or leaves it off.
func (s *Server) watchRun(system string, current *run, exits <-chan bmc.Exit) {
	exit := <-exits
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recordOp(oplog.Exit, string(exit.Cause))
	if s.run == current {
		s.run = nil
	}
	if !s.halted && (current.restart || exit.Cause == bmc.Rebooted && !current.ending) {
		s.startMachine(system)
		return
	}
	s.changeResource(system, map[string]any{"PowerState": "Off"})
}

// stopMachine asks the machine to end. Without a machine the System is off after Options.PowerTakes.
func (s *Server) stopMachine(system string, how bmc.Stop) {
	if s.options.Machine == nil {
		s.power[system] = change{"Off", s.options.Now().Add(s.options.PowerTakes)}
		return
	}
	delete(s.power, system)
	if s.run == nil {
		return
	}
	s.run.ending = true
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	if err := s.options.Machine.Stop(ctx, how); err != nil {
		s.failed = errors.Join(s.failed, fmt.Errorf("replay: stop the machine: %w", err))
	}
}

// restartMachine resets the machine, which does not go off in between.
func (s *Server) restartMachine(system string) {
	if s.run == nil {
		s.startMachine(system)
		return
	}
	s.stopMachine(system, bmc.Force)
	s.run.restart = true
}

// halt ends the machine by force, and waits for its end.
func (s *Server) halt() error {
	s.mu.Lock()
	s.halted = true
	if s.run != nil {
		s.stopMachine("", bmc.Force)
	}
	s.mu.Unlock()
	s.runs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// nextBoot decides the boot source, from the override and the virtual drives.
func (s *Server) nextBoot(system string) bmc.Boot {
	boot := bmc.Boot{From: bmc.FromDisk, MediaURL: s.findMedium()}
	over, _ := s.tree[system]["Boot"].(map[string]any)
	if over["BootSourceOverrideEnabled"] != "Once" && over["BootSourceOverrideEnabled"] != "Continuous" {
		return boot
	}
	switch over["BootSourceOverrideTarget"] {
	case "Cd", "UsbCd":
		if boot.MediaURL != "" {
			boot.From = bmc.FromCD
		}
	case "Pxe":
		boot.From = bmc.FromPXE
	case "UefiHttp":
		boot.From = bmc.FromHTTP
	}
	return boot
}

// useOverride ends a boot override that is meant for one boot.
func (s *Server) useOverride(system string) {
	boot, _ := s.tree[system]["Boot"].(map[string]any)
	if boot["BootSourceOverrideEnabled"] != "Once" {
		return
	}
	used := map[string]any{"Boot": map[string]any{
		"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}}
	s.changeResource(system, used)
	if settings := s.settingsOf(system); s.tree[settings]["Boot"] != nil {
		s.changeResource(settings, used)
	}
}

// findMedium is the URL of the medium in one of the drives, or empty.
func (s *Server) findMedium() string {
	for _, at := range s.drivePaths() {
		if image, _ := s.tree[at]["Image"].(string); s.tree[at]["Inserted"] == true {
			return image
		}
	}
	return ""
}
