package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/evidence"
)

// continueOperation carries an operation on. What the operation was allowed stays allowed until its end. Before an
// attempt may have written, a changed fleet supersedes the operation; afterwards a write that has begun ends or
// fails.
//
//	stage       the step at the cursor  its job, as the agent says  due
//	Intended    any                     none                        Publish: no push, no erase
//	Published   the first               none                        the ramdisk, its facts, the same disk and content, AssignStep
//	Working     any                     ended well                  RecordStep: the next step, after the last one Confirming
//	Working     any                     failed, or was taken back   RecordFailed: the next attempt (rewindCursor)
//	Working     the one that installs   asks for leave              GiveLeave, or WithdrawJob (answerQuestion)
//	Working     the one that installs   running, of protocol 1      RecordBegun
//	Working     any                     begun nothing, unwanted     WithdrawJob
//	Working     any                     assigned or running         wait for its end
//	Working     not in the fleet        none                        RecordStep: a step that is no part of the inputs is left out
//	Working     not to be run again     none                        giveUp
//	Working     its condition fails     none                        the ramdisk, SkipStep (handOut)
//	Working     behind one that reboots none                        OpenBoot, once (bootAgain)
//	Working     any                     none                        the ramdisk, AssignStep; after three attempts giveUp
//	Confirming  none                    none                        the machine started from its disk, its phone call: no write
//
// An attempt of ingot 4176809 is one job for the whole list, and counts as the step that installs.
func (h *host) continueOperation() Plan {
	op := *h.Record.Operation
	if op.Stage == inventory.Intended || op.Stage == inventory.Published {
		op = h.withSteps(op)
	}
	if p, over := h.closeSuperseded(op); over {
		return p
	}
	if op.Stage == inventory.Intended { // guard: published-before-arming
		return planAction(Installing,
			act.Action{Kind: act.Publish, Operation: &op,
				Reason: "the operation must be on the status branch before the machine is armed"})
	}
	switch op.Stage {
	case inventory.Intended, inventory.Published:
		return h.armMachine(op)
	case inventory.Working:
		return h.continueStep(op)
	case inventory.Confirming:
		return h.confirmOperation(op)
	default:
		panic("plan: unknown stage " + string(op.Stage))
	}
}

// withSteps gives an operation without known steps the steps of the workload, as long as the fleet asks for the same
// inputs. Known steps stay: the ids of jobs count them, also in the memory of an agent and on the status branch.
func (h *host) withSteps(op inventory.Operation) inventory.Operation {
	if w := h.Desired.Workload; len(op.Steps) == 0 && op.Installs(w) {
		op.Steps = inventory.NewSteps(*w)
	}
	return op
}

// dropStep records the step at the cursor as done where the fleet asks for the same inputs without the step.
func (h *host) dropStep(op inventory.Operation) (Plan, bool) {
	step, due := op.Step()
	w := h.Desired.Workload
	if !due || !op.Installs(w) || step.Installs() ||
		slices.ContainsFunc(w.Steps, func(s inventory.Step) bool { return s.Key() == step.Key() }) {
		return Plan{}, false
	}
	why := "the fleet has no step " + step.Key() + " any more"
	return planAction(Installing, act.Action{Kind: act.RecordStep, Reason: why}), true
}

// armMachine brings the machine into the ramdisk, inspects the disk again, and hands the first step out.
func (h *host) armMachine(op inventory.Operation) Plan {
	for _, question := range []func() (Plan, bool){h.checkBMC, h.checkIdentity, h.checkTokenAlarm, h.checkRamdisk,
		h.checkImage, h.checkConfig, h.checkTakeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	if p, answered := h.setWithInstall(op); answered {
		return p
	}
	p, ready := h.startRamdisk(Installing)
	if p, over := h.giveUpUnbootable(op, p); over {
		return p
	}
	if !ready {
		return h.addOtherwise(p)
	}
	if h.needsFacts() {
		return h.recordFacts(Installing)
	}
	return h.addOtherwise(h.assignFirst(op))
}

// needsFacts reports whether the record lacks the facts of the present boot.
func (h *host) needsFacts() bool {
	return h.Record.Facts == nil || h.Record.Facts.Epoch != h.Record.Boot.Epoch
}

// assignFirst hands a step out for disks without a write so far.
func (h *host) assignFirst(op inventory.Operation) Plan {
	contents, why := h.compareFacts(op, op.AllDisks())
	if why != "" {
		return h.closeOperation(op, inventory.Superseded, why, Held)
	}
	if p, dropped := h.dropStep(op); dropped {
		return p
	}
	why = "the machine is the declared one, the disk is the one that was allowed"
	return h.handOut(op, contents, why)
}

// compareFacts compares disks of an operation, by their indexes, with the facts of the present boot. It gives what must
// be on the disks of the step at the cursor, which are among them.
func (h *host) compareFacts(op inventory.Operation, indexes []int) (contents []string, why string) {
	found, why := act.FindDisks(h.Desired, *h.Record.Facts, op, indexes)
	if why != "" {
		return nil, why
	}
	all, why := change.CompareDisks(op, h.Record, change.Compared{Indexes: indexes, Seen: found})
	if why != "" {
		return nil, why
	}
	for _, i := range op.StepDisks() {
		contents = append(contents, all[slices.Index(indexes, i)])
	}
	return contents, ""
}

// assignStep is the action that hands the step at the cursor out, with what must be on the disks of the step.
func assignStep(op inventory.Operation, contents []string, why string) act.Action {
	return act.Action{Kind: act.AssignStep, Operation: &op, Contents: contents, Reason: why}
}

// continueStep sees the step at the cursor to its end.
func (h *host) continueStep(op inventory.Operation) Plan {
	job := h.CurrentJob(op)
	if p, answered := h.recordJobEnd(op, job); answered {
		return p
	}
	handedOut := job.Begun || job.State == inventory.JobRunning
	if op.Writes() && !op.HasBegun() && handedOut && evidence.IsOfProtocol1(job) {
		return planAction(Installing, act.Action{Kind: act.RecordBegun, Reason: "the agent has the job, and asks for no leave"})
	}
	if p, answered := h.answerQuestion(op, job); answered {
		return p
	}
	if op.Attempt-op.Withdrawn > maxAttempts {
		return h.giveUp(op, cmp.Or(op.Error, "the install failed"))
	}
	if step, unrepeatable := op.FindUnrepeatable(); unrepeatable {
		return h.giveUp(op, fmt.Sprintf("step %s is not run again: %s", step.Key(),
			cmp.Or(op.Error, "its attempt was lost")))
	}
	if p, dropped := h.dropStep(op); dropped && job.State == inventory.NoJob && !job.Begun {
		return p
	}
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Installing)
	}
	for _, question := range []func() (Plan, bool){h.checkIdentity, h.checkTokenAlarm, h.checkTakeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	if p, due := h.bootAgain(op, job); due {
		return p
	}
	p, ready := h.startRamdisk(Installing)
	reboots := p.Action != nil && p.Action.Kind == act.OpenBoot
	switch {
	case ready && h.WorksOnUnknownJob(op):
		why := "the agent works on the job, and the hub does not know the job yet"
		return planAction(Installing, assignStep(op, anyContents(op), why))
	case ready && job.State != inventory.NoJob:
		return h.awaitJob(op, job)
	case job.State != inventory.NoJob && !job.Begun && reboots: // with the boot the hub forgets the job
		why := p.Action.Reason
		return planAction(Installing, act.Action{Kind: act.WithdrawJob, Operation: &op, Error: why, Lost: true, Reason: why})
	default:
		return h.handOutNext(op, job, p, ready)
	}
}

// handOutNext hands the step at the cursor out when the ramdisk is ready. Before, the given plan readies the ramdisk.
// An attempt of ingot 4176809 that no agent has any more is lost.
func (h *host) handOutNext(op inventory.Operation, job inventory.Job, p Plan, ready bool) Plan {
	if op.IsWholeList() && ready {
		return h.recordFailed(op, inventory.Job{Error: "the agent that had the job is gone"})
	}
	finishes := act.Action{Kind: act.AssignStep}.Finishes(h.Record)
	if stopped, over := h.stopAttempts(op); over && op.HasBegun() && !finishes && (ready || p.Action != nil) {
		return stopped
	}
	if p, answered := h.checkConfig(); answered && job.State == inventory.NoJob {
		return p
	}
	if !op.HasBegun() { // the permission covers the content of before, and no later content
		return h.handOutAgain(op, p, ready)
	}
	if !ready {
		return p
	}
	if h.needsFacts() {
		return h.recordFacts(Installing)
	}
	if op.Verified() && !op.Writes() {
		return h.handOut(op, anyContents(op), "the system is written and verified, and the steps behind it are due")
	}
	contents, found := h.compareFacts(op, op.StepDisks())
	if found != "" {
		return h.closeOperation(op, inventory.Quarantined, found, Held)
	}
	return h.handOut(op, contents, fmt.Sprintf("attempt %d of the same operation: the disk is ours to write", op.Attempt))
}

// anyContents lets the disks of the step at the cursor hold anything.
func anyContents(op inventory.Operation) []string {
	return slices.Repeat([]string{"any"}, len(op.StepDisks()))
}

// handOutAgain hands out a step while nothing is written: every check of the first attempt applies again.
func (h *host) handOutAgain(op inventory.Operation, p Plan, ready bool) Plan {
	if p, over := h.giveUpUnbootable(op, p); over {
		return p
	}
	switch {
	case ready && h.needsFacts():
		p = h.recordFacts(Installing)
	case ready:
		p = h.assignFirst(op)
	}
	return h.addOtherwise(p)
}

// recordJobEnd records an attempt that has ended, well or not.
func (h *host) recordJobEnd(op inventory.Operation, job inventory.Job) (Plan, bool) {
	switch job.State {
	case inventory.JobSucceeded:
		why := "the agent wrote and verified the image"
		if step, due := op.Step(); due && !step.Installs() {
			why = "step " + step.Key() + " is done"
		}
		return planAction(Installing, act.Action{Kind: act.RecordStep, Table: job.Table, Left: job.Left, Described: job.Described,
			Erased: job.Erased, Reason: why}), true
	case inventory.JobFailed:
		return h.recordFailed(op, job), true
	case inventory.JobWithdrawn:
		if !job.Over && h.AgentAlive() {
			return Plan{Phase: Installing, Waits: "the agent to end the step that it is at: it is not let write any " +
				"more, as " + job.Error}, true
		}
		return h.recordFailed(op, job), true
	default:
		return Plan{}, false
	}
}

// awaitJob waits for an agent that has a job, or is to get the job. Before the install step begins, a change of the
// fleet takes the job back from the agent.
func (h *host) awaitJob(op inventory.Operation, job inventory.Job) Plan {
	untaken := job.State == inventory.JobAssigned && h.Passed(h.Observed.Attended.Job, takeDeadline)
	why := ""
	if !evidence.IsWriting(op, job) {
		why = h.whyRefused(op)
	}
	switch {
	case why != "":
		return h.withdrawJob(op, why)
	case untaken:
		why = fmt.Sprintf("the agent did not take the job up within %s: read its console", takeDeadline)
		return planAction(Installing, act.Action{Kind: act.WithdrawJob, Operation: &op, Error: why, Reason: why})
	case job.State == inventory.JobAssigned:
		return Plan{Phase: Installing, Waits: "the agent to take the job up", Due: h.Due(h.Observed.Attended.Job, takeDeadline),
			Again: bmcPause}
	default:
		waits := "the agent to write the image"
		if step, due := op.Step(); due && !step.Installs() {
			waits = "the agent to end step " + step.Key()
		}
		return Plan{Phase: Installing, Waits: waits, Again: bmcPause}
	}
}

// withdrawJob takes the operation's job back from the agent. The hub refuses once the install step has begun.
func (h *host) withdrawJob(op inventory.Operation, why string) Plan {
	return planAction(Installing, act.Action{Kind: act.WithdrawJob, Operation: &op, Error: why, Withdrawn: true, Reason: why})
}

// recordFailed records a failed attempt; after the last attempt the operation is given up. An attempt that was taken
// back is no failure.
func (h *host) recordFailed(op inventory.Operation, job inventory.Job) Plan {
	next := h.withSteps(op)
	return planAction(Installing, act.Action{
		Kind: act.RecordFailed, Operation: &next, Error: cmp.Or(job.Error, "the agent said nothing about it"),
		Withdrawn: job.State == inventory.JobWithdrawn, Final: job.Final, Left: job.Left, Erased: job.Erased,
		Reason: fmt.Sprintf("attempt %d of %d failed", op.Attempt-op.Withdrawn, maxAttempts),
	})
}

// giveUp powers the ramdisk off, unless the Workload leaves the machine on, and ends the operation as quarantined. Where
// nothing was written, the machine goes back to its old system (checkGivenUp).
func (h *host) giveUp(op inventory.Operation, why string) Plan {
	staysOn := op.Installs(h.Desired.Workload) && h.Desired.Workload.StaysOn
	if a := h.leaveRamdisk(0, "the "+op.Kind.Word()+" is given up"); a != nil && op.HasBegun() && !staysOn {
		return h.followLeave(Failed, *a)
	}
	return h.closeOperation(op, inventory.Quarantined, why, Failed)
}

// checkGivenUp answers when the last operation was given up before any write, and the fleet asks for the same still.
// The disk and the consent are unchanged, and a person decides about a new attempt.
func (h *host) checkGivenUp() (Plan, bool) {
	if !change.IsGivenUp(h.Desired, h.Record) || h.Observed.Retry {
		return Plan{}, false
	}
	last := h.Record.Last
	p := h.returnToSystem(Failed, 0, "the "+last.Kind.Word()+" is given up")
	message := fmt.Sprintf("the %s was given up before any write: %s: mend that and run `ingot retry %s`, or "+
		"change what is asked for", last.Kind.Word(), last.Error, h.Desired.Name)
	p.Hold = &change.Hold{Reason: change.InstallFailed, Message: message}
	return p, true
}

// closeOperation ends the operation with an outcome.
func (h *host) closeOperation(op inventory.Operation, outcome, why string, phase Phase) Plan {
	op.Outcome, op.Error = outcome, why
	return planAction(phase, act.Action{Kind: act.CloseOperation, Operation: &op, Reason: why})
}

// showInPhase shows a wait for the BMC in the phase of the interrupted work.
func showInPhase(p Plan, phase Phase) Plan {
	p.Phase = phase
	return p
}
