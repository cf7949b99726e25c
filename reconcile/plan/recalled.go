package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkRecalled answers for what was begun and is known from the status branch alone, until the machine speaks: the agent
// of the boot, whose certificate no old page can bring back, or the system that the operation installed. The page may
// be older than what happened, by a push or, if somebody put it back, by years: the machine may run what it should,
// so it is neither powered off nor written to, until a person looks and says `ingot forget HOST`.
//
//	known of it                        the machine                             due
//	operation                          its system phoned home                  it succeeded
//	operation                          the agent of the boot speaks of its job go on, from the job: the page says less than happened
//	operation up to Working, wanted    the agent of the boot speaks            go on: the job is handed out, again if the agent has it
//	operation up to Working, unwanted  the agent of the boot speaks            hold: it may be writing
//	any other                          the agent of the boot speaks            go on
//	operation, Confirming              off                                     go on: it starts from its disk
//	boot, without an operation         off                                     go on
//	any                                any                                     hold
func (h host) checkRecalled() (Plan, bool) {
	if !h.record.Unproved() {
		return Plan{}, false
	}
	b, a, op := h.record.Boot, h.observed.Agent, h.record.Operation
	if op != nil && a.PhoneHome != nil && a.PhoneHome.Install == op.ID {
		return planAction(Starting,
			Action{Kind: RecordHome, Home: a.PhoneHome, Reason: "the installed system phoned home"}), true
	}
	off := h.observed.BMC.Reach == inventory.Reached && h.observed.BMC.Power == inventory.PoweredOff
	if a.Alarm == "" && b != nil && a.Boot == b.ID && a.Epoch == b.Epoch {
		return h.takeAgentWord(off)
	}
	if off && (op == nil || isVerified(*op)) {
		return Plan{}, false
	}
	return holdRecalled("the journal was lost, and the status branch, which may be older than what happened, " +
		"says that something is under way: it goes on when the machine's agent speaks or its system phones home. " +
		"Else look at the machine, then run " + change.ForgetCommand(h.desired)), true
}

// takeAgentWord takes the word of the boot's agent for what was begun. It may be writing, whether the page says that the machine was armed or not, and the hub forgot with
// the journal: only handing the job out tells, which an agent that has it already does not begin again.
func (h host) takeAgentWord(off bool) (Plan, bool) {
	word, op := Action{Kind: RecordWord, Reason: "the machine speaks of what was read from the status branch"},
		h.record.Operation
	job, spoken := h.spokenJob()
	switch {
	case op == nil:
	case h.observed.Agent.Quiet:
		return Plan{Phase: Waiting, Waits: "the agent to say whether it works on a job", Again: 2 * time.Second}, true
	case spoken && isVerified(*op) && job.Attempt > op.Attempt:
		return holdRecalled("the status branch says that its install was written and verified, and its agent works " +
			"on a later attempt: it goes on when the installed system phones home. " +
			"Else look at the machine's console"), true
	case spoken:
		word.Operation = armFromJob(h.withSteps(*op), job)
	case !isVerified(*op) && !off:
		if _, over := h.closeSuperseded(*op); !over && change.WhyUnwanted(h.desired, *op) == "" {
			return Plan{}, false
		}
		return holdRecalled("the fleet does not ask any more for what was begun on it, or does not allow it, and the " +
			"journal was lost: its agent speaks, but not of whether it writes already. " +
			"It goes on when the fleet asks for it again. Else look at the machine's console, and power it off when " +
			"nothing is written"), true
	}
	return planAction(Waiting, word), true
}

func holdRecalled(why string) Plan {
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.Recalled, Message: why}}
}

// spokenJob is the job of the operation that the agent speaks of: the hub's, or the one that the agent says it works on. Of
// a job for the whole list that the hub does not know the attempt is not known: it is 0.
func (h host) spokenJob() (inventory.Job, bool) {
	job := h.observed.Agent.Job
	if h.record.Operation == nil {
		return job, false
	}
	op := h.withSteps(*h.record.Operation)
	if job.ID == "" {
		job.ID = h.observed.Agent.Runs
		_, job.Attempt, _ = op.StepOfJob(job.ID)
	}
	_, _, step := op.StepOfJob(job.ID)
	return job, step || job.ID == op.ID
}

// armFromJob is an operation as far as the agent's job proves that it has come. Which attempts wrote is not known any more.
func armFromJob(op inventory.Operation, job inventory.Job) *inventory.Operation {
	next := op.Clone()
	defer forgetBegun(next)
	if isVerified(op) {
		return next
	}
	advanceStage(next, inventory.Working)
	cursor, attempt, step := op.StepOfJob(job.ID)
	if !step { // a job for the whole list
		next.Attempt, next.Steps, next.Cursor = max(op.Attempt, job.Attempt), nil, 0
		return next
	}
	if attempt < op.Attempt || attempt == op.Attempt && cursor < op.Cursor {
		return next
	}
	next.Attempt, next.Cursor = attempt, cursor
	for i := range cursor {
		next.Steps[i].State = inventory.StepDone
	}
	next.Steps[cursor].State, next.Steps[cursor].Attempt = inventory.StepWorking, attempt
	return next
}

// isVerified reports whether the agent said that the image was written and verified.
func isVerified(op inventory.Operation) bool {
	return op.Stage == inventory.Confirming
}
