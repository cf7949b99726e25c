package admission_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admission"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// A hold gives the place up: the first step behind it asks for a place again, and no other step of the attempt does.
func TestTheStepBehindAHoldAsksForAPlace(t *testing.T) {
	t.Parallel()
	done := func(name string, attempt int) inventory.StepState {
		return inventory.StepState{Name: name, State: inventory.StepDone, Attempt: attempt}
	}
	skipped := inventory.StepState{Name: "skipped", State: inventory.StepSkipped}
	for name, test := range map[string]struct {
		before  []inventory.StepState
		attempt int // in which the step at the cursor was handed out last
		begun   int
		want    admit.Step
	}{
		"no hold":                {[]inventory.StepState{done("check", 1)}, 0, 0, admit.Repeat},
		"a hold":                 {[]inventory.StepState{done("check", 1), done("hold", 0)}, 0, 0, admit.HandOut},
		"a hold, over begun":     {[]inventory.StepState{done("check", 1), done("hold", 0)}, 0, 1, admit.HandOut},
		"a hold and a skip":      {[]inventory.StepState{done("check", 1), done("hold", 0), skipped}, 0, 0, admit.HandOut},
		"a hold and a script":    {[]inventory.StepState{done("hold", 0), done("check", 1)}, 0, 0, admit.Repeat},
		"handed out once before": {[]inventory.StepState{done("check", 1), done("hold", 0)}, 1, 0, admit.Repeat},
	} {
		op := inventory.Operation{ID: "o1", Stage: inventory.Working, Attempt: 1, Cursor: len(test.before), Disks: []inventory.OperationDisk{{Begun: test.begun}},
			Steps: append(test.before, inventory.StepState{Name: "install", Attempt: test.attempt})}
		q, asks := admission.FindQuestion(inventory.Record{Operation: &op}, plan.Plan{Phase: plan.Installing, Action: &act.Action{Kind: act.AssignStep, Operation: &op}})
		if !asks || q.Step != test.want {
			t.Errorf("%s: asks %t for %s, want %s", name, asks, q.Step, test.want)
		}
	}
}
