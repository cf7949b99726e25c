package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkRecalled answers for work that is known from the status branch alone, until the machine speaks: the agent of
// the boot, with a certificate that no old page can bring back, or the installed system. The page may be older than
// the machine by a push, or, if a person restored the page, by years. The machine may run the right system, so the
// daemon neither powers it off nor writes to it until a person looks and says `ingot forget HOST`.
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
//
// An agent that the daemon knows, and that has not spoken since the daemon's start, speaks no more when its machine is
// off, or when it is silent for longer than an agent is.
func (h *host) checkRecalled() (Plan, bool) {
	if !h.Record.Unproved() {
		return Plan{}, false
	}
	b, agent, op := h.Record.Boot, h.Observed.Agent, h.Record.Operation
	phonedHome := op != nil && op.IsCalledBy(agent.PhoneHome)
	off := h.Observed.BMC.Reach == inventory.Reached && h.IsOff()
	gone := agent.Quiet && (off || !h.AgentAlive()) // it may still be known, and will not speak
	agentSpeaks := agent.Alarm == "" && b != nil && agent.Boot == b.ID && agent.Epoch == b.Epoch && !gone
	switch {
	case phonedHome:
		why := "the installed system phoned home"
		return planAction(Starting, act.Action{Kind: act.RecordHome, Home: agent.PhoneHome, Reason: why}), true
	case agentSpeaks:
		return h.takeAgentWord(off)
	case off && (op == nil || act.IsVerified(*op)):
		return Plan{}, false
	default:
		return holdRecalled(change.UnspokenMessage(h.Desired)), true
	}
}

// checkNewerCall answers when an installed system called that was installed after everything the daemon remembers: a
// journal and a status branch of another moment were put back. Nothing that is remembered of the machine counts.
func (h *host) checkNewerCall() (Plan, bool) {
	call, op := h.Observed.Agent.PhoneHome, h.Record.Operation
	switch {
	case call == nil:
		return Plan{}, false
	case call.Epoch > h.Record.Epoch:
	case op != nil && call.Install == op.ID && call.Attempt > op.Attempt:
	default:
		return Plan{}, false
	}
	message := fmt.Sprintf("install %s called, and was installed after all that the daemon remembers: its memory is old; "+
		"restore a newer state directory, or run %s", call.Install, change.ForgetCommand(h.Desired))
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.MemoryOld, Message: message}}, true
}

// takeAgentWord takes the word of the boot's agent for the work. The agent may be writing, whether or not the page
// says that the machine was armed, and the hub forgot with the journal. Only a new hand-out tells: an agent that has
// the job already does not begin again.
func (h *host) takeAgentWord(off bool) (Plan, bool) {
	op := h.Record.Operation
	word := act.Action{Kind: act.RecordWord, Reason: "the machine speaks of what was read from the status branch"}
	if op == nil {
		return planAction(Waiting, word), true
	}
	job, spoken := h.spokenJob()
	laterAttempt := spoken && act.IsVerified(*op) && job.Attempt > op.Attempt
	mayWrite := !spoken && !act.IsVerified(*op) && !off
	switch {
	case h.Observed.Agent.Quiet:
		waits := "the agent to say whether it works on a job"
		return Plan{Phase: Waiting, Waits: waits, Again: bmcPause}, true
	case laterAttempt:
		return holdRecalled(change.LaterAttemptMessage(h.Desired)), true
	case spoken:
		word.Operation = armFromJob(h.withSteps(*op), job)
		return planAction(Waiting, word), true
	case mayWrite:
		_, superseded := h.closeSuperseded(*op)
		if !superseded && change.WhyUnwanted(h.Desired, *op) == "" {
			return Plan{}, false
		}
		return holdRecalled(change.UnwantedMessage), true
	default:
		return planAction(Waiting, word), true
	}
}

// holdRecalled holds a host with work that is known from the status branch alone.
func holdRecalled(why string) Plan {
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.Recalled, Message: why}}
}

// spokenJob is the job of the operation that the agent speaks of: the job of the hub, or the job that the agent says
// it works on. The attempt is 0 for a job over the whole list that the hub does not know.
func (h *host) spokenJob() (inventory.Job, bool) {
	job := h.Observed.Agent.Job
	if h.Record.Operation == nil {
		return job, false
	}
	op := h.withSteps(*h.Record.Operation)
	if job.ID == "" {
		job.ID = h.Observed.Agent.Runs
		_, job.Attempt, _ = op.StepOfJob(job.ID)
	}
	_, _, step := op.StepOfJob(job.ID)
	return job, step || job.ID == op.ID
}

// armFromJob is the operation as far as the job of the agent proves. The attempts that wrote are not known any more.
func armFromJob(op inventory.Operation, job inventory.Job) *inventory.Operation {
	next := op.Clone()
	defer act.ForgetBegun(next)
	if act.IsVerified(op) {
		return next
	}
	act.AdvanceStage(next, inventory.Working)
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
