package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
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
//	Working     the one that installs   running, and not recorded   RecordBegun
//	Working     any                     begun nothing, unwanted     WithdrawJob
//	Working     any                     assigned or running         wait for its end
//	Working     any                     none                        the ramdisk, AssignStep; after three attempts giveUp
//	Confirming  none                    none                        the machine started from its disk, its phone call: no write
//
// An attempt of ingot 4176809 is one job for the whole list, and counts as the step that installs.
func (h host) continueOperation() Plan {
	op := *h.record.Operation
	if op.Stage == inventory.Intended || op.Stage == inventory.Published {
		op = h.withSteps(op)
	}
	if p, over := h.closeSuperseded(op); over {
		return p
	}
	switch op.Stage {
	case inventory.Intended:
		return planAction(Installing,
			Action{Kind: Publish, Operation: &op,
				Reason: "the operation must be on the status branch before the machine is armed"})
	case inventory.Published:
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
// inputs.
func (h host) withSteps(op inventory.Operation) inventory.Operation {
	if w := h.desired.Workload; len(op.Steps) == 0 && w != nil && w.Inputs == op.Inputs {
		op.Steps = inventory.NewSteps(*w)
	}
	return op
}

// currentJob is the job of the agent, if the job is for the step at the cursor in the present attempt. An agent that
// works on a job unknown to the hub may be writing.
func (h host) currentJob(op inventory.Operation) inventory.Job {
	if job := h.observed.Agent.Job; job.ID == op.JobID() && job.Attempt == op.Attempt {
		return job
	}
	if h.worksOnUnknownJob(op) {
		return inventory.Job{ID: op.JobID(), Attempt: op.Attempt, State: inventory.JobRunning, Begun: true}
	}
	return inventory.Job{}
}

// worksOnUnknownJob reports whether the agent says that it works on the present job of the operation while the hub
// does not know the job, as after the loss of the journal.
func (h host) worksOnUnknownJob(op inventory.Operation) bool {
	return h.observed.Agent.Job.ID == "" && h.observed.Agent.Runs == op.JobID()
}

// armMachine brings the machine into the ramdisk, inspects the disk again, and hands the first step out.
func (h host) armMachine(op inventory.Operation) Plan {
	for _, question := range []func() (Plan, bool){h.checkBMC, h.checkIdentity, h.checkTokenAlarm, h.checkImage,
		h.checkConfig, h.checkTakeover} {
		if p, answered := question(); answered {
			return p
		}
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
func (h host) needsFacts() bool {
	return h.record.Facts == nil || h.record.Facts.Epoch != h.record.Boot.Epoch
}

// assignFirst hands a step out for a disk without a write so far.
func (h host) assignFirst(op inventory.Operation) Plan {
	disk, err := inventory.PickDisk(h.desired.RootDisk, h.record.Facts.Disks)
	if root := op.Root().Disk; err != nil || !disk.ID().IsSameDisk(root) {
		return h.closeOperation(op, inventory.Superseded, fmt.Sprintf("the root disk is not %s any more", root.Label()),
			Held)
	}
	content, why := expectContent(op.Root().Content, disk)
	if why != "" {
		return h.closeOperation(op, inventory.Superseded, why, Held)
	}
	why = "the machine is the declared one, the disk is the one that was allowed"
	return planAction(Installing, Action{Kind: AssignStep, Operation: &op, Content: content, Reason: why})
}

// expectContent is the content that the agent must find right before the first write, or why a permission over the
// allowed content does not cover the disk as it is now.
func expectContent(allowed string, disk inventory.Disk) (content, why string) {
	now := disk.Content
	switch {
	case allowed == inventory.ContentBlank && now.Blank:
		return "blank", ""
	case allowed == inventory.ContentBlank:
		return "", fmt.Sprintf("disk %s was blank and is not any more", disk.ID().Label())
	case now.Unreadable != "":
		return "", fmt.Sprintf("disk %s cannot be read: %s", disk.ID().Label(), now.Unreadable)
	case strings.HasPrefix(allowed, "content:"):
		same := now.Signature == strings.TrimPrefix(allowed, "content:")
		if now.Blank || same {
			return cmp.Or(now.Signature, "blank"), ""
		}
		return "", fmt.Sprintf("what is on disk %s changed since the consent", disk.ID().Label())
	default:
		// the install of the daemon, or a failed attempt: the disk is the same, whatever its system wrote
		return "any", ""
	}
}

// continueStep sees the step at the cursor to its end.
func (h host) continueStep(op inventory.Operation) Plan {
	job := h.currentJob(op)
	if p, answered := h.recordJobEnd(op, job); answered {
		return p
	}
	handedOut := job.Begun || job.State == inventory.JobRunning
	if op.Writes() && !op.HasBegun() && handedOut { // the daemon died before it could record the hand-out
		return planAction(Installing, Action{Kind: RecordBegun, Reason: "the agent has the job"})
	}
	if op.Attempt-op.Withdrawn > maxAttempts {
		return h.giveUp(op, cmp.Or(op.Error, "the install failed"))
	}
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Installing)
	}
	for _, question := range []func() (Plan, bool){h.checkIdentity, h.checkTokenAlarm} {
		if p, answered := question(); answered {
			return p
		}
	}
	p, ready := h.startRamdisk(Installing)
	reboots := p.Action != nil && p.Action.Kind == OpenBoot
	switch {
	case ready && h.worksOnUnknownJob(op):
		why := "the agent works on the job, and the hub does not know the job yet"
		return planAction(Installing, Action{Kind: AssignStep, Operation: &op, Content: "any", Reason: why})
	case ready && job.State != inventory.NoJob:
		return h.awaitJob(op, job)
	case job.State != inventory.NoJob && !job.Begun && reboots: // with the boot the hub forgets that nothing began
		why := p.Action.Reason
		return planAction(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Lost: true, Reason: why})
	default:
		return h.handOutNext(op, job, p, ready)
	}
}

// handOutNext hands the step at the cursor out when the ramdisk is ready. Before, the given plan readies the ramdisk.
func (h host) handOutNext(op inventory.Operation, job inventory.Job, p Plan, ready bool) Plan {
	finishes := Action{Kind: AssignStep}.Finishes(h.record)
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
	why := fmt.Sprintf("attempt %d of the same operation: the disk is ours to write", op.Attempt)
	if op.Verified() {
		why = "the system is written and verified, and the steps behind it are due"
	}
	return planAction(Installing, Action{Kind: AssignStep, Operation: &op, Content: "any", Reason: why})
}

// handOutAgain hands out a step while nothing is written: every check of the first attempt applies again.
func (h host) handOutAgain(op inventory.Operation, p Plan, ready bool) Plan {
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
func (h host) recordJobEnd(op inventory.Operation, job inventory.Job) (Plan, bool) {
	switch job.State {
	case inventory.JobSucceeded:
		why := "the agent wrote and verified the image"
		if step, due := op.Step(); due && !step.Installs() {
			why = "step " + step.Name + " is done"
		}
		return planAction(Installing, Action{Kind: RecordStep, Reason: why}), true
	case inventory.JobFailed:
		return h.recordFailed(op, job), true
	case inventory.JobWithdrawn:
		if !job.Over && h.agentAlive() {
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
func (h host) awaitJob(op inventory.Operation, job inventory.Job) Plan {
	untaken := job.State == inventory.JobAssigned && h.now.After(job.Since.Add(takeDeadline))
	why := ""
	if !job.Begun {
		why = h.whyRefused(op)
	}
	switch {
	case why != "":
		return h.withdrawJob(op, why)
	case untaken:
		why = fmt.Sprintf("the agent did not take the job up within %s: read its console", takeDeadline)
		return planAction(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Reason: why})
	case job.State == inventory.JobAssigned:
		return Plan{Phase: Installing, Waits: "the agent to take the job up", Due: job.Since.Add(takeDeadline),
			Again: 2 * time.Second}
	default:
		waits := "the agent to write the image"
		if step, due := op.Step(); due && !step.Installs() {
			waits = "the agent to end step " + step.Name
		}
		return Plan{Phase: Installing, Waits: waits, Again: 2 * time.Second}
	}
}

// withdrawJob takes the operation's job back from the agent. The hub refuses once the install step has begun.
func (h host) withdrawJob(op inventory.Operation, why string) Plan {
	return planAction(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Withdrawn: true, Reason: why})
}

// agentAlive reports whether the agent of the record's boot has spoken lately.
func (h host) agentAlive() bool {
	b := h.record.Boot
	return b != nil && h.observed.Agent.Boot == b.ID && h.now.Sub(h.observed.Agent.Seen) < silenceDeadline
}

// recordFailed records a failed attempt; after the last attempt the operation is given up. An attempt that was taken
// back is no failure.
func (h host) recordFailed(op inventory.Operation, job inventory.Job) Plan {
	next := h.withSteps(op)
	return planAction(Installing, Action{
		Kind: RecordFailed, Operation: &next, Error: cmp.Or(job.Error, "the agent said nothing about it"),
		Untouched: job.Untouched, Withdrawn: job.State == inventory.JobWithdrawn,
		Reason: fmt.Sprintf("attempt %d of %d failed", op.Attempt-op.Withdrawn, maxAttempts),
	})
}

// giveUp powers the ramdisk off and ends the operation as quarantined. Where nothing was written, the machine goes
// back to its old system (checkGivenUp).
func (h host) giveUp(op inventory.Operation, why string) Plan {
	if a := h.leaveRamdisk(0, "the install is given up"); a != nil && op.HasBegun() {
		return h.followLeave(Failed, *a)
	}
	return h.closeOperation(op, inventory.Quarantined, why, Failed)
}

// IsGivenUp reports whether the last operation was given up before any write, and the fleet asks for the same still.
// Whether another question is answered first, as the wait for a second reading of Off, does not matter.
func IsGivenUp(d inventory.Desired, record inventory.Record) bool {
	last := record.Last
	return last != nil && d.Workload != nil && last.Outcome == inventory.Quarantined && !last.HasBegun() &&
		last.Inputs == d.Workload.Inputs && record.Operation == nil
}

// checkGivenUp answers when the last operation was given up before any write, and the fleet asks for the same still.
// The disk and the consent are unchanged, and a person decides about a new attempt.
func (h host) checkGivenUp() (Plan, bool) {
	if !IsGivenUp(h.desired, h.record) || h.observed.Retry {
		return Plan{}, false
	}
	last := h.record.Last
	p := h.returnToSystem(Failed, 0, "the install is given up")
	message := fmt.Sprintf("the install was given up before any write: %s: mend that and run `ingot retry %s`, or "+
		"change what is installed", last.Error, h.desired.Name)
	p.Hold = &change.Hold{Reason: change.InstallFailed, Message: message}
	return p, true
}

// closeOperation ends the operation with an outcome.
func (h host) closeOperation(op inventory.Operation, outcome, why string, phase Phase) Plan {
	op.Outcome, op.Error = outcome, why
	return planAction(phase, Action{Kind: CloseOperation, Operation: &op, Reason: why})
}

// showInPhase shows a wait for the BMC in the phase of the interrupted work.
func showInPhase(p Plan, phase Phase) Plan {
	p.Phase = phase
	return p
}
