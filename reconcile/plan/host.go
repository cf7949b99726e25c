package plan

import (
	"cmp"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/deadlines"
	"github.com/gitmetal/ingot/reconcile/plan/evidence"
	"github.com/gitmetal/ingot/schemas"
)

// Deadlines beside those of the configuration, in attended time.
const (
	powerOffDeadline = 90 * time.Second // for the agent to power its machine off
	shutdownDeadline = 30 * time.Minute // for an installed system to shut down for a reboot
	idleDeadline     = 15 * time.Minute // for a held machine in the ramdisk
	takeDeadline     = 10 * time.Minute // for an agent to take a job up
	settle           = 20 * time.Second // after power on, before Off means that the machine went off again
	maxBoots         = 3                // boots in a row without a result
	maxAttempts      = 3                // of one operation
	bmcPause         = 5 * time.Second  // between two readings of a BMC while something is waited for
)

// host is the input of one decision: what the fleet desires, what was observed, and the record.
type host struct {
	evidence.Machine
	change    change.Change
	elsewhere string       // where the installed system called from; "" when not from another machine
	moved     *change.Hold // the system by which the host is Active called from there
}

// Next decides what happens to a host next. The first question with an answer decides:
//
//	question                                    answer
//	may the daemon touch the machine?           no: hands off (keepHandsOff)
//	is it known what the agent said?            no: wait, as not knowing is not silence
//	did a system call that is not known yet?       yes: hold, as the daemon's memory is old (checkNewerCall)
//	is the work known from its page alone?      yes: the word of the machine, or hold (checkRecalled)
//	is a run of a Workload under way?           yes: see it to its end (followRun)
//	does a boot follow a request of the file?   yes: see it to its end (followRequest)
//	is an operation under way?                  yes: carry on (continueOperation)
//	is a maintenance under way?                 yes: carry on (continueMaintenance)
//	is the machine kept off (spec.offBy)?       yes: nothing begins, power off (keepOff)
//	is there a system to install?               yes: hold, inspect, or open an operation (beginInstall)
//	is the power as the fleet asks?             no: power on from the disk, or off (adjustPower)
//	nothing is asked of the host                Active, or Unmanaged
//
// A machine at rest then gets what spec.requests asks for once (addRequests).
//
// The same values give the same plan. A plan has at most one action; the next look decides about the next action.
func Next(d inventory.Desired, o inventory.Observed, now time.Time) Plan {
	d.Power = d.WantedPower()
	o, elsewhere, moved := change.DropForeignCall(d, o)
	h := &host{elsewhere: elsewhere, moved: moved, change: change.Decide(d, o.Standing, o.Record), Machine: evidence.Machine{Desired: d, Observed: o, Record: o.Record,
		Now: now, Deadlines: deadlines.Fit(o.Deadlines, d.Boot.TimeoutDuration(), o)}}
	if op := o.Record.Operation; op != nil && op.Unwritten() && op.Replaces != nil {
		// The attempt was recorded and not handed out: the disk still has the old system.
		h.Record.Installed = op.Replaces
	}
	p := h.addRequests(h.holdStaysOn(h.decidePlan()))
	p.Host, p.Change, p.AtWork = d.ID, h.change, h.IsAtWork()
	if p.Phase == Installing && h.Retires() {
		p.Phase = Retiring
	}
	return p
}

// decidePlan asks the questions of Next.
func (h *host) decidePlan() Plan {
	boot := h.Record.Boot
	inRamdisk := boot != nil && boot.Target == inventory.FromRamdisk
	needsAgent := h.Record.Operation != nil || inRamdisk
	replaced := h.change.Hold != nil && h.change.Hold.Reason == change.IdentityMismatch
	switch {
	case h.change.Verdict == change.HandsOff && replaced:
		return h.addRunEnd(h.holdReplaced())
	case h.change.Verdict == change.HandsOff:
		return h.keepHandsOff()
	case needsAgent && h.Observed.Agent.Unknown != "":
		return Plan{Phase: Waiting, Waits: h.Observed.Agent.Unknown, Again: 5 * time.Second}
	}
	if p, answered := h.checkNewerCall(); answered {
		return p
	}
	if p, answered := h.checkRecalled(); answered {
		return p
	}
	if p, answered := h.followRun(); answered {
		return p
	}
	if p, answered := h.followRequest(); answered {
		return p
	}
	switch {
	case h.Record.Operation != nil:
		return h.continueOperation()
	case h.Record.Settings.IsMaintained() && (!h.IsOff() || change.KeptOff(h.Desired) == ""):
		return h.continueMaintenance()
	case change.KeptOff(h.Desired) != "":
		return h.keepOff()
	case h.change.Verdict == change.Install || h.change.Verdict == change.Reinstall:
		return h.beginInstall()
	case h.change.Verdict == change.Nothing:
		return h.adjustPower()
	default:
		panic("plan: unknown verdict " + string(h.change.Verdict))
	}
}

// keepHandsOff does nothing to a machine. A job that has not begun to write is taken back from the agent.
func (h *host) keepHandsOff() Plan {
	phase := Unmanaged
	switch {
	case h.Record.Unreadable != "":
		phase = Held
	case h.Desired.Lifecycle == "":
		phase = Orphaned
	case h.Desired.Protect:
		phase = Protected
	case h.change.Hold != nil:
		phase = Held
	case retirement.Done(h.Desired, h.Record):
		phase = Retired
	}
	why := strings.Join(h.change.Why, "; ")
	p := Plan{Phase: phase, Hold: h.change.Hold, Waits: why + ": nothing is done to the machine"}
	op := h.Record.Operation
	if op == nil || op.Stage != inventory.Working {
		return h.clearBoot(h.addRunEnd(p))
	}
	job := h.CurrentJob(*op)
	handedOut := job.State == inventory.JobAssigned || job.State == inventory.JobRunning
	var look *act.Action
	if job.Question != nil {
		look = h.recordLook(*op, *job.Question)
	}
	switch {
	case look != nil:
		p.Action = look
	case evidence.IsWriting(*op, job):
		p.Waits = why + ": the write that has begun ends or fails, then nothing is done to the machine"
	case handedOut:
		p.Action = h.withdrawJob(*op, why).Action
	}
	return h.clearBoot(p)
}

// clearBoot takes our medium and override from a machine that is off and left alone; a begun write keeps them.
func (h *host) clearBoot(p Plan) Plan {
	if p.Action == nil && (p.Phase == Protected || p.Phase == Unmanaged) && h.whyStranger() == "" && h.IsOff() {
		p.Action = bootmethod.Clear(h.Observed)
	}
	return p
}

// beginInstall opens an operation for a host with a system to install. Every check that needs no machine comes before
// the operation. The actions then follow one by one: OpenOperation, Publish, the ramdisk (startRamdisk), RecordFacts,
// AssignStep, RecordStep, the start from the disk (startFromDisk), RecordHome.
func (h *host) beginInstall() Plan {
	if h.change.Hold != nil {
		return h.holdHost(*h.change.Hold)
	}
	for _, question := range []func() (Plan, bool){h.checkBMC, h.checkIdentity, h.checkTokenAlarm, h.checkRamdisk,
		h.checkImage, h.checkConfig, h.checkTakeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	if p, answered := h.checkGivenUp(); answered {
		return p
	}
	if p, answered := h.checkSettings(); answered {
		return p
	}
	if h.change.NeedsLook() {
		return h.inspectMachine()
	}
	return planAction(Installing,
		act.Action{Kind: act.OpenOperation, Operation: change.NewOperation(h.Desired, h.change), Reason: "the disk is known and may be written: " +
			h.change.Root.Summary})
}

// inspectMachine boots the ramdisk on a machine with a disk that no agent has looked at. The look of a boot counts once:
// a disk that the last operation may have written to after that look is looked at in another boot.
func (h *host) inspectMachine() Plan {
	p, ready := h.startRamdisk(Inspecting)
	if !ready {
		return p
	}
	if last := h.Record.Last; last != nil && !h.needsFacts() && h.Record.LookedEpoch() <= last.Looked {
		return h.openBoot(Inspecting, inventory.FromRamdisk, 1, "the disks were looked at before the last operation ended")
	}
	return h.recordFacts(Inspecting)
}

// recordFacts records what the agent of this boot reports, if the machine is the declared one.
func (h *host) recordFacts(phase Phase) Plan {
	seen := h.Observed.Agent.Facts
	if seen == nil || seen.Epoch != h.Record.Boot.Epoch {
		return Plan{Phase: phase, Waits: "the agent's report on the hardware"}
	}
	switch another := change.FindAgentStranger(h.Desired, h.Observed, *seen); {
	case another != nil && h.Observed.Retry:
		return h.openBoot(phase, inventory.FromRamdisk, 1, "an operator asked for another look at the machine")
	case another != nil:
		return planAction(Held, act.Action{Kind: act.RecordStranger, Stranger: another, Reason: another.Why})
	}
	if h.Desired.Boot.SecureBoot && !seen.Firmware.SecureBoot {
		return h.holdHost(change.Hold{Reason: change.SecureBootOff,
			Message: "spec.boot.secureBoot is true, the ramdisk reports that Secure Boot is not enforced: turn it on " +
				"in the firmware"})
	}
	return planAction(phase,
		act.Action{Kind: act.RecordFacts, Facts: seen, Reason: "the agent of this boot looked at the machine"})
}

// holdHost leaves the machine as it is. Only a machine that idles in a ramdisk of the daemon goes back to its system,
// and not from a hold that keeps the machine down.
func (h *host) holdHost(hold change.Hold) Plan {
	if hold.Reason == change.IdentityMismatch { // the known install is on another machine
		without := *h
		without.Record.Installed = nil
		h = &without
	}
	if hold.StaysDown && h.serves() {
		return Plan{Phase: Held, Hold: &hold}
	}
	p := h.returnToSystem(Held, idleDeadline, "it waits for a person")
	p.Hold = &hold
	return p
}

// returnToSystem takes a machine out of a ramdisk in which the machine has idled for the given time, and starts the
// system that ran before, if there is a system and the machine shall be on. One that is left on for a person stays.
func (h *host) returnToSystem(phase Phase, after time.Duration, why string) Plan {
	if h.IsOn() && change.IsKeptOn(h.Desired, h.Record) {
		return Plan{Phase: phase, Waits: "a person to look at the machine, which is left on (spec.onFailure)"}
	}
	serves, a, b := h.serves(), h.leaveRamdisk(after, why), h.Record.Boot
	bootsItsDisk := b != nil && b.Target == inventory.FromDisk && b.Stage != inventory.Running
	mayBoot := h.Observed.BMC.Reach == inventory.Reached && h.whyStranger() == ""
	switch {
	case a != nil && a.Kind == act.CloseBoot && serves:
		return h.openBoot(phase, inventory.FromDisk, 1, why)
	case a != nil:
		return h.followLeave(phase, *a)
	case serves && bootsItsDisk && mayBoot:
		p, _ := h.startFromDisk(phase)
		return p
	default:
		return Plan{Phase: phase}
	}
}

// serves reports whether the machine shall run the system that is known to be on its disk.
func (h *host) serves() bool { return h.Record.Installed != nil && h.shallRun() }

// shallRun reports whether the machine shall be on: as the fleet says, or, where the fleet leaves the power alone, as
// the machine was found.
func (h *host) shallRun() bool {
	switch b := h.Record.Boot; h.Desired.Power {
	case "", schemas.PowerOn:
		return true
	case schemas.PowerUnmanaged:
		return b != nil && b.WasOn
	default:
		return false
	}
}

// addOtherwise adds to a plan what is due when the action may not be done now: a machine that was taken down for the
// action goes back to the system that ran before.
func (h *host) addOtherwise(p Plan) Plan {
	if h.Record.Installed == nil {
		return p
	}
	if back := h.returnToSystem(p.Phase, 0, "what it was taken down for may not go on now"); back.Action != nil ||
		back.Waits != "" {
		p.Otherwise = &back
	}
	return p
}

// keepIdle sees to a machine without a system: Workloads with runs may claim it.
func (h *host) keepIdle() Plan {
	if p, due := h.pinIdentity(); due {
		return p
	}
	if p, due := h.serveWorkloads(); due {
		return p
	}
	p := Plan{Phase: Unmanaged, Waits: "a workload"}
	if h.IsLost() && h.IsOn() {
		p.Waits = "a workload, and the machine to go off"
	}
	if h.Desired.Pending != "" {
		p = Plan{Phase: Pending, Waits: h.Desired.Pending}
	}
	if a := h.leaveRamdisk(h.idleTime(), "there is nothing to run"); a != nil {
		return h.followLeave(p.Phase, *a)
	}
	return p
}

// adjustPower sees to the power of a host that runs its workload, or has no workload.
func (h *host) adjustPower() Plan {
	if h.Record.Installed == nil {
		return h.keepIdle()
	}
	if p, answered := h.checkIdentity(); answered {
		return p
	}
	if p, answered := h.checkBMC(); answered {
		p.Phase = Active
		return p
	}
	if h.moved != nil {
		return Plan{Phase: Held, Hold: h.moved}
	}
	if w := h.Desired.Workload; h.Record.LacksDigest(w) {
		return planAction(Active, act.Action{Kind: act.RecordConfig, Config: w.Config, Meaning: w.Meaning,
			Reason: "the installed system has the workload's config"})
	}
	on, off := h.IsOn(), h.IsOff()
	if a := h.returnFromRamdisk(); a != nil {
		startsAgain := a.Kind == act.CloseBoot && off && h.Desired.Power == schemas.PowerUnmanaged && h.shallRun()
		if startsAgain {
			return h.openBoot(Starting, inventory.FromDisk, 1, a.Reason)
		}
		return h.followLeave(Starting, *a)
	}
	switch want := h.Desired.Power; want {
	case "", schemas.PowerOn:
		if on && h.bootSettled() {
			return h.maintain()
		}
		started, _ := h.startFromDisk(Starting)
		return started
	case schemas.PowerOff:
		if on {
			return planAction(Active, act.Action{Kind: act.PowerOff, Graceful: true, Reason: cmp.Or(change.KeptOff(h.Desired), "spec.power is Off"),
				Wait: h.Observed.Evidence.Asks > 0 && h.Observed.Evidence.AskedLast < evidence.AskAgain})
		}
		return Plan{Phase: Active}
	case schemas.PowerUnmanaged:
		if h.shallRun() && !h.bootSettled() {
			started, _ := h.startFromDisk(Starting)
			return started
		}
		if on {
			return h.maintain()
		}
		return Plan{Phase: Active}
	default:
		panic("plan: unknown power " + want)
	}
}

// bootSettled reports whether no boot of the daemon is under way.
func (h *host) bootSettled() bool {
	return h.Record.Boot == nil ||
		(h.Record.Boot.Target == inventory.FromDisk && h.Record.Boot.Stage == inventory.Running)
}

// planAction is the plan that does one action.
func planAction(phase Phase, a act.Action) Plan { return Plan{Phase: phase, Action: &a} }
