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
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Pauses before the next look at started work.
const (
	imagePause = 2 * time.Second
	powerPause = 2 * time.Second
	// askAgain is the pause between two requests for a shutdown: some operating systems answer a second request with a
	// question.
	askAgain = time.Minute
)

// Do carries out one action: Do starts the work or finds the work done, and returns. Do decides nothing.
func (e *Effects) Do(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action plan.Action) plan.Outcome {
	switch action.Kind {
	case plan.FetchImage:
		return e.fetchImage(desired)
	case plan.InsertMedia:
		return e.insertMedia(ctx, desired, record)
	case plan.AssignStep:
		return e.assignStep(ctx, desired, record, action)
	case plan.WithdrawJob:
		return e.withdrawJob(ctx, record, action)
	case plan.AssignPowerOff:
		return e.assignPowerOff(ctx, record)
	case plan.PowerOff, plan.PowerOn, plan.EjectMedia, plan.BootFromMedia, plan.BootFromDisk:
		return e.doAtBMC(ctx, desired, record, action)
	default: // journal-only actions and plan.Publish never come here
		return plan.Outcome{Result: plan.Stalled,
			Why: fmt.Sprintf("there is no effect for %s: this is a bug in ingot", action.Kind)}
	}
}

// doAtBMC carries out an action that needs only the BMC.
func (e *Effects) doAtBMC(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action plan.Action) plan.Outcome {
	client, outcome := e.openBMC(ctx, desired)
	if client == nil {
		return outcome
	}
	switch action.Kind {
	case plan.PowerOff:
		return e.powerOff(ctx, client, record, action)
	case plan.PowerOn:
		found, err := client.Change(ctx, redfish.PowerOn)
		outcome = describeError(err)
		outcome.Found = found
		return outcome
	case plan.EjectMedia:
		return describeError(client.Eject(ctx))
	case plan.BootFromMedia:
		_, err := client.SetBootOverride(ctx, redfish.FromMedium, redfish.Continuous)
		return describeError(err)
	default: // plan.BootFromDisk: the medium is out, the firmware's own order finds the disk
		return describeError(client.ClearBootOverride(ctx))
	}
}

// openBMC gives the conversation with the host's BMC, or an outcome that says why there is no conversation.
func (e *Effects) openBMC(ctx context.Context, desired inventory.Desired) (*redfish.Client, plan.Outcome) {
	if desired.BMC == nil {
		return nil, plan.Outcome{Result: plan.Stalled, Why: "the host has no spec.bmc: add it to its file"}
	}
	client, err := e.bmcs.openClient(ctx, desired)
	if err != nil {
		return nil, plan.Outcome{Result: plan.Stalled, Why: err.Error()}
	}
	return client, plan.Outcome{}
}

// powerOff is Done when the machine is seen off.
func (e *Effects) powerOff(ctx context.Context, client *redfish.Client, record inventory.Record,
	action plan.Action) plan.Outcome {
	system, err := client.System(ctx)
	if err != nil || system.Power == inventory.PoweredOff {
		return describeError(err)
	}
	off := plan.Outcome{Result: plan.Waits, After: powerPause, Why: "the machine is powering off"}
	how := redfish.ForceOff
	if action.Graceful {
		if how = redfish.GracefulShutdown; !e.mayAskShutdown(record) {
			return off
		}
	}
	if err := client.Reset(ctx, how); err != nil {
		return describeError(err)
	}
	if system, err = client.System(ctx); err == nil && system.Power == inventory.PoweredOff {
		return plan.Outcome{Result: plan.Done}
	}
	return off
}

// shutdownRequest is the time and the epoch of a request to shut down: after another boot another system runs.
type shutdownRequest struct {
	epoch uint64
	at    time.Time
}

// mayAskShutdown reports whether the host's operating system may be asked to shut down now, and notes the request.
func (e *Effects) mayAskShutdown(record inventory.Record) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, last := e.config.Now(), e.shutdownsAsked[record.ID]
	if last.epoch == record.Epoch && now.Sub(last.at) < askAgain {
		return false
	}
	e.shutdownsAsked[record.ID] = shutdownRequest{record.Epoch, now}
	return true
}

// insertMedia lets the boot's agent in, serves the boot's medium and inserts the medium into the machine.
func (e *Effects) insertMedia(ctx context.Context, desired inventory.Desired, record inventory.Record) plan.Outcome {
	client, outcome := e.openBMC(ctx, desired)
	if client == nil {
		return outcome
	}
	if err := e.serveBoot(ctx, desired, record); err != nil {
		return describeError(err)
	}
	url := e.config.Media.URL(mediumKey(record))
	slot, err := client.Insert(ctx, url)
	if err == nil {
		e.rememberMediumName(record.ID, mediumName{url: url, as: slot.Image})
	}
	return describeError(err)
}

// assignPowerOff asks the agent to power the machine off, because the agent can sync the disks first.
func (e *Effects) assignPowerOff(ctx context.Context, record inventory.Record) plan.Outcome {
	agent, err := e.config.Hub.State(ctx, string(record.ID))
	if err != nil {
		return describeError(err)
	}
	if agent.Boot == "" {
		return plan.Outcome{Result: plan.Retry, Why: "no agent has enrolled that could power the machine off"}
	}
	job := wire.Job{ID: agent.Boot + "-off", Attempt: 1, Kind: wire.JobPowerOff, Epoch: agent.Epoch}
	return describeAssignment(e.config.Hub.Assign(ctx, string(record.ID), hub.Assignment{Job: job}))
}

// withdrawJob takes the operation's job back. A job that has begun to write goes on, and the next look sees the job.
func (e *Effects) withdrawJob(ctx context.Context, record inventory.Record, action plan.Action) plan.Outcome {
	op := action.Operation
	err := e.config.Hub.Withdraw(ctx, string(record.ID), hub.Withdrawal{
		Job: op.JobID(), Attempt: op.Attempt, Why: action.Error, Lost: action.Lost,
		Untaken: !action.Withdrawn && !action.Lost,
	})
	if errors.Is(err, hub.ErrBegun) {
		return plan.Outcome{Result: plan.Waits, After: time.Second, Why: err.Error()}
	}
	return describeError(err)
}

// describeAssignment turns the result of Assign into an outcome: after ErrStale the next look decides anew.
func describeAssignment(err error) plan.Outcome {
	if errors.Is(err, hub.ErrStale) {
		return plan.Outcome{Result: plan.Waits, After: time.Second, Why: err.Error()}
	}
	return describeError(err)
}

// describeError turns an error into an outcome; a nil error is Done. Only refused credentials that a BMC calls lasting
// are not tried again.
func describeError(err error) plan.Outcome {
	var said *redfish.Error
	switch {
	case err == nil:
		return plan.Outcome{Result: plan.Done}
	case errors.As(err, &said) && !said.Temporary && said.Kind == redfish.Unauthorized:
		return plan.Outcome{Result: plan.Stalled, Why: err.Error()}
	default:
		return plan.Outcome{Result: plan.Retry, Why: err.Error()}
	}
}
