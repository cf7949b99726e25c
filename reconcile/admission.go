package reconcile

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// admitPlan lets a plan's action be done only where the other machines leave room; package admit decides. An admitted
// host takes a place at once, before the journal knows of the operation; later the host's record and phase show the
// place. A host that waits for its turn is looked at when a place becomes free.
func (l *Loop) admitPlan(in lookInput, next plan.Plan) plan.Plan {
	question, asks := admitQuestion(in.record, next)
	if !asks {
		return next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := l.admit.AskStep(in.record.ID, question, l.config.Now())
	live := &in.host.live
	switch turn := question.Step == admit.Begin || answer.Reason == admit.Places; {
	case answer.Takes:
		live.Admitted, live.Waiting = true, false
	case !answer.IsAllowed() && !answer.NeedsPerson() && turn:
		live.Admitted, live.Waiting = false, true
	}
	l.indexHost(in.host)
	return applyAnswer(next, answer)
}

// admitQuestion gives the question that a plan's action puts to package admit; false when the action needs no
// admission.
func admitQuestion(record inventory.Record, next plan.Plan) (q admit.Question, asks bool) {
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
	case a.Arms(record) && a.Kind == plan.AssignStep && !op.AttemptBegan():
		q.Step = admit.HandOut
	case a.Kind == plan.AssignStep && !a.Finishes(record):
		q.Step = admit.Repeat
	case a.Arms(record):
		q.Step = admit.TakeDown
	case a.Kind.AtBMC() && (next.Phase == plan.Installing || next.Phase == plan.Inspecting):
		q.Step = admit.Continue
	default:
		return q, false
	}
	if op != nil {
		q.Erases, q.Disk = op.Erases(), op.Root().Disk
	}
	return q, true
}

// applyAnswer changes a plan by an answer. After a no, the action is dropped, the plan says why, and the plan's
// alternative is done instead:
//
//	the answer                                phase      instead
//	yes                                       the same   nothing: the action is done
//	no: the history cannot be trusted         Held       what is due otherwise: the machine goes back to what it ran
//	no: another machine sees the disk         Held       nothing: the system that it ran may be on that disk
//	no: it waits for a place                  Waiting    what is due otherwise
//	no: it waits for its ring, or a pause     Pending    what is due otherwise
func applyAnswer(next plan.Plan, answer admit.Answer) plan.Plan {
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
	case admit.FleetPaused, admit.RingPaused, admit.RingFailed, admit.RingAfter, admit.Canaries, admit.Window,
		admit.Unavailable:
	default:
		panic("reconcile: unknown reason " + string(answer.Reason))
	}
	next.Phase, next.Hold, next.Waits, next.Due, next.Action = why.Phase, why.Hold, why.Waits, why.Due, nil
	if next.Otherwise != nil {
		next.Action, next.Again = next.Otherwise.Action, next.Otherwise.Again
	}
	return next
}

// updateAdmitFleet gives the admit view what holds for all machines together. The caller holds the lock.
func (l *Loop) updateAdmitFleet() {
	places := l.config.Limits.Installs
	if asked := l.fleet.settings.Installs; asked > 0 {
		places = min(asked, places)
	}
	l.admit.SetFleet(admit.Fleet{Rings: l.fleet.rings, Paused: l.fleet.settings.Paused, Places: places,
		Frozen: l.fleet.frozen})
}

// indexHost updates the indexes over all hosts after a host's desire, record or last look changed. The caller holds
// the lock.
func (l *Loop) indexHost(h *host) {
	l.indexStanding(h)
	h.live.Stance = h.lookStance()
	l.admit.SetMachine(h.record.ID, admit.DescribeMachine(h.desired, h.record, h.live))
}

// lookStance is the last look's result, as far as the admission of other hosts depends on the host.
func (h *host) lookStance() admit.Stance {
	switch h.lastLook.plan.Phase {
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

// wakeWaiting queues as many waiting hosts as there are free places.
func (l *Loop) wakeWaiting() {
	l.mu.Lock()
	next := l.admit.NextWaiting(l.config.Now())
	l.mu.Unlock()
	for _, id := range next {
		l.queue.AddHost(id, l.config.Now())
	}
}
