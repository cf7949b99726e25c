package reconcile

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// admitted lets a plan's action be done only where the other machines leave room for it: package admit decides. A
// place is taken here, before the journal knows of what begins, and is seen in the host's record and phase ever
// after. A host that waits for its turn is looked at when a place becomes free.
func (l *Loop) admitted(of subject, next plan.Plan) plan.Plan {
	question, asks := questionOf(of.record, next)
	if !asks {
		return next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := l.admit.Ask(of.record.ID, question, l.config.Now())
	live := &of.host.live
	switch turn := question.Step == admit.Begin || answer.Reason == admit.Places; {
	case answer.Takes:
		live.Admitted, live.Waiting = true, false
	case !answer.Allowed() && !answer.Person() && turn:
		live.Admitted, live.Waiting = false, true
	}
	l.moved(of.host)
	return answered(next, answer)
}

// questionOf gives what a plan's action asks of the other machines; false when that is nothing.
func questionOf(record inventory.Record, next plan.Plan) (q admit.Question, asks bool) {
	if next.Action == nil {
		return q, false
	}
	op := record.Operation
	if next.Action.Kind == plan.OpenOperation {
		op = next.Action.Operation
	}
	switch a := *next.Action; {
	case a.Begins(record):
		q.Step = admit.Begin
	case a.Arms(record) && a.Kind == plan.AssignInstall:
		q.Step = admit.HandOut
	case a.Arms(record):
		q.Step = admit.TakeDown
	case a.Kind == plan.AssignInstall:
		q.Step = admit.Repeat
	case a.Kind.AtBMC() && (next.Phase == plan.Installing || next.Phase == plan.Inspecting):
		q.Step = admit.GoOn
	default:
		return q, false
	}
	if op != nil {
		q.Erases, q.Disk = op.Erases, op.Disk
	}
	return q, true
}

// answered gives the plan that follows an answer: where the answer is no, the action is not done, the plan says why,
// and what is due otherwise is done instead.
//
//	the answer                                phase      instead
//	yes                                       the same   nothing: the action is done
//	no: the history cannot be trusted         Held       what is due otherwise: the machine goes back to what it ran
//	no: another machine sees the disk         Held       nothing: the system that it ran may be on that disk
//	no: it waits for a place                  Waiting    what is due otherwise
//	no: it waits for its ring, or a pause     Pending    what is due otherwise
func answered(next plan.Plan, answer admit.Answer) plan.Plan {
	why := plan.Plan{Phase: plan.Pending, Waits: answer.Why, Due: answer.Until}
	switch answer.Reason {
	case "":
		return next
	case admit.Frozen:
		why = plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.Frozen, Message: answer.Why}}
	case admit.DiskShared:
		why = plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.DiskShared, Message: answer.Why}}
		next.Otherwise = nil
	case admit.Places:
		why.Phase = plan.Waiting
	case admit.FleetPaused, admit.RingPaused, admit.RingFailed, admit.RingAfter, admit.Canaries, admit.Window, admit.Unavailable:
	default:
		panic("reconcile: unknown reason " + string(answer.Reason))
	}
	next.Phase, next.Hold, next.Waits, next.Due, next.Action = why.Phase, why.Hold, why.Waits, why.Due, nil
	if next.Otherwise != nil {
		next.Action, next.Again = next.Otherwise.Action, next.Otherwise.Again
	}
	return next
}

// tellFleet tells the view of all machines what holds for them together. The caller holds the lock.
func (l *Loop) tellFleet() {
	places := l.config.Limits.Installs
	if asked := l.fleet.settings.Installs; asked > 0 {
		places = min(asked, places)
	}
	l.admit.SetFleet(admit.Fleet{Rings: l.fleet.rings, Paused: l.fleet.settings.Paused, Places: places,
		Frozen: l.fleet.frozen})
}

// moved tells of a host whose desire, record or last look may have changed. The caller holds the lock.
func (l *Loop) moved(h *host) {
	l.moveStanding(h)
	h.live.Stance = h.stance()
	l.admit.Set(h.record.ID, admit.Of(h.desired, h.record, h.live))
}

// stance is what the last look at a host came to, as far as others go by it.
func (h *host) stance() admit.Stance {
	switch h.seen.plan.Phase {
	case plan.Held:
		return admit.OnHold
	case plan.Pending, plan.Failed:
		return admit.Stopped
	case plan.Inspecting:
		return admit.Inspecting
	default:
		return admit.Idle
	}
}

// placeFreed wakes as many of the hosts that wait as there are places.
func (l *Loop) placeFreed() {
	l.mu.Lock()
	next := l.admit.Next(l.config.Now())
	l.mu.Unlock()
	for _, id := range next {
		l.queue.Add(id, l.config.Now())
	}
}
