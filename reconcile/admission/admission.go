// Package admission puts a plan's action to package admit, and lets the answer change the plan. Call FindQuestion for
// the plan of a look, and ApplyAnswer with the answer; call ReviseWait when the answer may read differently later. Do
// not decide here who may begin: package admit does. Pure.
package admission

import (
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// FindQuestion gives the question that a plan's action puts to package admit; false when the action needs no
// admission.
func FindQuestion(record inventory.Record, next plan.Plan) (q admit.Question, asks bool) {
	if next.Action == nil {
		return q, false
	}
	op := record.Operation
	if next.Action.Kind == act.OpenOperation {
		op = next.Action.Operation
	}
	switch a := *next.Action; {
	case next.Request != "":
		return admit.Question{Step: admit.Disturb}, true
	case a.Begins(record):
		q.Step = admit.Begin
	case a.Arms(record) && a.Kind == act.AssignStep && !op.AttemptBegan(),
		a.Kind == act.AssignStep && !a.Finishes(record) && isBehindHold(*op): // the hold gave the place up
		q.Step = admit.HandOut
	case a.Kind == act.AssignStep && !a.Finishes(record), a.Kind == act.GiveLeave:
		q.Step = admit.Repeat
	case a.Arms(record):
		q.Step = admit.TakeDown
	case a.Kind.AtBMC() && (next.Phase.IsOperation() || next.Phase == plan.Inspecting):
		q.Step = admit.Continue
	default:
		return q, false
	}
	if op != nil {
		q.Erases, q.Disk, q.Others = op.Erases(), op.Root().Disk, admit.ListOthers(op.Others())
	}
	return q, true
}

// isBehindHold reports whether a step on hold was the last that the machine was at: the step at the cursor is the first
// to be handed out behind it.
func isBehindHold(op inventory.Operation) bool {
	for i := op.Cursor - 1; i >= 0 && op.Steps[i].Attempt != op.Attempt; i-- {
		if op.Steps[i].Name == schemas.StepHold && op.Steps[i].State == inventory.StepDone {
			return op.Steps[min(op.Cursor, len(op.Steps)-1)].Attempt != op.Attempt
		}
	}
	return false
}

// ApplyAnswer changes a plan by an answer. After a no, the action is dropped, the plan says why, and the plan's
// alternative is done instead:
//
//	the answer                                phase      instead
//	any no to leave to write                  the same   the job is taken back
//	yes                                       the same   nothing: the action is done
//	no: the history cannot be trusted         Held       what is due otherwise: the machine goes back to what it ran
//	no: another machine sees the disk         Held       nothing: the system that it ran may be on that disk
//	no: it waits for a place                  Waiting    what is due otherwise
//	no: it waits for its ring, or a pause     Pending    what is due otherwise
//	no to a request of the file               the same   nothing: the machine stays as it is
func ApplyAnswer(next plan.Plan, answer admit.Answer) plan.Plan {
	if answer.IsAllowed() {
		return next
	}
	if next.Action.Kind == act.GiveLeave {
		return plan.RefuseLeave(next, answer.Why)
	}
	if next.Request != "" {
		next = ReviseWait(next, answer)
		next.Action = nil
		return next
	}
	if answer.Reason == admit.DiskShared {
		next.Otherwise = nil
	}
	next = ReviseWait(next, answer)
	if next.Action = nil; next.Otherwise != nil {
		next.Action, next.Again = next.Otherwise.Action, next.Otherwise.Again
	}
	return next
}

// ReviseWait has a plan say why its action is not done now; the action stays. A plan that ApplyAnswer changed gets the
// words of a later answer so, which is a no too.
func ReviseWait(p plan.Plan, answer admit.Answer) plan.Plan {
	if p.Request != "" {
		return reviseRequest(p, answer)
	}
	p.Phase, p.Hold, p.Waits, p.Due, p.Turn = plan.Pending, nil, answer.Why, answer.Until, string(answer.Reason)
	switch answer.Reason {
	case admit.Frozen:
		p.Phase, p.Hold = plan.Held, &change.Hold{Reason: change.Frozen, Message: answer.Why}
	case admit.DiskShared:
		p.Phase, p.Hold = plan.Held, &change.Hold{Reason: change.DiskShared, Message: answer.Why}
	case admit.ManyErases, admit.DomainBusy, admit.Places:
		p.Phase = plan.Waiting
	case admit.FleetPaused, admit.RingPaused, admit.RingFailed, admit.WorkloadFailed, admit.RingAfter, admit.Canaries,
		admit.Window, admit.Unavailable:
	default:
		panic("admission: unknown reason " + string(answer.Reason))
	}
	if p.Hold != nil {
		p.Waits, p.Due = "", time.Time{}
	}
	return p
}

// reviseRequest has a plan say why the request that it would begin is not begun now.
func reviseRequest(p plan.Plan, answer admit.Answer) plan.Plan {
	p.Turn = string(answer.Reason)
	p.Requests = slices.DeleteFunc(slices.Clone(p.Requests), func(line string) bool { return strings.HasPrefix(line, p.Request+" ") })
	p.Requests = append(p.Requests, p.Request+" waits: "+answer.Why)
	if p.Waits == "" && p.Hold == nil && p.Phase != plan.Active {
		p.Waits, p.Due = answer.Why, answer.Until
	}
	return p
}

// DescribeStance is the phase of a machine, as far as the admission of other machines depends on the machine. A machine that was
// not looked at since the start has no phase: an inspection from before the start goes on.
func DescribeStance(phase plan.Phase, rec inventory.Record) admit.Stance {
	switch phase {
	case "":
		if rec.Boot != nil && rec.Boot.Target == inventory.FromRamdisk && rec.Run == nil {
			return admit.Inspecting
		}
		return admit.Idle
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
