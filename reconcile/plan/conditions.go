package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/act"
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
		a.When, whyNot = h.decideConditions(step)
		step.When = a.When
	}
	if step.When != inventory.WhenFails || step.Installs() {
		return h.beginStep(op, step, a)
	}
	return planAction(Installing, act.Action{Kind: act.SkipStep, When: step.When, WhyNot: whyNot,
		Reason: fmt.Sprintf("step %s is skipped: %s", step.Key(), whyNot)})
}

// decideConditions decides the conditions of a step; "" for a step without conditions.
func (h *host) decideConditions(step inventory.StepState) (when, whyNot string) {
	if h.Desired.Workload == nil {
		return "", ""
	}
	known, _ := steps.FindStep(h.Desired.Workload.Steps, step.Key())
	if len(known.When) == 0 {
		return "", ""
	}
	machine := rules.Machine{Facts: h.Record.Facts, Labels: h.Desired.Labels, Vars: h.Desired.Vars, Name: h.Desired.Name,
		ID: h.Desired.ID}
	holds, whyNot := rules.NewCompiler().DecideAll(known.When, machine)
	if !holds {
		return inventory.WhenFails, whyNot
	}
	return inventory.WhenHolds, ""
}
