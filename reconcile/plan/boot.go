package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// startRamdisk brings the machine into the ramdisk and its agent on the line; ready means that the agent of the
// record's boot is there. The order is the virtual media order: power off, confirmed; eject; insert; check; boot
// override; power on; the medium is read; the agent enrols.
func (h *host) startRamdisk(phase Phase) (p Plan, ready bool) {
	b := h.Record.Boot
	runs := b != nil && b.Target == inventory.FromRamdisk && b.Stage == inventory.Running
	switch {
	case !runs && h.Observed.Ramdisk != "":
		return h.holdHost(change.Hold{Reason: change.RamdiskUnusable, Message: h.Observed.Ramdisk}), false
	case b == nil || b.Target != inventory.FromRamdisk:
		return h.openBoot(phase, inventory.FromRamdisk, 1, "the ramdisk is needed"), false
	case b.Stage == inventory.Preparing, b.Stage == inventory.Powering && h.Observed.BMC.Power == inventory.PoweredOff:
		return h.prepareRamdisk(phase, *b), false
	case b.Stage == inventory.Powering:
		return planAction(phase, act.Action{Kind: act.PowerOn, Boot: b, Reason: "the medium is in and comes first"}), false
	case b.Stage == inventory.Running:
		return h.awaitAgent(phase, *b)
	default:
		panic("plan: unknown boot stage " + string(b.Stage))
	}
}

// openBoot begins a boot attempt. No boot into a ramdisk that cannot be used begins. After too many attempts in a row
// without a result, the machine waits for a later commit of the fleet.
func (h *host) openBoot(phase Phase, target string, attempt int, why string) Plan {
	if target == inventory.FromRamdisk && h.Observed.Ramdisk != "" {
		return h.holdHost(change.Hold{Reason: change.RamdiskUnusable, Message: h.Observed.Ramdisk})
	}
	b := h.Record.Boot
	exhausted := attempt > maxBoots && b != nil && b.Commit == h.Desired.Commit && !h.Observed.Retry
	if exhausted {
		message := fmt.Sprintf("%d boots from the %s got nowhere, the last because %s%s, then run `ingot retry %s`",
			maxBoots, target, why, seeConsole, h.Desired.Name)
		return Plan{Phase: Failed, Hold: &change.Hold{Reason: change.BootFailed, Message: message}}
	}
	if attempt > maxBoots {
		attempt = 1
	}
	boot := inventory.Boot{Target: target, Attempt: attempt, Commit: h.Desired.Commit, Ours: h.StartedByUs(),
		WasOn: h.wasOn(target), Request: h.inheritRequest(target)}
	if attempt > 1 {
		boot.Before = why
	}
	return planAction(phase, act.Action{Kind: act.OpenBoot, Boot: &boot, Reason: why})
}

// seeConsole is what to do about a machine that does not start.
const seeConsole = ": look at the machine's console"

// wasOn reports whether the machine was on before it was taken down for a row of boots.
func (h *host) wasOn(target string) bool {
	if b := h.Record.Boot; b != nil && (b.Target == inventory.FromRamdisk || target == inventory.FromDisk) {
		return b.WasOn
	}
	return h.Observed.BMC.Power == inventory.PoweredOn
}

// giveUpUnbootable gives an operation up that has written nothing, when the ramdisk does not start. A machine that
// served goes back to its old system (checkGivenUp).
func (h *host) giveUpUnbootable(op inventory.Operation, p Plan) (Plan, bool) {
	if p.Hold == nil || p.Hold.Reason != change.BootFailed || h.Record.Installed == nil {
		return Plan{}, false
	}
	why, _, _ := strings.Cut(p.Hold.Message, seeConsole)
	return h.closeOperation(op, inventory.Quarantined, why, Failed), true
}

// prepareRamdisk sets the machine up for a boot from the ramdisk, one action at a time, as the boot method says.
func (h *host) prepareRamdisk(phase Phase, b inventory.Boot) Plan {
	if h.IsOn() {
		return planAction(phase, *h.PowerOff("media change only while the machine is off"))
	}
	if p, answered := h.checkOff(); answered {
		return showInPhase(p, phase)
	}
	due, waits := bootmethod.Prepare(h.Desired.Boot, h.Observed, b)
	if due == nil {
		return Plan{Phase: phase, Waits: waits}
	}
	return planAction(phase, *due)
}

// awaitAgent waits for the agent of a boot after the power-on of the machine.
func (h *host) awaitAgent(phase Phase, b inventory.Boot) (Plan, bool) {
	enrolled := h.Observed.Agent.Boot == b.ID && !h.Observed.Agent.Enrolled.IsZero()
	next := b.Attempt + 1
	if enrolled {
		next = 1
	}
	age := h.Observed.Attended
	switch {
	case h.IsOff() && age.Started > settle:
		return h.openBoot(phase, inventory.FromRamdisk, next, "the machine went off"), false
	case h.KernelStarted():
		return Plan{}, true
	case enrolled && !h.AgentAlive() && h.IsMidWrite():
		return h.openBoot(phase, inventory.FromRamdisk, next, fmt.Sprintf("the agent has said nothing for %s", h.Deadlines.Silence)), false
	case enrolled && !h.AgentAlive():
		return h.leaveSilent(phase, b), false
	case enrolled && h.Observed.Agent.Protocol < agentProtocol && !h.HasJob():
		return h.openBoot(phase, inventory.FromRamdisk, next, fmt.Sprintf("the agent speaks protocol %d, a step needs protocol %d",
			h.Observed.Agent.Protocol, agentProtocol)), false
	case enrolled:
		return Plan{}, true
	case h.Observed.Media.Reads == 0 && h.Passed(age.Started, h.Deadlines.Medium):
		return h.openBoot(phase, inventory.FromRamdisk, next, fmt.Sprintf("the BMC did not read the medium within %s: it must reach "+
			"advertise.media", h.Deadlines.Medium)), false
	case h.Passed(age.Started, h.Deadlines.Agent):
		return h.openBoot(phase, inventory.FromRamdisk, next, h.WhyNoAgent()), false
	case h.Observed.Media.Reads == 0:
		return Plan{Phase: phase, Waits: "the BMC to read the boot medium", Due: h.Due(age.Started, h.Deadlines.Medium),
			Again: bmcPause}, false
	default:
		return Plan{Phase: phase, Waits: h.NameStarted("the agent in the ramdisk to enrol"), Due: h.Due(age.Started, h.Deadlines.Agent),
			Again: bmcPause}, false
	}
}

// agentProtocol is wire.Version: an agent of an earlier version gets no new job.
const agentProtocol = 5

// startFromDisk starts the machine from its disk; running means that the power-on was accepted and the machine is
// still on.
func (h *host) startFromDisk(phase Phase) (p Plan, running bool) {
	b := h.Record.Boot
	switch {
	case b == nil || b.Target != inventory.FromDisk:
		return h.openBoot(phase, inventory.FromDisk, 1, "the installed system shall run"), false
	case b.Stage == inventory.Preparing:
		return h.prepareDisk(phase, *b), false
	case b.Stage == inventory.Powering:
		return planAction(phase, act.Action{Kind: act.PowerOn, Boot: b, Reason: "the disk comes first"}), false
	case b.Stage != inventory.Running:
		panic("plan: unknown boot stage " + string(b.Stage))
	case h.Observed.BMC.Power == inventory.PoweredOn:
		return Plan{Phase: phase}, true
	case h.Observed.Attended.Started < settle:
		return Plan{Phase: phase, Waits: "the machine to come on", Again: bmcPause}, false
	case h.Passed(h.Observed.Attended.Started, h.Deadlines.Home):
		return h.openBoot(phase, inventory.FromDisk, 1, "the machine is off"), false
	default:
		return h.openBoot(phase, inventory.FromDisk, b.Attempt+1, "the machine went off"), false
	}
}

// prepareDisk sets the machine up for a boot from its disk: off, the medium out, the boot override away from the
// medium.
func (h *host) prepareDisk(phase Phase, b inventory.Boot) Plan {
	if h.Observed.BMC.Power == inventory.PoweredOn {
		switch {
		case b.Restart || h.MediumIn():
			return planAction(phase, *h.PowerOff("media change only while the machine is off"))
		case h.Record.Operation == nil:
			return planAction(phase, act.Action{Kind: act.CloseBoot, Reason: "the machine runs already"})
		default: // the machine came on by itself, from its disk
			return planAction(phase, act.Action{Kind: act.PowerOn, Boot: &b, Reason: "the machine runs already"})
		}
	}
	if p, answered := h.checkOff(); answered {
		return showInPhase(p, phase)
	}
	const why = "the machine shall start from its disk"
	stuck := slices.ContainsFunc(h.Observed.BMC.Media, func(slot inventory.Slot) bool { return slot.Inserted })
	switch {
	case stuck && h.Observed.Evidence.Ejects < bootmethod.MaxEjects:
		return planAction(phase, act.Action{Kind: act.EjectMedia, Reason: why})
	case stuck && !bootmethod.StartsFromDisk(h.Observed.BMC.Override): // the medium answers nobody, and the override names the disk
		return planAction(phase, act.Action{Kind: act.BootFromDisk, Boot: &b, NamesDisk: true, Reason: why})
	case bootmethod.StartsFromMedia(h.Observed.BMC.Override):
		return planAction(phase, act.Action{Kind: act.BootFromDisk, Boot: &b, Reason: why})
	}
	return planAction(phase, act.Action{Kind: act.PowerOn, Boot: &b, Reason: "the disk comes first"})
}

// returnFromRamdisk takes a machine with its system out of a ramdisk boot with a purpose that was withdrawn. Nil
// means that there is no such boot.
func (h *host) returnFromRamdisk() *act.Action {
	const why = "what the ramdisk was booted for is not wanted any more"
	b := h.Record.Boot
	if b == nil || b.Target != inventory.FromRamdisk {
		return nil
	}
	if a := h.leaveRamdisk(0, why); a != nil {
		return a
	}
	if h.IsOn() && h.MediumIn() {
		return h.PowerOff(why)
	}
	return &act.Action{Kind: act.CloseBoot, Reason: why}
}

// leaveRamdisk powers a machine off that is in the ramdisk without a purpose, after the given time without work:
// through the agent, then through the BMC; and takes the medium out. Nil means that there is no ramdisk to leave, or
// not yet.
func (h *host) leaveRamdisk(after time.Duration, why string) *act.Action {
	b := h.Record.Boot
	if b == nil || b.Target != inventory.FromRamdisk || h.Observed.BMC.Reach != inventory.Reached ||
		h.whyStranger() != "" {
		return nil
	}
	if h.IsOff() {
		if bootmethod.IsIn(h.Observed) && h.Observed.Evidence.Ejects < bootmethod.MaxEjects {
			return &act.Action{Kind: act.EjectMedia, Reason: why}
		}
		return &act.Action{Kind: act.CloseBoot, Reason: why}
	}
	if h.Observed.BMC.Power != inventory.PoweredOn || b.Stage == inventory.Preparing || !h.StartedByUs() ||
		after > 0 && !h.Passed(h.Observed.Attended.Started, after) {
		return nil
	}
	if h.AgentAlive() && (!h.ToldPowerOff(*b) || !h.Passed(h.Observed.Attended.Job, powerOffDeadline)) {
		return &act.Action{Kind: act.AssignPowerOff, Boot: b, Reason: why}
	}
	return h.PowerOff(why)
}

// followLeave does the action of leaveRamdisk, or waits for an agent that was told already. A machine whose agent fell
// silent and that stays on counts as found running after a while.
func (h *host) followLeave(phase Phase, a act.Action) Plan {
	if a.Kind == act.PowerOff && h.MayRunAnything() && !h.IsMidWrite() {
		return h.leaveSilent(phase, *h.Record.Boot)
	}
	if a.Kind == act.AssignPowerOff && h.ToldPowerOff(*a.Boot) {
		return Plan{Phase: phase, Waits: "the agent to power the machine off",
			Due: h.Due(h.Observed.Attended.Job, powerOffDeadline), Again: bmcPause}
	}
	return planAction(phase, a)
}
