package upkeep

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// firmwareTime is how long a system that never calls must have been on before its firmware counts as through.
const firmwareTime = 5 * time.Minute

// After adds to a Look what the machine has shown since the reset.
func (l Look) After(d inventory.Desired, o inventory.Observed, now time.Time) Look {
	b, work := o.Record.Boot, l.State.Work
	if b == nil || b.Epoch < work.Reset || b.Stage != inventory.Running {
		return l
	}
	l.Started = true
	mute := d.Workload != nil && d.Workload.PhoneHome == schemas.PhoneHomeDisabled
	switch agent, installed := o.Agent, o.Record.Installed; {
	case b.Target == inventory.FromRamdisk:
		l.Passed = agent.Boot == b.ID && !agent.Enrolled.IsZero()
		l.Since = now.Sub(agent.Enrolled)
	case mute:
		l.Passed = o.BMC.Power == inventory.PoweredOn && o.Attended.Started > firmwareTime
		l.Since = o.Attended.Started
	case agent.PhoneHome != nil && installed != nil:
		l.Passed = agent.PhoneHome.Install == installed.ID && agent.PhoneHome.At.After(b.Started)
		l.Since = now.Sub(agent.PhoneHome.At)
	}
	return l
}

// Action is what a decision has done; nil for a decision that does nothing by itself. The operation is the id of the
// install that the work belongs to, or "" for a maintenance.
func (d Decision) Action(desired inventory.Desired, rec inventory.Record, want settings.Wanted, operation string) *act.Action {
	switch d.Due {
	case Open, Write, Succeed, Fail, Record, Drop:
	default:
		return nil
	}
	a := act.Action{Kind: act.CloseSettings, Reason: d.Why}
	switch d.Due {
	case Open:
		a.Kind, a.Work = act.OpenSettings, &settings.Work{Operation: operation, Steps: want.Steps, Bios: want.Bios,
			Digest: want.Digest(), Commit: desired.Commit, Seconds: want.Seconds}
	case Write:
		a.Kind, a.Work = act.WriteSettings, rec.Settings.Work
	case Succeed: // what is applied in turn is a part of what an install sets
		if a.Held = rec.Settings.Work.Digest; operation != "" && desired.Workload != nil {
			a.Held = settings.Merge(desired.Workload.Settings, true).Digest()
		}
	case Fail:
		a.Error = d.Why
	case Record:
		a.Kind, a.Held = act.RecordSettings, want.Digest()
	}
	return &a
}

// Hold is why a machine is held whose settings the BMC would refuse, or did not take.
func (d Decision) Hold(host string) change.Hold {
	if d.Due == Refuse {
		return change.Hold{Reason: change.SettingsRefused, Message: d.Why}
	}
	return change.Hold{Reason: change.SettingsFailed,
		Message: fmt.Sprintf("%s: change the Step, or run `ingot retry %s`", d.Why, host)}
}

// Pause is when to look again at the settings of a machine that waits for them.
func (d Decision) Pause() time.Duration {
	if d.Due == Unread {
		return time.Minute
	}
	return 5 * time.Second
}

// Merge gives the settings that the fleet asks for; with inTurn those that are applied in turn.
func Merge(d inventory.Desired, inTurn bool) settings.Wanted {
	if d.Workload == nil {
		return settings.Wanted{}
	}
	return settings.Merge(d.Workload.Settings, inTurn)
}
