package plan

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/deadlines"
)

// Pauses between requests that change the power.
const (
	askAgain  = time.Minute // some operating systems answer a second request to shut down with a question
	maxCuts   = 2           // hard power-offs after which a machine that stays on is held
	maxEjects = 3           // ejects after which a medium that stays in is left in
)

// isOff reports whether the machine is off for certain. Off that ingot caused, and saw happen, needs one reading. Off
// that was found needs readings over a while without a sign of life, as some BMCs say Off for a while after a machine
// came on.
func (h *host) isOff() bool {
	e := h.observed.Evidence
	if h.observed.BMC.Power != inventory.PoweredOff {
		return false
	}
	if !e.WentOff && e.Off < h.deadlines.Off { // guard: two-readings
		return false
	}
	return true
}

// isOn reports whether the last reading said On.
func (h *host) isOn() bool { return h.observed.BMC.Power == inventory.PoweredOn }

// checkOff answers while a reading says Off, and that may be wrong.
func (h *host) checkOff() (Plan, bool) {
	if h.observed.BMC.Power != inventory.PoweredOff || h.isOff() {
		return Plan{}, false
	}
	left := h.deadlines.Off - h.observed.Evidence.Off
	return Plan{Phase: Waiting, Waits: "a second look that finds the machine off", Due: h.now.Add(left), Again: left},
		true
}

// powerOff is the next step on the way to a machine that is off. The first row that fits decides:
//
//	the machine                                                  due
//	holds a disk with a write that has begun, not verified       the power is cut
//	may run what nobody knows (mayRunAnything)                   a request to shut down, each minute, and no more
//	is in service, and under maintenance                         a request to shut down, each minute, and no more
//	was asked to shut down for less than two minutes             a request to shut down, each minute
//	any other                                                    the power is cut, with growing pauses
func (h *host) powerOff(why string) *act.Action {
	a := &act.Action{Kind: act.PowerOff, Reason: why}
	e := h.observed.Evidence
	switch asked := e.Asks > 0 && h.passed(e.Asked, gracefulDeadline); {
	case h.isMidWrite():
	case h.mayRunAnything(), h.record.Settings.IsMaintained(), !asked:
		a.Graceful, a.Wait = true, e.Asks > 0 && e.AskedLast < askAgain
		return a
	}
	a.Wait = e.Cuts > 0 && e.CutLast < deadlines.CutPause(e.Cuts)
	return a
}

// isMidWrite reports whether the machine's disk may be half written: no system can run from the disk. A job that has not
// begun wrote nothing in its attempt.
func (h *host) isMidWrite() bool {
	op := h.record.Operation
	if op == nil || op.Root().Begun == 0 || op.Verified() { // beside a begun disk of a script, the old system can run
		return false
	}
	job := h.currentJob(*op)
	return job.State == inventory.NoJob || job.Begun || op.Root().Begun != op.Attempt
}

// mayRunAnything reports whether nothing proves that the machine still runs the ramdisk that it was started from: its
// agent fell silent. A person may have started its own system meanwhile.
func (h *host) mayRunAnything() bool {
	b := h.record.Boot
	return b != nil && b.Target == inventory.FromRamdisk && b.Stage != inventory.Preparing &&
		h.observed.Agent.Boot == b.ID && !h.agentAlive()
}

// leaveSilent ends a boot whose agent has fallen silent. A machine that is on is asked to shut down; if it stays on, it
// counts as found running after a while.
func (h *host) leaveSilent(phase Phase, b inventory.Boot) Plan {
	why := fmt.Sprintf("the agent has said nothing for %s", h.deadlines.Silence)
	age := h.observed.Attended.Silent
	if h.passed(age, h.deadlines.Lost) {
		return planAction(phase, act.Action{Kind: act.RecordLost, Boot: &b,
			Reason: fmt.Sprintf("the agent has said nothing for %s, and what the machine runs is not known",
				h.deadlines.Lost)})
	}
	p := planAction(phase, *h.powerOff(why))
	p.Waits, p.Due = why+": the machine is asked to shut down, and counts as found running if it stays on",
		h.due(age, h.deadlines.Lost)
	return p
}

// holdStaysOn adds a hold to a plan that powers off a machine which does not go off.
func (h *host) holdStaysOn(p Plan) Plan {
	e := h.observed.Evidence
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

// passed reports whether something has lasted for longer than its deadline, in attended time. No deadline passes soon
// after a start of the daemon: a machine that could not be heard before has time to speak.
func (h *host) passed(age, deadline time.Duration) bool {
	if h.observed.Attended.Start < h.deadlines.Start { // guard: attended-time
		return false
	}
	return age > deadline
}

// due is when a deadline passes, if the machine can be heard until then.
func (h *host) due(age, deadline time.Duration) time.Time {
	return h.now.Add(max(deadline-age, h.deadlines.Start-h.observed.Attended.Start, 0))
}
