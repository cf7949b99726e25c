package plan

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkTakeover answers when the machine runs and the daemon does not know that it started the machine. A machine that
// was on already when the daemon powered it on, and a machine that could not be watched since, gets time to read the
// medium: a machine that the daemon started reads the medium.
//
//	the machine, without a known reason to run           due
//	is on, and its waiting agent is proved               OpenBoot, which that agent is the agent of (TakesOver)
//	is off                                               go on: the daemon may start the machine
//	is on, and was on at a power-on of the daemon        wait for a read of the medium; then CloseBoot
//	is on, and somebody else took the medium out         the same
//	is on, and a forgotten install called instead        the same
//	is on, and was not watched since its power-on        wait for a read of the medium; then hold
//	is on, and consent.takeover names the machine        RecordTakeover
//	is on, and its waiting agent powers it off           hold, and look again soon
//	is on                                                hold
//
// After an agent fell silent for long, a takeover that was used before does not count.
func (h *host) checkTakeover() (Plan, bool) {
	boot, lost := h.Record.Boot, h.IsLost()
	foundOn := boot != nil && !lost && (boot.Found || h.MediumTaken(*boot) || h.CalledInstead(*boot))
	unwatched := boot != nil && !lost && h.IsUnwatched(*boot) && boot.Stage == inventory.Running
	age := h.Observed.Attended.Started
	if h.StartedByUs() || h.IsOff() {
		return Plan{}, false
	}
	machine := h.Record.Identity().Fill(change.ShownIdentity(h.Desired, h.Observed))
	takenOver := h.Record.GivesTakeover(h.Desired.Consent.Takeover, machine)
	value := h.Record.TakeoverConsent(machine)
	switch {
	case h.TakesOver():
		given := inventory.Boot{Target: inventory.FromRamdisk, Attempt: 1, Commit: h.Desired.Commit, WasOn: true, Agent: h.Observed.Waiting}
		why := "the waiting agent of the discovery medium is proved to run on this machine: no boot is needed"
		return planAction(Inspecting, act.Action{Kind: act.OpenBoot, Boot: &given, Reason: why}), true
	case (foundOn || unwatched) && !h.Passed(age, h.Deadlines.Medium):
		phase := Inspecting // the machine keeps its place
		if h.Record.Operation != nil {
			phase = Installing
		}
		waits := "the machine, which may have been on already when it was to be powered on, to read its boot medium"
		if boot.Agent != "" {
			waits = "the waiting agent, which is proved to run on the machine, to enrol"
		}
		return Plan{Phase: phase, Waits: waits, Due: h.Due(age, h.Deadlines.Medium), Again: bmcPause}, true
	case foundOn:
		why := "the machine did not start from this boot's medium: what it runs is not ours"
		return planAction(Held, act.Action{Kind: act.CloseBoot, Reason: why}), true
	case takenOver:
		why := "spec.consent.takeover names this machine"
		return planAction(Waiting, act.Action{Kind: act.RecordTakeover, Takeover: value, Pinned: &machine, Reason: why}), true
	default:
		p := h.holdHost(foundRunningHold(h.Desired, value))
		if h.Observed.PowersOff && p.Action == nil {
			p.Again = bmcPause
		}
		return p, true
	}
}

// foundRunningHold holds a machine that runs and that the daemon did not start.
func foundRunningHold(d inventory.Desired, value string) change.Hold {
	return change.Hold{Reason: change.FoundRunning, Takeover: value,
		Message: "the machine runs and ingot did not start it: it is not powered off. To take it over, run " +
			change.TakeoverCommand(d, value)}
}
