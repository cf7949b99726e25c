package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkTakeover answers when the machine runs and the daemon did not start the machine. A machine that was on already
// when the daemon powered it on gets time to read the medium: a machine that the daemon started reads the medium.
//
//	the machine, without a known reason to run           due
//	is off, and was at an earlier look                   go on: the daemon may start the machine
//	is off, at the first look                            wait for the second look
//	is on, and was on at a power-on of the daemon        wait for a read of the medium; then CloseBoot
//	is on, and consent.takeover names the machine        RecordTakeover
//	is on                                                hold
func (h host) checkTakeover() (Plan, bool) {
	off, counts := h.observed.BMC.Power == inventory.PoweredOff, h.observed.BMC.OffCounts
	seenOff := off && !h.now.Before(counts)
	boot := h.record.Boot
	foundOn := boot != nil && boot.Found
	serial, given := h.machineSerial(), h.desired.Consent.Takeover
	takenOver := given != "" && strings.EqualFold(given, serial)
	switch {
	case h.startedByUs() || seenOff:
		return Plan{}, false
	case off:
		return Plan{Phase: Waiting, Waits: "a second look that finds the machine off", Due: counts,
			Again: counts.Sub(h.now)}, true
	case foundOn && !h.now.After(boot.Started.Add(readsDeadline)):
		return Plan{Phase: Waiting,
			Waits: "the machine, which was on already when it was to be powered on, to read its boot medium",
			Due:   boot.Started.Add(readsDeadline), Again: 2 * time.Second}, true
	case foundOn:
		why := "the machine ran before it was powered on for this boot: it is not ours"
		return planAction(Held, Action{Kind: CloseBoot, Reason: why}), true
	case takenOver:
		why := "spec.consent.takeover names this machine"
		return planAction(Waiting, Action{Kind: RecordTakeover, Serial: serial, Reason: why}), true
	default:
		return h.holdHost(foundRunningHold(h.desired.Name, serial)), true
	}
}

// foundRunningHold holds a machine that runs and that the daemon did not start.
func foundRunningHold(name, serial string) change.Hold {
	return change.Hold{Reason: change.FoundRunning,
		Message: fmt.Sprintf("the machine runs and ingot did not start it: it is "+
			"not powered off. To take it over, run `ingot consent --takeover %s` (spec.consent.takeover: %q)", name,
			serial)}
}

// machineSerial is the serial that the BMC shows, or else the serial that the fleet declares.
func (h host) machineSerial() string {
	if said := h.observed.BMC.System.Serial; !inventory.IsPlaceholder(said) {
		return said
	}
	return h.desired.Identity.Serial
}

// startedByUs reports whether the machine, when on, runs because the daemon started it or the fleet took it over.
func (h host) startedByUs() bool {
	r := h.record
	if h.bootedElsewhere() {
		r.Boot = nil
	}
	adopted := r.Adopted != "" && strings.EqualFold(r.Adopted, h.machineSerial())
	return adopted || change.Started(r) || r.Boot != nil && r.Boot.Stage != inventory.Preparing &&
		h.startedFromMedium(*r.Boot)
}

// startedFromMedium reports whether the machine started from a boot's medium: the medium was read after the power-on,
// or the agent of the boot enrolled.
func (h host) startedFromMedium(b inventory.Boot) bool {
	return h.observed.Agent.Boot == b.ID || h.observed.Media.Reads > 0 && h.observed.Media.Last.After(b.Started)
}
