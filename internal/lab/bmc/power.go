package bmc

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// Errors of the power actions; the HTTP side turns them into answers.
var (
	errAlreadyOn  = errors.New("the machine is already on")
	errAlreadyOff = errors.New("the machine is already off")
	errNotYet     = errors.New("the machine has only just been switched off; try again later")
	errHalted     = errors.New("the lab is shutting down")
)

// On reports whether the machine is on.
func (b *BMC) On() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run != nil
}

// WaitOff waits until the machine is off.
func (b *BMC) WaitOff(ctx context.Context) error {
	b.mu.Lock()
	current := b.run
	b.mu.Unlock()
	if current == nil {
		return nil
	}
	select {
	case <-current.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the machine to be off: %w", ctx.Err())
	}
}

// PowerOn switches the machine on, as its power button does. The boot override counts.
func (b *BMC) PowerOn(ctx context.Context) error {
	b.power.Lock()
	defer b.power.Unlock()
	if err := b.mayPowerOn(); err != nil {
		return err
	}
	current := &run{over: make(chan struct{})}
	return b.start(ctx, current, oplog.PowerOn)
}

func (b *BMC) mayPowerOn() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.halted:
		return errHalted
	case b.run != nil:
		return errAlreadyOn
	case b.conflictsLeft > 0:
		b.conflictsLeft--
		b.log.Fault("PowerOnConflicts")
		return errNotYet
	}
	return nil
}

// start takes the machine through the firmware once. b.power is held.
func (b *BMC) start(ctx context.Context, current *run, why oplog.Kind) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startDeadline)
	defer cancel()
	boot := b.nextBoot(why)
	exits, err := b.machine.Start(ctx, boot)
	if err != nil {
		return fmt.Errorf("start the machine: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if why != oplog.Start {
		b.record(why, "")
	}
	b.record(oplog.Start, string(boot.From))
	if b.override.Enabled == "Once" {
		b.override = noOverride()
	}
	b.run = current
	b.runs.Go(func() { b.watch(current, exits) })
	return nil
}

// watch waits for one pass to end and then either starts the next one or leaves the machine off.
func (b *BMC) watch(current *run, exits <-chan Exit) {
	exit, ok := <-exits
	if !ok {
		exit = Exit{Cause: PowerLost, Err: errors.New("the machine ended without saying why")}
	}
	b.power.Lock()
	defer b.power.Unlock()
	if b.endPass(current, exit) {
		if err := b.start(context.Background(), current, oplog.Start); err == nil {
			return
		}
	}
	b.switchedOff(current)
}

// endPass records the exit and reports whether the power stays on.
func (b *BMC) endPass(current *run, exit Exit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record(oplog.Exit, string(exit.Cause))
	again := !b.halted && (current.restart || exit.Cause == Rebooted && !current.ending)
	current.restart = false
	return again
}

func (b *BMC) switchedOff(current *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run = nil
	b.conflictsLeft = b.faults.PowerOnConflicts
	for _, pending := range b.tasks {
		pending.finish()
	}
	close(current.over)
	b.log.Wake()
}

// PowerOff asks the machine to end; it is off when WaitOff returns.
func (b *BMC) PowerOff(ctx context.Context, how Stop) error {
	b.power.Lock()
	defer b.power.Unlock()
	b.mu.Lock()
	current := b.run
	if current == nil {
		b.mu.Unlock()
		return errAlreadyOff
	}
	ignored := how == Graceful && b.faults.GracefulIgnored
	current.ending = current.ending || !ignored
	b.record(oplog.PowerOff, string(how))
	b.mu.Unlock()
	if b.meet("GracefulIgnored", ignored) {
		return nil
	}
	return b.stop(ctx, how)
}

// Restart resets the machine: it passes through the firmware again without going off in between.
func (b *BMC) Restart(ctx context.Context) error {
	b.power.Lock()
	defer b.power.Unlock()
	b.mu.Lock()
	current := b.run
	if current == nil {
		b.mu.Unlock()
		return errAlreadyOff
	}
	current.restart = true
	b.record(oplog.Restart, "")
	b.mu.Unlock()
	return b.stop(ctx, Force)
}

func (b *BMC) stop(ctx context.Context, how Stop) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startDeadline)
	defer cancel()
	if err := b.machine.Stop(ctx, how); err != nil {
		return fmt.Errorf("stop the machine: %w", err)
	}
	return nil
}

// Close ends the machine by force and waits until it has ended. Nothing can start it afterwards.
func (b *BMC) Close(ctx context.Context) error {
	b.mu.Lock()
	b.halted = true
	b.mu.Unlock()
	err := b.PowerOff(ctx, Force)
	if errors.Is(err, errAlreadyOff) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := b.WaitOff(ctx); err != nil {
		return err
	}
	b.runs.Wait()
	return nil
}

// nextBoot decides what the firmware starts from, from the override and what is in the virtual CD.
func (b *BMC) nextBoot(why oplog.Kind) Boot {
	b.mu.Lock()
	defer b.mu.Unlock()
	boot := Boot{From: FromDisk}
	if b.media.Inserted {
		boot.MediaURL = b.media.URL
	}
	if why == oplog.Start && b.faults.OverrideUnderReset {
		b.log.Fault("OverrideUnderReset")
		return boot
	}
	if b.override.Enabled == "Disabled" {
		return boot
	}
	switch b.override.Target {
	case "Cd":
		if boot.MediaURL != "" {
			boot.From = FromCD
		}
	case "UefiHttp":
		boot.From, boot.HTTPURL = FromHTTP, b.override.HTTPURI
	case "Pxe":
		boot.From = FromPXE
	}
	return boot
}

func noOverride() Override { return Override{Target: "None", Enabled: "Disabled", Mode: "UEFI"} }
