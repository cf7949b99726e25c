package admission_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admission"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// back is the way back to the system that ran before.
var back = plan.Plan{Phase: plan.Installing, Action: &act.Action{Kind: act.CloseBoot}, Again: time.Second}

// TestAnAnswerChangesAPlan is the table of ApplyAnswer; the words of a later answer take the place of the first ones,
// and the action stays.
func TestAnAnswerChangesAPlan(t *testing.T) {
	t.Parallel()
	until := time.Unix(1000, 0)
	for _, reason := range admit.Reasons {
		phase, hold, action := plan.Pending, change.Reason(""), act.CloseBoot
		switch reason {
		case admit.Frozen:
			phase, hold = plan.Held, change.Frozen
		case admit.DiskShared:
			phase, hold, action = plan.Held, change.DiskShared, ""
		case admit.ManyErases, admit.DomainBusy, admit.Places:
			phase = plan.Waiting
		}
		due := plan.Plan{Phase: plan.Installing, Action: &act.Action{Kind: act.InsertMedia}, Otherwise: &back}
		first := admission.ApplyAnswer(due, admit.Answer{Reason: reason, Why: "why", Until: until})
		later := admission.ReviseWait(admission.ApplyAnswer(due, admit.Answer{Reason: admit.RingAfter, Why: "0 of 16"}),
			admit.Answer{Reason: reason, Why: "why", Until: until})
		for _, p := range []plan.Plan{first, later} {
			said, due := p.Waits, p.Due
			if p.Hold != nil {
				said, due = p.Hold.Message, until
			}
			if p.Phase != phase || p.Turn != string(reason) || said != "why" || !due.Equal(until) ||
				(p.Hold == nil) != (hold == "") || p.Hold != nil && p.Hold.Reason != hold {
				t.Errorf("%s: %+v, want %s, held for %q", reason, p, phase, hold)
			}
		}
		if got := kindOf(first); got != action {
			t.Errorf("%s: %q is done instead, want %q", reason, got, action)
		}
		if got := kindOf(later); got != act.CloseBoot {
			t.Errorf("%s after RingAfter: the action is %q, want that of the look", reason, got)
		}
	}
	due := plan.Plan{Phase: plan.Installing, Action: &act.Action{Kind: act.InsertMedia}, Otherwise: &back}
	if got := admission.ApplyAnswer(due, admit.Answer{}); kindOf(got) != act.InsertMedia || got.Turn != "" {
		t.Errorf("after a yes: %+v, want the action", got)
	}
}

func kindOf(p plan.Plan) act.Kind {
	if p.Action == nil {
		return ""
	}
	return p.Action.Kind
}
