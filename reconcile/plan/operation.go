package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// operation carries an operation on. What it was allowed stays allowed until it ends; before an attempt of it may have written, a changed fleet supersedes it,
// after that a write that has begun ends or fails.
//
//	stage       due
//	Intended    Publish: no push, no erase
//	Published   the ramdisk, its facts, the same disk with the same content, then AssignInstall
//	Armed       the job's end; after a failure the next attempt, at most three, and none that the fleet does not want any more
//	Written     the ramdisk off, the medium out, the machine started from its disk
//	Starting    the phone call; never another write
func (h host) operation() Plan {
	op := *h.rec.Operation
	if p, over := h.superseded(op); over {
		return p
	}
	switch op.Stage {
	case inventory.Intended:
		return act(Installing, Action{Kind: Publish, Operation: &op, Reason: "the operation must be on the status branch before the machine is armed"})
	case inventory.Published:
		return h.arm(op)
	case inventory.Armed:
		return h.write(op)
	case inventory.Written:
		return h.fromDisk(op)
	case inventory.Starting:
		return h.home(op)
	default:
		panic("plan: unknown stage " + string(op.Stage))
	}
}

// job is the agent's, if it is the operation's present attempt.
func (h host) job(op inventory.Operation) inventory.Job {
	if job := h.o.Agent.Job; job.ID == op.ID && job.Attempt == op.Attempt {
		return job
	}
	return inventory.Job{}
}

// arm brings the machine into the ramdisk, looks once more, and hands the job out.
func (h host) arm(op inventory.Operation) Plan {
	for _, question := range []func() (Plan, bool){h.reach, h.identity, h.alarm, h.image, h.config, h.takeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	p, ready := h.ramdisk(Installing)
	if p, over := h.unbootable(op, p); over {
		return p
	}
	if !ready {
		return h.otherwise(p)
	}
	if h.rec.Facts == nil || h.rec.Facts.Epoch != h.rec.Boot.Epoch {
		return h.facts(Installing)
	}
	return h.otherwise(h.assign(op))
}

// assign hands the job out for a disk that nothing was written to yet.
func (h host) assign(op inventory.Operation) Plan {
	disk, err := inventory.PickDisk(h.d.RootDisk, h.rec.Facts.Disks)
	if err != nil || !disk.ID().Same(op.Disk) {
		return h.close(op, inventory.Superseded, fmt.Sprintf("the root disk is not %s any more", op.Disk.Label()), Held)
	}
	content, why := expected(op, disk)
	if why != "" {
		return h.close(op, inventory.Superseded, why, Held)
	}
	return act(Installing, Action{Kind: AssignInstall, Operation: &op, Content: content, Reason: "the machine is the declared one, the disk is the one that was allowed"})
}

// expected is what the agent must find right before the first write, or why the operation does not cover what is there now.
func expected(op inventory.Operation, disk inventory.Disk) (content, why string) {
	now := disk.Content
	switch {
	case op.Content == inventory.ContentBlank && now.Blank:
		return "blank", ""
	case op.Content == inventory.ContentBlank:
		return "", fmt.Sprintf("disk %s was blank and is not any more", disk.ID().Label())
	case now.Unreadable != "":
		return "", fmt.Sprintf("disk %s cannot be read: %s", disk.ID().Label(), now.Unreadable)
	case strings.HasPrefix(op.Content, "content:"):
		if now.Blank || now.Signature == strings.TrimPrefix(op.Content, "content:") {
			return or(now.Signature, "blank"), ""
		}
		return "", fmt.Sprintf("what is on disk %s changed since the consent", disk.ID().Label())
	default:
		return "any", "" // our own install, or what we left of it: the disk is the same, whatever its system did to it
	}
}

// write sees the agent's job to its end.
func (h host) write(op inventory.Operation) Plan {
	job := h.job(op)
	if p, answered := h.jobOver(op, job); answered {
		return p
	}
	if op.Begun == 0 && (job.Begun || job.State == inventory.JobRunning) { // the daemon died before it could note that the job was handed out
		return act(Installing, Action{Kind: RecordBegun, Reason: "the agent has the job"})
	}
	if op.Attempt-op.Withdrawn > maxAttempts {
		return h.giveUp(op, or(op.Error, "the install failed"))
	}
	if p, answered := h.reach(); answered {
		return during(p, Installing)
	}
	for _, question := range []func() (Plan, bool){h.identity, h.alarm} {
		if p, answered := question(); answered {
			return p
		}
	}
	p, ready := h.ramdisk(Installing)
	if working := ready && job.State != inventory.NoJob; working {
		return h.working(op, job)
	}
	if job.State != inventory.NoJob && !job.Begun && p.Action != nil && p.Action.Kind == OpenBoot { // with its boot the hub forgets that it began nothing
		why := p.Action.Reason
		return act(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Lost: true, Reason: why})
	}
	if stopped, over := h.stopped(op); over && op.Begun != 0 && (ready || p.Action != nil) {
		return stopped
	}
	if p, answered := h.config(); answered && job.State == inventory.NoJob {
		return p
	}
	if op.Begun == 0 { // nothing was written yet: the operation covers what it was allowed to erase, and nothing that came since
		return h.again(op, p, ready)
	}
	if !ready {
		return p
	}
	if h.rec.Facts == nil || h.rec.Facts.Epoch != h.rec.Boot.Epoch {
		return h.facts(Installing)
	}
	return act(Installing, Action{Kind: AssignInstall, Operation: &op, Content: "any", Reason: fmt.Sprintf("attempt %d of the same operation: the disk is ours to write", op.Attempt)})
}

// again makes another attempt of an operation that has written nothing: whatever let the first one begin must let this one.
func (h host) again(op inventory.Operation, p Plan, ready bool) Plan {
	if p, over := h.unbootable(op, p); over {
		return p
	}
	switch {
	case ready && (h.rec.Facts == nil || h.rec.Facts.Epoch != h.rec.Boot.Epoch):
		p = h.facts(Installing)
	case ready:
		p = h.assign(op)
	}
	return h.otherwise(p)
}

// jobOver takes note of an attempt that has ended, well or not.
func (h host) jobOver(op inventory.Operation, job inventory.Job) (Plan, bool) {
	switch job.State {
	case inventory.JobSucceeded:
		return act(Installing, Action{Kind: RecordWritten, Reason: "the agent wrote and verified the image"}), true
	case inventory.JobFailed:
		return h.failed(op, job), true
	case inventory.JobWithdrawn:
		if !job.Over && h.alive() {
			return Plan{Phase: Installing, Waits: "the agent to end the step that it is at: it is not let write any more, as " + job.Error}, true
		}
		return h.failed(op, job), true
	default:
		return Plan{}, false
	}
}

// working waits for an agent that has its job, or shall have it. What the fleet takes back before the install step begins is taken back from the agent.
func (h host) working(op inventory.Operation, job inventory.Job) Plan {
	untaken := job.State == inventory.JobAssigned && h.now.After(job.Since.Add(takeDeadline))
	why := ""
	if !job.Begun {
		why = h.refusal(op)
	}
	switch {
	case why != "":
		return h.withdraw(op, why)
	case untaken:
		why = fmt.Sprintf("the agent did not take the job up within %s: read its console", takeDeadline)
		return act(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Reason: why})
	case job.State == inventory.JobAssigned:
		return Plan{Phase: Installing, Waits: "the agent to take the job up", Due: job.Since.Add(takeDeadline), Again: 2 * time.Second}
	default:
		return Plan{Phase: Installing, Waits: "the agent to write the image", Again: 2 * time.Second}
	}
}

// withdraw takes the operation's job back from the agent. The hub refuses that once the install step has begun.
func (h host) withdraw(op inventory.Operation, why string) Plan {
	return act(Installing, Action{Kind: WithdrawJob, Operation: &op, Error: why, Withdrawn: true, Reason: why})
}

// alive reports whether the agent of the record's boot speaks.
func (h host) alive() bool {
	b := h.rec.Boot
	return b != nil && h.o.Agent.Boot == b.ID && h.now.Sub(h.o.Agent.Seen) < silenceDeadline
}

// failed takes note of a failed attempt; after the last one the operation is given up. One that was taken back is no failure.
func (h host) failed(op inventory.Operation, job inventory.Job) Plan {
	return act(Installing, Action{
		Kind: RecordFailed, Error: or(job.Error, "the agent said nothing about it"), Untouched: job.Untouched, Withdrawn: job.State == inventory.JobWithdrawn,
		Reason: fmt.Sprintf("attempt %d of %d failed", op.Attempt-op.Withdrawn, maxAttempts),
	})
}

// giveUp powers the ramdisk off and ends the operation. When something may have been written, the disk may hold a part of anything: it is quarantined, not
// superseded. When nothing was, the machine goes back to what it ran (tried).
func (h host) giveUp(op inventory.Operation, why string) Plan {
	if a := h.leaveRamdisk(0, "the install is given up"); a != nil && op.Begun != 0 {
		return h.leaving(Failed, *a)
	}
	return h.close(op, inventory.Quarantined, why, Failed)
}

// tried answers when the last operation was given up before it came to a write, and nothing has changed since: the disk is as it was, the consent is not spent, and
// it is not tried again for ever.
func (h host) tried() (Plan, bool) {
	last := h.rec.Last
	if last == nil || last.Outcome != inventory.Quarantined || last.Begun != 0 || last.Inputs != h.change.Target || h.o.Retry {
		return Plan{}, false
	}
	p := h.aside(Failed, 0, "the install is given up")
	p.Hold = &change.Hold{Reason: change.InstallFailed, Message: fmt.Sprintf(
		"it was given up before anything was written: %s: mend that and run `ingot retry %s`, or change what is installed", last.Error, h.d.Name)}
	return p, true
}

// fromDisk leaves the ramdisk and starts the installed system.
func (h host) fromDisk(op inventory.Operation) Plan {
	if p, answered := h.reach(); answered {
		return during(p, Starting)
	}
	if p, answered := h.identity(); answered {
		return p
	}
	if b := h.rec.Boot; b != nil && b.Target == inventory.FromRamdisk && h.o.BMC.Power == inventory.PoweredOn {
		return h.powerDown(op)
	}
	p, _ := h.disk(Starting)
	return p
}

// powerDown has the agent power its machine off, then the BMC.
func (h host) powerDown(inventory.Operation) Plan {
	a := h.leaveRamdisk(0, "the install is complete")
	if a == nil {
		return Plan{Phase: Starting, Waits: "the machine to power off"}
	}
	return h.leaving(Starting, *a)
}

// home waits for the installed system to say that it is up.
func (h host) home(op inventory.Operation) Plan {
	if call := h.o.Agent.PhoneHome; call != nil && call.Install == op.ID {
		return act(Starting, Action{Kind: RecordHome, Home: call, Reason: "the installed system phoned home"})
	}
	if p, answered := h.reach(); answered {
		return during(p, Starting)
	}
	if p, answered := h.identity(); answered {
		return p
	}
	boot := h.rec.Boot
	if boot == nil || boot.Target != inventory.FromDisk || boot.Stage != inventory.Running {
		p, _ := h.disk(Starting)
		return p
	}
	on := h.o.BMC.Power == inventory.PoweredOn
	off := !on && h.now.After(boot.Started.Add(settle))
	due := boot.Started.Add(homeDeadline)
	switch {
	case h.o.Retry:
		p := h.open(Starting, inventory.FromDisk, 1, "an operator asked for it")
		p.Action.Boot.Restart = true
		return p
	case on && h.d.Workload != nil && h.d.Workload.Inputs == op.Inputs && h.d.Workload.PhoneHome == schemas.PhoneHomeDisabled:
		return act(Starting, Action{Kind: RecordHome, Reason: "the machine was started from its disk; its workload has phone-home disabled"})
	case off && boot.Attempt < maxBoots:
		return h.open(Starting, inventory.FromDisk, boot.Attempt+1, "it went off before it phoned home")
	case off:
		return h.silent(op, fmt.Sprintf("it was started from its disk %d times, and powered itself off each time", maxBoots))
	case h.now.After(due):
		return h.silent(op, fmt.Sprintf("it has been on for more than %s", homeDeadline))
	default:
		return Plan{Phase: Starting, Waits: "the installed system to phone home", Due: due, Again: 5 * time.Second}
	}
}

// silent holds a machine whose installed system does not call. Its install was written and verified, so it is neither written again nor cut: it becomes Active
// whenever it calls. Another target, or none, ends the wait.
func (h host) silent(op inventory.Operation, why string) Plan {
	why += " without a phone call"
	if h.d.Workload == nil || h.d.Workload.Inputs != op.Inputs {
		return h.close(op, inventory.Quarantined, why+", and the fleet asks for something else now", Waiting)
	}
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.NoPhoneHome, Message: fmt.Sprintf(
		"the install was written and verified, and %s: read its console; it becomes Active when it calls, `ingot retry %s` starts it again, nothing is written again", why, h.d.Name)}}
}

func (h host) close(op inventory.Operation, outcome, why string, phase Phase) Plan {
	op.Outcome, op.Error = outcome, why
	return act(phase, Action{Kind: CloseOperation, Operation: &op, Reason: why})
}

// during shows a wait for the BMC in the phase of what it interrupts.
func during(p Plan, phase Phase) Plan {
	p.Phase = phase
	return p
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
