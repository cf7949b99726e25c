package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/conditions"
)

// handOut hands the step at the cursor out, or skips the step. The decision about a step's conditions is made once in
// an operation, by the facts of the boot in which the step is due first:
//
//	decided before  its conditions      due
//	no              none                AssignStep
//	no              all hold            AssignStep, with the decision
//	no              one does not hold   SkipStep, with the decision
//	holds           any                 AssignStep
//	fails           any                 SkipStep
func (h *host) handOut(op inventory.Operation, contents []string, why string) Plan {
	a := assignStep(op, contents, why)
	step, _ := op.Step()
	whyNot := step.WhyNot
	if step.When == "" && !step.Installs() {
		a.When, whyNot = conditions.Decide(h.Desired, h.Record, step)
		step.When = a.When
	}
	if step.When != inventory.WhenFails || step.Installs() {
		return h.beginStep(op, step, a)
	}
	return planAction(Installing, act.Action{Kind: act.SkipStep, When: step.When, WhyNot: whyNot,
		Reason: fmt.Sprintf("step %s is skipped: %s", step.Key(), whyNot)})
}
