package plan

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/upkeep"
)

// seeToSettings does what package upkeep says of the wanted settings. It does not answer where the settings are as
// wanted, and where a boot must come first.
func (h *host) seeToSettings(phase Phase, inTurn bool, operation string) (p Plan, d upkeep.Decision, answered bool) {
	want := upkeep.Merge(h.Desired, inTurn)
	l := upkeep.Look{Want: want, Found: h.Observed.BMC.Settings, State: h.Record.Settings, Retry: h.Observed.Retry}
	if h.Record.Settings.IsReset() {
		l = l.After(h.Desired, h.Observed, h.Now)
		l.Overdue = h.Passed(max(h.Observed.Attended.Opened, h.Observed.Attended.Started), h.Record.Settings.Timeout())
	}
	d = upkeep.Decide(l)
	switch a := d.Action(h.Desired, h.Record, want, operation); {
	case d.Due == upkeep.Wait || d.Due == upkeep.Unread:
		return Plan{Phase: phase, Waits: "the BIOS settings: " + d.Why, Again: d.Pause()}, d, true
	case d.Due == upkeep.Refuse || d.Due == upkeep.GiveUp:
		return h.holdHost(d.Hold(h.Desired.Name)), d, true
	case a != nil:
		return planAction(phase, *a), d, true
	default:
		return Plan{Phase: phase}, d, false
	}
}

// checkSettings answers while the settings of a machine that shall be installed cannot be known, would be refused, or
// failed before: nothing is reset for them.
func (h *host) checkSettings() (Plan, bool) {
	p, d, answered := h.seeToSettings(Waiting, false, "")
	return p, answered && p.Action == nil && d.Due != upkeep.Wait || answered && d.Due == upkeep.Wait && !h.Record.Settings.IsUnderWay()
}

// setWithInstall changes the settings before the first boot of an install: the boot into the ramdisk is the reset that
// they want. It does not answer when that boot may begin, or go on.
func (h *host) setWithInstall(op inventory.Operation) (Plan, bool) {
	if h.Record.Settings.IsOfAnother(op.ID) {
		return planAction(Installing, act.Action{Kind: act.CloseSettings, Reason: "its operation is over"}), true
	}
	p, d, answered := h.seeToSettings(Installing, false, op.ID)
	switch {
	case d.Due == upkeep.Reset:
		return h.openBoot(Installing, inventory.FromRamdisk, 1, d.Why), true
	case d.Due == upkeep.Boot && d.Passed:
		return Plan{Phase: Installing, Waits: "the BIOS settings: " + d.Why, Again: bmcPause}, true
	default:
		return p, answered && d.Due != upkeep.Record
	}
}

// maintain is the plan of a machine in service that is on: its settings that are applied in turn are seen to.
func (h *host) maintain() Plan {
	p, d, _ := h.seeToSettings(Active, true, "")
	if d.Due == upkeep.Open {
		p.Phase = Maintaining
	}
	return p
}

// continueMaintenance carries the maintenance of a machine in service on: its system is asked to shut down, never cut,
// the machine starts from its disk, and the same install calls again.
func (h *host) continueMaintenance() Plan {
	for _, question := range []func() (Plan, bool){h.checkBMC, h.checkIdentity} {
		if p, answered := question(); answered {
			return showInPhase(p, Maintaining)
		}
	}
	p, d, answered := h.seeToSettings(Maintaining, true, "")
	switch {
	case answered:
		return p
	case d.Due == upkeep.Reset:
		if p = h.openBoot(Maintaining, inventory.FromDisk, 1, d.Why); p.Action != nil {
			p.Action.Boot.Restart = true
		}
		return p
	}
	started, running := h.startFromDisk(Maintaining)
	if running {
		started.Waits, started.Again = "the BIOS settings: "+d.Why, bmcPause
	}
	return started
}
