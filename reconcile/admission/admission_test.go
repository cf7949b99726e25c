package admission_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
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

// TestARequestWaits leaves a machine as it is whose request may not begin now; a later answer replaces the words.
func TestARequestWaits(t *testing.T) {
	t.Parallel()
	due := plan.Plan{Phase: plan.Active, Action: &act.Action{Kind: act.OpenBoot}, Request: "reboot fw-7 (Soft)",
		Requests: []string{"inspect a waits: b"}}
	if q, asks := admission.FindQuestion(inventory.Record{}, due); !asks || q != (admit.Question{Step: admit.Disturb}) {
		t.Errorf("FindQuestion = %+v, %t, want Disturb", q, asks)
	}
	if got := admission.ApplyAnswer(due, admit.Answer{}); kindOf(got) != act.OpenBoot || got.AwaitsTurn() {
		t.Errorf("after a yes: %+v, want the action", got)
	}
	for _, reason := range admit.Reasons {
		p := admission.ApplyAnswer(due, admit.Answer{Reason: reason, Why: "first"})
		p = admission.ReviseWait(p, admit.Answer{Reason: reason, Why: "why"})
		want := []string{"inspect a waits: b", "reboot fw-7 (Soft) waits: why"}
		if p.Phase != plan.Active || p.Action != nil || p.Hold != nil || p.Waits != "" || !slices.Equal(p.Requests, want) || !p.AwaitsTurn() {
			t.Errorf("%s: %+v, want it Active, with %q", reason, p, want)
		}
	}
	due.Phase = plan.Starting // the boot is open, and its command may not be sent now
	if p := admission.ApplyAnswer(due, admit.Answer{Reason: admit.Window, Why: "why"}); p.Phase != plan.Starting || p.Waits != "why" {
		t.Errorf("before its command: %+v, want it to say what it waits for", p)
	}
}

func kindOf(p plan.Plan) act.Kind {
	if p.Action == nil {
		return ""
	}
	return p.Action.Kind
}
