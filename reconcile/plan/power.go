package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// maxCuts is how many hard power-offs a machine that stays on gets before it is held.
const maxCuts = 2

// checkOff answers while a reading says Off, and that may be wrong.
func (h *host) checkOff() (Plan, bool) {
	if h.Observed.BMC.Power != inventory.PoweredOff || h.IsOff() {
		return Plan{}, false
	}
	left := h.Deadlines.Off - h.Observed.Evidence.Off
	return Plan{Phase: Waiting, Waits: "a second look that finds the machine off", Due: h.Now.Add(left), Again: left},
		true
}

// leaveSilent ends a boot whose agent has fallen silent. A machine that is on is asked to shut down; if it stays on, it
// counts as found running after a while.
func (h *host) leaveSilent(phase Phase, b inventory.Boot) Plan {
	why := fmt.Sprintf("the agent has said nothing for %s", h.Deadlines.Silence)
	age := h.Observed.Attended.Silent
	if h.Passed(age, h.Deadlines.Lost) {
		return planAction(phase, act.Action{Kind: act.RecordLost, Boot: &b,
			Reason: fmt.Sprintf("the agent has said nothing for %s, and what the machine runs is not known",
				h.Deadlines.Lost)})
	}
	p := planAction(phase, *h.PowerOff(why))
	p.Waits, p.Due = why+": the machine is asked to shut down, and counts as found running if it stays on",
		h.Due(age, h.Deadlines.Lost)
	return p
}

// holdStaysOn adds a hold to a plan that powers off a machine which does not go off.
func (h *host) holdStaysOn(p Plan) Plan {
	e := h.Observed.Evidence
	if p.Action == nil || p.Action.Kind != act.PowerOff || p.Action.Graceful || e.Cuts < maxCuts {
		return p
	}
	message := fmt.Sprintf("the BMC accepted %d power-offs and the machine is still on: switch the machine off by hand, or "+
		"reset its BMC", e.Cuts)
	if e.CameBack {
		message = "the machine goes off, and comes on again without ingot: look for another controller, a power restore " +
			"policy or a watchdog"
	}
	p.Phase, p.Hold, p.Waits = Held, &change.Hold{Reason: change.StaysOn, Message: message}, "the machine to go off"
	return p
}
