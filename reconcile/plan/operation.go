package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// operation carries an operation on. What it was allowed stays allowed until it ends; before the machine is armed a changed fleet
// supersedes it, after that a write that has begun ends or fails.
//
//	stage       due
//	Intended    Publish: no push, no erase
//	Published   the ramdisk, its facts, the same disk with the same content, then AssignInstall
//	Armed       the job's end; after a failure the next attempt, at most three, and none that the fleet does not want any more
//	Written     the ramdisk off, the medium out, the machine started from its disk
//	Starting    the phone call
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

// superseded ends an operation that was not armed, and that the fleet does not want or allow any more. Only the journal changes.
func (h host) superseded(op inventory.Operation) (Plan, bool) {
	if op.Stage != inventory.Intended && op.Stage != inventory.Published {
		return Plan{}, false
	}
	why := h.unwanted(op)
	if why == "" {
		why = h.unallowed(op)
	}
	if why == "" {
		return Plan{}, false
	}
	return h.close(op, inventory.Superseded, why, Waiting), true
}

// unwanted says why the fleet does not ask for this operation any more, or "".
func (h host) unwanted(op inventory.Operation) string {
	switch {
	case h.d.Workload == nil:
		return "the fleet asks for no workload any more"
	case h.d.Workload.Inputs != op.Inputs:
		return "the fleet asks for something else now"
	case h.d.Workload.Update != op.Update:
		return "spec.update was changed, which may have allowed it"
	case op.Consent != "" && h.d.Consent.Erase != op.Consent:
		return "the consent was taken back"
	default:
		return ""
	}
}

// unallowed says why an operation that was not armed may not be, or "". It goes by the fleet, not by the operation's own word: that may come from a
// status branch that somebody edited. The fleet asks for the operation's workload still.
func (h host) unallowed(op inventory.Operation) string {
	if why := otherDisks(h.d); why != "" {
		return why
	}
	if op.Content == inventory.ContentBlank {
		return ""
	}
	if why := unsigned(h.d); why != "" {
		return why
	}
	if h.d.Reinstallable && keepsReinstalling(h.d, h.rec) {
		return ""
	}
	seen := inventory.EraseConsent(h.d.Name, op.Disk, op.Content, op.Inputs)
	over := inventory.EraseConsent(h.d.Name, inventory.NamedDisk(h.d.RootDisk), inventory.ContentUnseen, op.Inputs)
	if given := h.d.Consent.Erase; given == seen || given == over && unseen(h.rec, given) {
		return ""
	}
	return "nothing in the fleet allows what it would erase"
}

// arm brings the machine into the ramdisk, looks once more, and hands the job out.
func (h host) arm(op inventory.Operation) Plan {
	for _, question := range []func() (Plan, bool){h.reach, h.identity, h.alarm, h.image, h.config, h.takeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	p, ready := h.ramdisk(Installing)
	if !ready {
		return p
	}
	if h.rec.Facts == nil || h.rec.Facts.Epoch != h.rec.Boot.Epoch {
		return h.facts(Installing)
	}
	return h.assign(op)
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
	job := h.o.Agent.Job
	if job.ID == op.ID && job.Attempt == op.Attempt {
		switch job.State {
		case inventory.JobSucceeded:
			return act(Installing, Action{Kind: RecordWritten, Reason: "the agent wrote and verified the image"})
		case inventory.JobFailed:
			p := h.failed(op, job.Error)
			p.Actions[0].Untouched = job.Untouched
			return p
		case inventory.NoJob, inventory.JobAssigned, inventory.JobRunning:
		}
	}
	if op.Attempt > maxAttempts {
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
	handed := job.ID == op.ID && job.Attempt == op.Attempt && (job.State == inventory.JobAssigned || job.State == inventory.JobRunning)
	writing := ready && handed
	if why := h.unwanted(op); why != "" && !writing && (ready || len(p.Actions) > 0) {
		return h.giveUp(op, strings.TrimSuffix(why+": "+op.Error, ": "))
	}
	if q, answered := h.config(); answered && !handed {
		return q
	}
	if !ready {
		return p
	}
	if writing {
		return Plan{Phase: Installing, Waits: "the agent to write the image", Again: 2 * time.Second}
	}
	if h.rec.Facts == nil || h.rec.Facts.Epoch != h.rec.Boot.Epoch {
		return h.facts(Installing)
	}
	if op.Begun == 0 { // nothing was written yet: the operation covers what it was allowed to erase, and nothing that came since
		return h.assign(op)
	}
	return act(Installing, Action{Kind: AssignInstall, Operation: &op, Content: "any", Reason: fmt.Sprintf("attempt %d of the same operation: the disk is ours to write", op.Attempt)})
}

// failed takes note of a failed attempt; after the last one the operation is given up.
func (h host) failed(op inventory.Operation, why string) Plan {
	return act(Installing, Action{Kind: RecordFailed, Error: or(why, "the agent said nothing about it"), Reason: fmt.Sprintf("attempt %d of %d failed", op.Attempt, maxAttempts)})
}

// giveUp powers the ramdisk off and ends the operation. The disk may hold a part of anything: it is quarantined, not superseded.
func (h host) giveUp(op inventory.Operation, why string) Plan {
	if a := h.leaveRamdisk(0, "the install is given up"); a != nil {
		return h.leaving(Failed, *a)
	}
	return h.close(op, inventory.Quarantined, why, Failed)
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
	due := boot.Started.Add(homeDeadline)
	if h.now.After(due) {
		return h.failed(op, fmt.Sprintf("the installed system did not phone home within %s: read its console", homeDeadline))
	}
	if h.o.BMC.Power == inventory.PoweredOff && h.now.After(boot.Started.Add(settle)) {
		if boot.Attempt >= maxBoots {
			return h.failed(op, "the installed system powered itself off before it phoned home: Ignition may have failed, read its console")
		}
		p, _ := h.disk(Starting)
		return p
	}
	if h.d.Workload != nil && h.d.Workload.PhoneHome == schemas.PhoneHomeDisabled && h.o.BMC.Power == inventory.PoweredOn {
		return act(Starting, Action{Kind: RecordHome, Reason: "the machine was started from its disk; its workload has phone-home disabled"})
	}
	return Plan{Phase: Starting, Waits: "the installed system to phone home", Due: due, Again: 5 * time.Second}
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
