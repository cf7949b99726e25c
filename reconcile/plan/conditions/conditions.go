// Package conditions decides whether a step of an operation runs on a machine, by the machine's facts. Call Decide once in
// an operation, when the step is due first; the operation keeps the answer. Pure.
package conditions

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/steps"
)

// Decide decides the conditions of a step: inventory.WhenHolds, or inventory.WhenFails with the condition that does not
// hold; "" for a step without conditions.
func Decide(d inventory.Desired, rec inventory.Record, step inventory.StepState) (when, whyNot string) {
	if d.Workload == nil {
		return "", ""
	}
	known, _ := steps.FindStep(d.Workload.Steps, step.Key())
	if len(known.When) == 0 {
		return "", ""
	}
	machine := rules.Machine{Facts: rec.Facts, Labels: d.Labels, Vars: d.Vars, Name: d.Name, ID: d.ID}
	holds, whyNot := rules.NewCompiler().DecideAll(known.When, machine)
	if !holds {
		return inventory.WhenFails, whyNot
	}
	return inventory.WhenHolds, ""
}
