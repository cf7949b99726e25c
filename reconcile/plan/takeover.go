package plan

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkTakeover answers when the machine runs and the daemon does not know that it started the machine. A machine that
// was on already when the daemon powered it on, and a machine that could not be watched since, gets time to read the
// medium: a machine that the daemon started reads the medium.
//
//	the machine, without a known reason to run           due
//	is off                                               go on: the daemon may start the machine
//	is on, and was on at a power-on of the daemon        wait for a read of the medium; then CloseBoot
//	is on, and somebody else took the medium out         the same
//	is on, and a forgotten install called instead        the same
//	is on, and was not watched since its power-on        wait for a read of the medium; then hold
//	is on, and consent.takeover names the machine        RecordTakeover
//	is on                                                hold
//
// After an agent fell silent for long, a takeover that was used before does not count.
func (h *host) checkTakeover() (Plan, bool) {
	boot, lost := h.record.Boot, h.isLost()
	foundOn := boot != nil && !lost && (boot.Found || h.mediumTaken(*boot) || h.calledInstead(*boot))
	unwatched := boot != nil && !lost && h.isUnwatched(*boot) && boot.Stage == inventory.Running
	age := h.observed.Attended.Started
	if h.startedByUs() || h.isOff() {
		return Plan{}, false
	}
	machine := h.record.Identity().Fill(change.ShownIdentity(h.desired, h.observed))
	takenOver := h.record.GivesTakeover(h.desired.Consent.Takeover, machine)
	value := h.record.TakeoverConsent(machine)
	switch {
	case (foundOn || unwatched) && !h.passed(age, h.deadlines.Medium):
		phase := Inspecting // the machine keeps its place
		if h.record.Operation != nil {
			phase = Installing
		}
		return Plan{Phase: phase,
			Waits: "the machine, which may have been on already when it was to be powered on, to read its boot medium",
			Due:   h.due(age, h.deadlines.Medium), Again: bmcPause}, true
	case foundOn:
		why := "the machine did not start from this boot's medium: what it runs is not ours"
		return planAction(Held, act.Action{Kind: act.CloseBoot, Reason: why}), true
	case takenOver:
		why := "spec.consent.takeover names this machine"
		return planAction(Waiting, act.Action{Kind: act.RecordTakeover, Takeover: value, Pinned: &machine, Reason: why}), true
	default:
		return h.holdHost(foundRunningHold(h.desired, value)), true
	}
}

// foundRunningHold holds a machine that runs and that the daemon did not start.
func foundRunningHold(d inventory.Desired, value string) change.Hold {
	return change.Hold{Reason: change.FoundRunning, Takeover: value,
		Message: "the machine runs and ingot did not start it: it is not powered off. To take it over, run " +
			change.TakeoverCommand(d, value)}
}

// machineSerial is the serial that the BMC shows, or else the serial that the fleet declares.
func (h *host) machineSerial() string {
	if said := h.observed.BMC.System.Serial; !inventory.IsPlaceholder(said) {
		return said
	}
	return h.desired.Identity.Serial
}

// startedByUs reports whether the machine, when on, runs because the daemon started it or the fleet took it over. A boot
// that was not watched proves nothing without a read of its medium, or its agent.
func (h *host) startedByUs() bool {
	r := h.record
	if h.isLost() {
		return false
	}
	fromMedium := r.Boot != nil && r.Boot.Stage != inventory.Preparing && h.startedFromMedium(*r.Boot)
	if r.Boot != nil && (h.isUnwatched(*r.Boot) || h.mediumTaken(*r.Boot) || h.calledInstead(*r.Boot)) {
		r.Boot = nil
	}
	return r.AdoptedMachine(h.machineSerial()) || fromMedium || change.Started(r)
}

// isLost reports whether the machine counts as found running, as its agent was silent for long.
func (h *host) isLost() bool {
	b := h.record.Boot
	return b != nil && b.Lost && !h.agentAlive()
}

// isUnwatched reports whether nobody watched the machine for a while since a boot into the ramdisk was opened.
func (h *host) isUnwatched(b inventory.Boot) bool {
	return b.Target == inventory.FromRamdisk && h.observed.Attended.Interrupted
}

// mediumTaken reports whether somebody else took the medium of a running boot out, and the boot override away.
func (h *host) mediumTaken(b inventory.Boot) bool {
	bmc := h.observed.BMC
	return b.Target == inventory.FromRamdisk && b.Stage == inventory.Running && len(bmc.Media) > 0 &&
		!bootmethod.StartsFromMedia(bmc.Override) &&
		!slices.ContainsFunc(bmc.Media, func(slot inventory.Slot) bool { return slot.Inserted })
}

// calledInstead reports whether an install that the record does not know, such as one from before the host was
// forgotten, called after the power-on of a boot into the ramdisk: the firmware started the disk, and the system serves.
func (h *host) calledInstead(b inventory.Boot) bool {
	call, known := h.observed.Agent.PhoneHome, h.record.Operation != nil || h.record.Installed != nil
	return call != nil && !known && b.Target == inventory.FromRamdisk && b.Stage == inventory.Running &&
		call.At.After(b.Started)
}

// startedFromMedium reports whether the machine started from a boot's medium: the medium was read after the power-on,
// or the agent of the boot enrolled.
func (h *host) startedFromMedium(b inventory.Boot) bool {
	return h.observed.Agent.Boot == b.ID || h.observed.Media.Reads > 0 && h.observed.Media.Last.After(b.Started)
}
