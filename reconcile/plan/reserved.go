package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
	"github.com/gitmetal/ingot/schemas"
)

// beginStep begins the step at the cursor while the agent is ready: a reserved step that needs no agent, or the
// hand-out.
//
//	the step               due
//	hold, and no resume    nothing, without a deadline: the host is held for a person, the machine stays in the ramdisk
//	hold, and a resume     RecordStep
//	reboot, power          RecordStep: the step is what follows it (bootAgain)
//	any other              the hand-out
func (h *host) beginStep(op inventory.Operation, step inventory.StepState, handOut act.Action) Plan {
	done := act.Action{Kind: act.RecordStep, Request: requested.FindResume(h.Desired, h.Record, step)}
	switch {
	case step.Name == schemas.StepHold && done.Request != nil:
		done.Reason = "spec.requests says that step " + step.Key() + " is over"
	case step.Name == schemas.StepHold && !h.Observed.Retry:
		what := op.Describe()
		if op.Stage != inventory.Working {
			what = fmt.Sprintf("step `%s`", step.Key())
		}
		message := fmt.Sprintf("%s waits for a person: run `ingot resume %s`, or write spec.requests: {resume: %s}", what,
			h.Desired.Name, requests.ResumeValue(step.Key(), op.ID))
		return Plan{Phase: Held, Hold: &change.Hold{Reason: change.OnHold, Message: message}}
	case step.Name == schemas.StepHold:
		done.Reason = "an operator said that step " + step.Key() + " is over"
	case step.Name == schemas.StepReboot || step.Name == schemas.StepPower:
		done.Reason = "step " + step.Key() + " is what the next step begins with"
	default:
		return planAction(Installing, handOut)
	}
	return planAction(Installing, done)
}

// bootAgain boots the ramdisk anew where the step before the cursor was one that reboots, and no boot was opened since.
// Without a next step there is nothing to boot for: the machine starts from its disk.
func (h *host) bootAgain(op inventory.Operation, job inventory.Job) (Plan, bool) {
	b := h.Record.Boot
	step, due := op.Step()
	if op.Reboot == 0 || !due || job.State != inventory.NoJob || b == nil || b.Target != inventory.FromRamdisk ||
		b.Epoch > op.Reboot || step.When == inventory.WhenFails {
		return Plan{}, false
	}
	return h.openBoot(Installing, inventory.FromRamdisk, 1, "the step before wants a boot"), true
}
