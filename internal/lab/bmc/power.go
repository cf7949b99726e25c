package bmc

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// Errors of the power actions; sendPowerError turns them into answers.
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

// PowerOn switches the machine on, like the power button. The boot override applies.
func (b *BMC) PowerOn(ctx context.Context) error {
	b.power.Lock()
	defer b.power.Unlock()
	if err := b.checkPowerOn(); err != nil {
		return err
	}
	current := &run{over: make(chan struct{})}
	return b.startPass(ctx, current, oplog.PowerOn)
}

func (b *BMC) checkPowerOn() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.halted:
		return errHalted
	case b.run != nil:
		return errAlreadyOn
	case b.conflictsLeft > 0:
		b.conflictsLeft--
		b.log.CountFault("PowerOnConflicts")
		return errNotYet
	}
	return nil
}

// startPass starts a pass through the firmware. The caller holds b.power.
func (b *BMC) startPass(ctx context.Context, current *run, why oplog.Kind) error {
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
		b.noteBrick()
		b.recordOp(why, "")
	}
	b.passFirmware()
	b.recordOp(oplog.Start, string(boot.From))
	if b.override.Enabled == "Once" {
		b.override = noOverride()
	}
	b.run = current
	b.runs.Go(func() { b.watchPass(current, exits) })
	return nil
}

// watchPass waits for the end of a pass, and then starts the next pass or leaves the machine off.
func (b *BMC) watchPass(current *run, exits <-chan Exit) {
	exit, ok := <-exits
	if !ok {
		exit = Exit{Cause: PowerLost, Err: errors.New("the machine ended without saying why")}
	}
	b.power.Lock()
	defer b.power.Unlock()
	if b.endPass(current, exit) {
		if err := b.startPass(context.Background(), current, oplog.Start); err == nil {
			return
		}
	}
	b.recordOff(current)
}

// endPass records the exit and reports whether the power stays on.
func (b *BMC) endPass(current *run, exit Exit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recordOp(oplog.Exit, string(exit.Cause))
	again := !b.halted && (current.restart || exit.Cause == Rebooted && !current.ending)
	current.restart = false
	return again
}

func (b *BMC) recordOff(current *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run = nil
	b.conflictsLeft = b.faults.PowerOnConflicts
	for _, pending := range b.tasks {
		pending.finishTask()
	}
	close(current.over)
	b.log.WakeWaiters()
}

// PowerOff asks the machine to end; the machine is off when WaitOff returns.
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
	b.noteBrick()
	b.recordOp(oplog.PowerOff, string(how))
	b.mu.Unlock()
	if b.meetFault("GracefulIgnored", ignored) {
		return nil
	}
	return b.stopMachine(ctx, how)
}

// Restart resets the machine: a new pass through the firmware, without going off in between.
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
	b.noteBrick()
	b.recordOp(oplog.Restart, "")
	b.mu.Unlock()
	return b.stopMachine(ctx, Force)
}

func (b *BMC) stopMachine(ctx context.Context, how Stop) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startDeadline)
	defer cancel()
	if err := b.machine.Stop(ctx, how); err != nil {
		return fmt.Errorf("stop the machine: %w", err)
	}
	return nil
}

// Close ends the machine by force and waits for its end. The machine cannot be started afterwards.
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

// nextBoot decides the boot source, from the override and the virtual CD.
func (b *BMC) nextBoot(why oplog.Kind) Boot {
	b.mu.Lock()
	defer b.mu.Unlock()
	boot := Boot{From: FromDisk}
	if b.media.Inserted {
		boot.MediaURL = b.media.URL
	}
	if why == oplog.Start && b.faults.OverrideUnderReset {
		b.log.CountFault("OverrideUnderReset")
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
