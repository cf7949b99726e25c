package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// powerOffJob is wire.JobPowerOff, as the hub reports the kind.
const powerOffJob = "power-off"

// startRamdisk brings the machine into the ramdisk and its agent on the line; ready means that the agent of the
// record's boot is there. The order is the virtual media order: power off, confirmed; eject; insert; check; boot
// override; power on; the medium is read; the agent enrols.
func (h host) startRamdisk(phase Phase) (p Plan, ready bool) {
	b := h.record.Boot
	switch {
	case b == nil || b.Target != inventory.FromRamdisk:
		return h.openBoot(phase, inventory.FromRamdisk, 1, "the ramdisk is needed"), false
	case h.bootedElsewhere():
		return h.openBoot(phase, inventory.FromRamdisk, 1, "the boot was opened on the machine of another BMC"), false
	case b.Stage == inventory.Preparing:
		return h.prepareRamdisk(phase, *b), false
	case b.Stage == inventory.Powering:
		return planAction(phase, Action{Kind: PowerOn, Boot: b, Reason: "the medium is in and comes first"}), false
	case b.Stage == inventory.Running:
		return h.awaitAgent(phase, *b)
	default:
		panic("plan: unknown boot stage " + string(b.Stage))
	}
}

// openBoot begins a boot attempt. After too many attempts in a row without a result, the machine waits for a later
// commit of the fleet.
func (h host) openBoot(phase Phase, target string, attempt int, why string) Plan {
	b := h.record.Boot
	exhausted := attempt > maxBoots && b != nil && b.Commit == h.desired.Commit && !h.observed.Retry
	if exhausted {
		message := fmt.Sprintf("%d boots from the %s got nowhere, the last because %s%s, then run `ingot retry %s`",
			maxBoots, target, why, seeConsole, h.desired.Name)
		return Plan{Phase: Failed, Hold: &change.Hold{Reason: change.BootFailed, Message: message}}
	}
	if attempt > maxBoots {
		attempt = 1
	}
	return planAction(phase,
		Action{Kind: OpenBoot, BMC: h.shownIdentity(),
			Boot: &inventory.Boot{Target: target, Attempt: attempt, Commit: h.desired.Commit, Ours: h.startedByUs(),
				WasOn: h.wasOn(target)}, Reason: why})
}

// seeConsole is what to do about a machine that does not start.
const seeConsole = ": look at the machine's console"

// wasOn reports whether the machine was on before it was taken down for a row of boots.
func (h host) wasOn(target string) bool {
	if b := h.record.Boot; b != nil && (b.Target == inventory.FromRamdisk || target == inventory.FromDisk) {
		return b.WasOn
	}
	return h.observed.BMC.Power == inventory.PoweredOn
}

// giveUpUnbootable gives an operation up that has written nothing, when the ramdisk does not start. A machine that
// served goes back to its old system (checkGivenUp).
func (h host) giveUpUnbootable(op inventory.Operation, p Plan) (Plan, bool) {
	if p.Hold == nil || p.Hold.Reason != change.BootFailed || h.record.Installed == nil {
		return Plan{}, false
	}
	why, _, _ := strings.Cut(p.Hold.Message, seeConsole)
	return h.closeOperation(op, inventory.Quarantined, why, Failed), true
}

// prepareRamdisk sets the machine up for a boot from the ramdisk, one action at a time, as the boot method says.
func (h host) prepareRamdisk(phase Phase, b inventory.Boot) Plan {
	if h.observed.BMC.Power == inventory.PoweredOn {
		return planAction(phase,
			Action{Kind: PowerOff, Graceful: h.asksShutdown(b), Reason: "media change only while the machine is off"})
	}
	due, waits := methodOf(h.desired.Boot).prepare(h.observed, b)
	if due == nil {
		return Plan{Phase: phase, Waits: waits}
	}
	return planAction(phase, *due)
}

// awaitAgent waits for the agent of a boot after the power-on of the machine.
func (h host) awaitAgent(phase Phase, b inventory.Boot) (Plan, bool) {
	enrolled := h.observed.Agent.Boot == b.ID && !h.observed.Agent.Enrolled.IsZero()
	next := b.Attempt + 1
	if enrolled {
		next = 1
	}
	since := h.now.Sub(b.Started)
	switch {
	case h.observed.BMC.Power == inventory.PoweredOff && since > settle:
		return h.openBoot(phase, inventory.FromRamdisk, next, "the machine went off"), false
	case enrolled && h.now.Sub(h.observed.Agent.Seen) > silenceDeadline:
		return h.openBoot(phase, inventory.FromRamdisk, next,
			fmt.Sprintf("the agent has said nothing for %s", silenceDeadline)), false
	case enrolled:
		return Plan{}, true
	case h.observed.Media.Reads == 0 && since > readsDeadline:
		return h.openBoot(phase, inventory.FromRamdisk, next,
			fmt.Sprintf("the BMC did not read the medium within %s: it must reach advertise.media",
				readsDeadline)), false
	case since > enrolDeadline:
		return h.openBoot(phase, inventory.FromRamdisk, next,
			fmt.Sprintf("the agent did not enrol within %s: it must reach advertise.agents", enrolDeadline)), false
	case h.observed.Media.Reads == 0:
		return Plan{Phase: phase, Waits: "the BMC to read the boot medium", Due: b.Started.Add(readsDeadline),
			Again: 2 * time.Second}, false
	default:
		return Plan{Phase: phase, Waits: "the agent in the ramdisk to enrol", Due: b.Started.Add(enrolDeadline),
			Again: 2 * time.Second}, false
	}
}

// startFromDisk starts the machine from its disk; running means that the power-on was accepted and the machine is
// still on.
func (h host) startFromDisk(phase Phase) (p Plan, running bool) {
	b := h.record.Boot
	switch {
	case b == nil || b.Target != inventory.FromDisk:
		return h.openBoot(phase, inventory.FromDisk, 1, "the installed system shall run"), false
	case h.bootedElsewhere():
		return h.openBoot(phase, inventory.FromDisk, 1, "the boot was opened on the machine of another BMC"), false
	case b.Stage == inventory.Preparing:
		return h.prepareDisk(phase, *b), false
	case b.Stage == inventory.Powering:
		return planAction(phase, Action{Kind: PowerOn, Boot: b, Reason: "the disk comes first"}), false
	case b.Stage != inventory.Running:
		panic("plan: unknown boot stage " + string(b.Stage))
	case h.observed.BMC.Power == inventory.PoweredOn:
		return Plan{Phase: phase}, true
	case h.now.Before(b.Started.Add(settle)):
		return Plan{Phase: phase, Waits: "the machine to come on", Again: 2 * time.Second}, false
	case h.now.After(b.Started.Add(homeDeadline)):
		return h.openBoot(phase, inventory.FromDisk, 1, "the machine is off"), false
	default:
		return h.openBoot(phase, inventory.FromDisk, b.Attempt+1, "the machine went off"), false
	}
}

// prepareDisk sets the machine up for a boot from its disk: off, the medium out, the boot override away from the
// medium.
func (h host) prepareDisk(phase Phase, b inventory.Boot) Plan {
	if h.observed.BMC.Power == inventory.PoweredOn {
		switch {
		case b.Restart || h.mediumIn():
			return planAction(phase,
				Action{Kind: PowerOff, Graceful: h.asksShutdown(b),
					Reason: "media change only while the machine is off"})
		case h.record.Operation == nil:
			return planAction(phase, Action{Kind: CloseBoot, Reason: "the machine runs already"})
		default: // the machine came on by itself, from its disk
			return planAction(phase, Action{Kind: PowerOn, Boot: &b, Reason: "the machine runs already"})
		}
	}
	for _, slot := range h.observed.BMC.Media {
		if slot.Inserted {
			return planAction(phase, Action{Kind: EjectMedia, Reason: "the machine shall start from its disk"})
		}
	}
	if startsFromMedia(h.observed.BMC.Override) {
		return planAction(phase, Action{Kind: BootFromDisk, Boot: &b, Reason: "the machine shall start from its disk"})
	}
	return planAction(phase, Action{Kind: PowerOn, Boot: &b, Reason: "the disk comes first"})
}

// asksShutdown reports whether a machine that may run a system is asked to shut down before the power is cut.
func (h host) asksShutdown(b inventory.Boot) bool {
	op := h.record.Operation
	runs := h.record.Installed != nil || h.record.Adopted != "" || op != nil && op.Starts > 0
	return runs && h.now.Before(b.Opened.Add(gracefulDeadline))
}

// mediumIn reports whether the machine, if a person powered it on, could have started from a medium.
func (h host) mediumIn() bool {
	return startsFromMedia(h.observed.BMC.Override) &&
		slices.ContainsFunc(h.observed.BMC.Media, func(slot inventory.Slot) bool { return slot.Inserted })
}

// returnFromRamdisk takes a machine with its system out of a ramdisk boot with a purpose that was withdrawn. Nil
// means that there is no such boot.
func (h host) returnFromRamdisk() *Action {
	const why = "what the ramdisk was booted for is not wanted any more"
	b := h.record.Boot
	if b == nil || b.Target != inventory.FromRamdisk {
		return nil
	}
	if a := h.leaveRamdisk(0, why); a != nil {
		return a
	}
	if h.mediumIn() {
		return &Action{Kind: PowerOff, Graceful: h.now.Before(b.Opened.Add(gracefulDeadline)), Reason: why}
	}
	return &Action{Kind: CloseBoot, Reason: why}
}

// leaveRamdisk powers a machine off that is in the ramdisk without a purpose, after the given time without work:
// through the agent, then through the BMC; and takes the medium out. Nil means that there is no ramdisk to leave, or
// not yet.
func (h host) leaveRamdisk(after time.Duration, why string) *Action {
	b := h.record.Boot
	if b == nil || b.Target != inventory.FromRamdisk || h.observed.BMC.Reach != inventory.Reached ||
		h.whyStranger() != "" {
		return nil
	}
	if h.observed.BMC.Power == inventory.PoweredOff {
		for _, slot := range h.observed.BMC.Media {
			if slot.Inserted && slot.Image == h.observed.Media.URL {
				return &Action{Kind: EjectMedia, Reason: why}
			}
		}
		return &Action{Kind: CloseBoot, Reason: why}
	}
	if h.observed.BMC.Power != inventory.PoweredOn || b.Stage == inventory.Preparing || !h.startedByUs() ||
		h.now.Before(b.Started.Add(after)) {
		return nil
	}
	if h.agentAlive() && (!h.toldPowerOff(*b) || !h.now.After(h.observed.Agent.Job.Since.Add(powerOffDeadline))) {
		return &Action{Kind: AssignPowerOff, Boot: b, Reason: why}
	}
	return &Action{Kind: PowerOff, Graceful: h.mayServe(*b), Reason: why}
}

// mayServe reports whether a machine with a ramdisk that did not show up may have started its own system instead.
// Such a machine is asked to shut down first.
func (h host) mayServe(b inventory.Boot) bool {
	deadline := enrolDeadline
	if h.observed.Media.Reads == 0 {
		deadline = readsDeadline
	}
	return h.record.Installed != nil && h.observed.Agent.Boot != b.ID &&
		h.now.Before(b.Started.Add(deadline+gracefulDeadline))
}

// toldPowerOff reports whether the agent of the boot was told to power its machine off.
func (h host) toldPowerOff(b inventory.Boot) bool {
	job := h.observed.Agent.Job
	return job.Kind == powerOffJob && job.Since.After(b.Opened)
}

// followLeave does the action of leaveRamdisk, or waits for an agent that was told already.
func (h host) followLeave(phase Phase, a Action) Plan {
	if a.Kind == AssignPowerOff && h.toldPowerOff(*a.Boot) {
		return Plan{Phase: phase, Waits: "the agent to power the machine off",
			Due: h.observed.Agent.Job.Since.Add(powerOffDeadline), Again: 2 * time.Second}
	}
	return planAction(phase, a)
}
