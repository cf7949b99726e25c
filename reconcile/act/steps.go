package act

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// handOutStep records that the step at the cursor is about to be handed out. Nothing is written before leave. An
// operation of ingot 4176809 that was not armed has its steps in the action.
func handOutStep(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	if len(op.Steps) == 0 && op.Stage != inventory.Working {
		op.Steps = slices.Clone(a.Operation.Steps)
	}
	AdvanceStage(op, inventory.Working)
	if step, due := op.Step(); due {
		step.State, step.Attempt = inventory.StepWorking, op.Attempt
		if a.When != "" {
			step.When = a.When
		}
		op.Steps[op.Cursor] = step
	}
	return rec
}

// passStep records that the step at the cursor is done, or is skipped. A step that reboots is followed by a boot of a
// later epoch: the cursor stands on the next step before the machine goes off.
func passStep(op *inventory.Operation, a Action, epoch inventory.Epoch) {
	step, _ := op.Step()
	if a.Kind == SkipStep {
		skipStep(op, a)
		return
	}
	if recordStep(op, a); step.Reboots {
		op.Reboot = epoch
	}
}

// recordStep records that the step at the cursor is done.
func recordStep(op *inventory.Operation, a Action) {
	AdvanceStage(op, inventory.Working)
	if op.Writes() {
		noteBegun(op, op.StepDisks())
		noteLeft(op, a.Left)
	}
	if step, _ := op.Step(); step.Installs() || op.IsWholeList() {
		change.KeepMark(op, a.Table)
	}
	if step, due := op.Step(); due {
		step.Described, step.Erased = a.Described, steps.AddErased(step.Erased, a.Erased, op.Attempt)
		op.Steps[op.Cursor] = step
	}
	leaveStep(op, inventory.StepDone)
}

// noteLeft records what the step at the cursor left on its disks. Without the agent's word nothing is known of them.
func noteLeft(op *inventory.Operation, left []inventory.SeenDisk) {
	step, _ := op.Step()
	if indexes := op.StepDisks(); !step.Installs() && len(left) == len(indexes) {
		for at, i := range indexes {
			if op.Disks[i].Begun != 0 {
				op.Disks[i].Left = &left[at]
			}
		}
	}
}

// skipStep records that the step at the cursor is not run. An install is never skipped.
func skipStep(op *inventory.Operation, a Action) {
	AdvanceStage(op, inventory.Working)
	if step, due := op.Step(); due && !step.Installs() {
		step.When, step.WhyNot = a.When, a.WhyNot
		op.Steps[op.Cursor] = step
		leaveStep(op, inventory.StepSkipped)
	}
}

// leaveStep moves the cursor behind the step. After the last step the operation is to be confirmed.
func leaveStep(op *inventory.Operation, state inventory.StepProgress) {
	if step, due := op.Step(); due {
		step.State = state
		op.Steps[op.Cursor] = step
		op.Cursor++
	}
	if op.Cursor == len(op.Steps) {
		AdvanceStage(op, inventory.Confirming)
		op.Error = ""
	}
}

// rewindCursor puts the cursor on the first step that the next attempt may repeat: the first of the list, or, where
// the system is written and verified, the step behind the install. Steps in front of the install are not run over a
// written system.
func rewindCursor(op *inventory.Operation, a Action) {
	if len(op.Steps) == 0 && a.Operation != nil { // the failed attempt was a job for the whole list
		op.Steps = slices.Clone(a.Operation.Steps)
	}
	first := 0
	for i, step := range op.Steps {
		if step.Installs() && step.State == inventory.StepDone {
			first = i + 1
		}
	}
	for i := first; i < len(op.Steps); i++ {
		if op.Steps[i].State = inventory.StepWaiting; i == op.Cursor && op.Steps[i].Attempt != 0 {
			op.Steps[i].State = inventory.StepFailed
		}
	}
	op.Cursor = first
}
