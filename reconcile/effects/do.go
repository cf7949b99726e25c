package effects

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/schemas"
)

// Pauses before the next look at started work.
const (
	imagePause = time.Minute // the store tells the end of a fetch
	powerPause = 5 * time.Second
)

// Do carries out one action: Do starts the work or finds the work done, and returns. Do decides nothing.
func (e *Effects) Do(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action act.Action) act.Outcome {
	outcome := e.doAction(ctx, desired, record, action)
	outcome.Why = e.config.Mask(outcome.Why)
	return outcome
}

// doAction carries out one action; the outcome has the words of the BMC.
func (e *Effects) doAction(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action act.Action) act.Outcome {
	switch action.Kind {
	case act.FetchImage:
		return e.fetchImage(desired)
	case act.InsertMedia:
		return e.insertMedia(ctx, desired, record)
	case act.AssignStep:
		return e.assignStep(ctx, desired, record, action)
	case act.GiveLeave:
		return e.giveLeave(ctx, record, action)
	case act.WithdrawJob:
		return e.withdrawJob(ctx, record, action)
	case act.AssignRun:
		return e.assignRun(ctx, desired, record, action)
	case act.WithdrawRun:
		return e.withdrawRun(ctx, record, action)
	case act.FinishRun:
		return describeError(e.config.Runs.Finish(record.Run.ID, runs.Ended{}))
	case act.AssignPowerOff:
		return e.assignPowerOff(ctx, record)
	case act.PowerOff, act.PowerOn, act.EjectMedia, act.BootFromMedia, act.BootFromDisk, act.Reboot, act.WriteSettings:
		return e.doAtBMC(ctx, desired, action)
	default: // journal-only actions and act.Publish never come here
		return act.Outcome{Result: act.Stalled,
			Why: fmt.Sprintf("there is no effect for %s: this is a bug in ingot", action.Kind)}
	}
}

// doAtBMC carries out an action that needs only the BMC.
func (e *Effects) doAtBMC(ctx context.Context, desired inventory.Desired, action act.Action) act.Outcome {
	client, outcome := e.openBMC(ctx, desired)
	if client == nil {
		return outcome
	}
	switch action.Kind {
	case act.PowerOff:
		return e.powerOff(ctx, client, action)
	case act.PowerOn:
		found, err := client.Change(ctx, redfish.PowerOn)
		outcome = describeError(err)
		outcome.Found = found
		return outcome
	case act.Reboot:
		return sendReboot(ctx, client, *action.Boot)
	case act.EjectMedia:
		return describeError(client.Eject(ctx))
	case act.WriteSettings:
		job, err := client.WriteSettings(ctx, settings.Wanted{Bios: action.Work.Bios})
		outcome = describeError(err)
		outcome.Job = job
		return outcome
	case act.BootFromMedia:
		return bootFromMedium(ctx, client, action)
	default: // act.BootFromDisk: with the medium out, the firmware's own order finds the disk
		if action.NamesDisk {
			_, err := client.SetBootOverride(ctx, redfish.FromDisk, redfish.Continuous)
			return describeError(err)
		}
		return describeError(client.ClearBootOverride(ctx))
	}
}

// bootFromMedium has the firmware start from the medium. A medium for one start is not started where every start would follow.
func bootFromMedium(ctx context.Context, client *redfish.Client, action act.Action) act.Outcome {
	lasting := redfish.Continuous
	if action.Once {
		lasting = redfish.Once
	}
	shown, err := client.SetBootOverride(ctx, redfish.FromMedium, lasting)
	if err == nil && action.Once && shown.Enabled != string(redfish.Once) {
		return act.Outcome{Result: act.Retry, Why: "the BMC has no boot override for one start, which endsWith: PowerOff needs: " +
			"let the run end with its result"}
	}
	return describeError(err)
}

// openBMC gives the conversation with the host's BMC, or an outcome that says why there is no conversation.
func (e *Effects) openBMC(ctx context.Context, desired inventory.Desired) (*redfish.Client, act.Outcome) {
	if desired.BMC == nil {
		return nil, act.Outcome{Result: act.Stalled, Why: "the host has no spec.bmc: add it to its file"}
	}
	client, err := e.bmcs.openClient(ctx, desired)
	if err != nil {
		return nil, act.Outcome{Result: act.Stalled, Why: err.Error()}
	}
	return client, act.Outcome{}
}

// powerOff is Done when the machine is seen off. The look that led to it has read the power.
func (e *Effects) powerOff(ctx context.Context, client *redfish.Client, action act.Action) act.Outcome {
	off := act.Outcome{Result: act.Waits, After: powerPause, Why: "the machine is powering off"}
	if action.Wait {
		return off
	}
	how := redfish.ForceOff
	if action.Graceful {
		how = redfish.GracefulShutdown
	}
	already, err := client.Change(ctx, how)
	if err != nil || already {
		return describeError(err)
	}
	if system, err := client.System(ctx); err == nil && system.Power == inventory.PoweredOff {
		return act.Outcome{Result: act.Done}
	}
	return off
}

// sendReboot sends the one command of a requested reboot. Done means that the BMC took it.
func sendReboot(ctx context.Context, client *redfish.Client, boot inventory.Boot) act.Outcome {
	how := redfish.GracefulShutdown
	if boot.Request.Mode == schemas.RebootHard {
		how = redfish.ForceRestart
	}
	return describeError(client.Reset(ctx, how))
}

// insertMedia lets the boot's agent in, serves the boot's medium and inserts the medium into the machine.
func (e *Effects) insertMedia(ctx context.Context, desired inventory.Desired, record inventory.Record) act.Outcome {
	client, outcome := e.openBMC(ctx, desired)
	if client == nil {
		return outcome
	}
	if err := e.serveBoot(ctx, desired, record); err != nil {
		return describeError(err)
	}
	_, err := client.Insert(ctx, e.config.Media.URLs(mediumKey(record))...)
	return describeError(err)
}

// assignPowerOff asks the agent to power the machine off, because the agent can sync the disks first.
func (e *Effects) assignPowerOff(ctx context.Context, record inventory.Record) act.Outcome {
	agent, err := e.config.Hub.State(ctx, string(record.ID))
	if err != nil {
		return describeError(err)
	}
	if agent.Boot == "" {
		return act.Outcome{Result: act.Retry, Why: "no agent has enrolled that could power the machine off"}
	}
	job := wire.Job{ID: agent.Boot + "-off", Attempt: 1, Kind: wire.JobPowerOff, Epoch: agent.Epoch}
	return describeAssignment(e.config.Hub.Assign(ctx, string(record.ID), hub.Assignment{Job: job}))
}

// giveLeave answers the question of the agent. The record with begun was written before.
func (e *Effects) giveLeave(ctx context.Context, record inventory.Record, action act.Action) act.Outcome {
	op := record.Operation
	return describeAssignment(e.config.Hub.GiveLeave(ctx, string(record.ID), hub.Leave{
		Job: op.JobID(), Attempt: op.Attempt, Nonce: action.Question.Nonce, Asked: action.Question.At,
	}))
}

// withdrawJob takes the operation's job back. A job that has begun to write goes on, and the next look sees the job.
func (e *Effects) withdrawJob(ctx context.Context, record inventory.Record, action act.Action) act.Outcome {
	op := action.Operation
	err := e.config.Hub.Withdraw(ctx, string(record.ID), hub.Withdrawal{
		Job: op.JobID(), Attempt: op.Attempt, Why: action.Error, Lost: action.Lost,
		Untaken: !action.Withdrawn && !action.Lost,
	})
	if errors.Is(err, hub.ErrBegun) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return describeError(err)
}

// describeAssignment turns the result of Assign or GiveLeave into an outcome: after ErrStale the next look decides anew.
func describeAssignment(err error) act.Outcome {
	if errors.Is(err, hub.ErrStale) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return describeError(err)
}

// describeError turns an error into an outcome; a nil error is Done. Only refused credentials that a BMC calls lasting
// are not tried again.
func describeError(err error) act.Outcome {
	var said *redfish.Error
	switch {
	case err == nil:
		return act.Outcome{Result: act.Done}
	case errors.As(err, &said) && !said.Temporary && said.Kind == redfish.Unauthorized:
		return act.Outcome{Result: act.Stalled, Why: err.Error()}
	default:
		return act.Outcome{Result: act.Retry, Why: err.Error()}
	}
}
