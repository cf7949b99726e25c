// Package units starts units of the ramdisk's systemd and waits for their end. Call Runner.Start.
package units

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/programs"
	"github.com/gitmetal/ingot/agent/wire"
)

// Runner starts units.
type Runner struct {
	Program string              // default systemctl, found on PATH
	Every   time.Duration       // between two looks at a unit; default 15 seconds
	Report  func(wire.Progress) // is told how the unit is
}

// defaultEvery is Runner.Every.
const defaultEvery = 15 * time.Second

// programTime bounds one call of systemctl.
const programTime = 30 * time.Second

// stopTime bounds the stop of a unit that did not end in time.
const stopTime = 5 * time.Second

// state is how a unit is: systemctl show.
type state struct {
	active, sub, result string
	queued              bool // a job of the unit waits or runs
}

// runs reports whether the unit has not ended. A unit that stays active after its programs have exited has ended.
func (s state) runs() bool {
	if s.queued {
		return true
	}
	switch s.active {
	case "activating", "deactivating", "reloading", "refreshing":
		return true
	case "active":
		return s.sub != "exited" && s.sub != "elapsed"
	default:
		return false
	}
}

// Start starts a unit and waits until the unit has ended. An error says that the unit is unknown, that the unit failed and with which
// result, or that ctx ended first: the unit is stopped then.
func (r Runner) Start(ctx context.Context, unit string) error {
	if r.Every == 0 {
		r.Every = defaultEvery
	}
	_, _ = r.call(ctx, "reset-failed", unit) // fails for a unit that is not loaded
	if said, err := r.call(ctx, "start", "--no-block", unit); err != nil {
		return fmt.Errorf("unit %s cannot be started: %w: %s", unit, err, said)
	}
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	for last := ""; ; {
		now, err := r.look(ctx, unit)
		if ctx.Err() != nil {
			return r.stop(ctx, unit)
		}
		if err != nil {
			return err
		}
		if text := fmt.Sprintf("unit %s is %s (%s)", unit, now.active, now.sub); text != last {
			r.Report(wire.Progress{Lines: []string{text}})
			last = text
		}
		if !now.runs() {
			return judge(unit, now)
		}
		select {
		case <-ctx.Done():
			return r.stop(ctx, unit)
		case <-ticker.C:
		}
	}
}

// judge is the end of a unit.
func judge(unit string, s state) error {
	if s.active == "failed" || s.result != "success" {
		return fmt.Errorf("unit %s failed: %s", unit, s.result)
	}
	return nil
}

// stop stops a unit that did not end in time.
func (r Runner) stop(ctx context.Context, unit string) error {
	cause := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	said, err := r.call(ctx, "stop", "--no-block", unit)
	if err != nil {
		err = fmt.Errorf("stop the unit: %w: %s", err, said)
	}
	return errors.Join(fmt.Errorf("unit %s has not ended: %w", unit, cause), err)
}

// look asks how a unit is.
func (r Runner) look(ctx context.Context, unit string) (s state, err error) {
	said, err := r.call(ctx, "show", "--property=ActiveState,SubState,Result,Job", unit)
	if err != nil {
		return s, fmt.Errorf("look at unit %s: %w: %s", unit, err, said)
	}
	for line := range strings.Lines(said) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "ActiveState":
			s.active = value
		case "SubState":
			s.sub = value
		case "Result":
			s.result = value
		case "Job":
			s.queued = value != "" && value != "0"
		}
	}
	if s.active == "" {
		return s, fmt.Errorf("look at unit %s: systemctl says no state", unit)
	}
	if s.result == "" { // units without a result, such as targets
		s.result = "success"
	}
	return s, nil
}

// call runs systemctl.
func (r Runner) call(ctx context.Context, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	program := r.Program
	if program == "" {
		program = "systemctl"
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = programs.Environment()
	command.Stdout, command.Stderr = &out, &out
	command.WaitDelay = time.Second
	err := command.Run()
	text := strings.TrimSpace(out.String())
	return text[:min(len(text), 4<<10)], err
}
