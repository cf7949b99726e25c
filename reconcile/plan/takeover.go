package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkTakeover answers when the machine runs and we did not start it. A power-on of ours that found it on is waited for: had it been ours, the machine would read
// its medium.
//
//	the machine, when we know of no reason why it should run     due
//	is off, and was at an earlier look                           go on: it may be started
//	is off, at the first look                                    wait for the second
//	is on, and a power-on of ours found it so                    wait for its medium to be read; then it is not ours
//	is on, and consent.takeover names it                         RecordTakeover
//	is on                                                        hold
func (h host) checkTakeover() (Plan, bool) {
	off := h.observed.BMC.Power == inventory.PoweredOff
	switch counts := h.observed.BMC.OffCounts; {
	case h.startedByUs(), off && !h.now.Before(counts):
		return Plan{}, false
	case off:
		return Plan{Phase: Waiting, Waits: "a second look that finds the machine off", Due: counts,
			Again: counts.Sub(h.now)}, true
	}
	if b := h.record.Boot; b != nil && b.Found && !h.now.After(b.Started.Add(readsDeadline)) {
		return Plan{Phase: Waiting, Waits: "the machine, which was on already when it was to be powered on, to read " +
			"its boot medium", Due: b.Started.Add(readsDeadline), Again: 2 * time.Second}, true
	} else if b != nil && b.Found {
		return planAction(Held,
			Action{Kind: CloseBoot,
				Reason: "the machine ran before it was powered on for this boot: it is not ours"}), true
	}
	serial := h.machineSerial()
	if given := h.desired.Consent.Takeover; given != "" && strings.EqualFold(given, serial) {
		return planAction(Waiting,
			Action{Kind: RecordTakeover, Serial: serial, Reason: "spec.consent.takeover names this machine"}), true
	}
	return h.holdHost(change.Hold{Reason: change.FoundRunning, Message: fmt.Sprintf(
		"the machine runs and ingot did not start it: it is not powered off. To take it over, run `ingot consent "+
			"--takeover %s` (spec.consent.takeover: %q)", h.desired.Name, serial)}), true
}

// machineSerial is the machine's, as its BMC says, or else as the fleet does.
func (h host) machineSerial() string {
	if said := h.observed.BMC.System.Serial; !inventory.IsPlaceholder(said) {
		return said
	}
	return h.desired.Identity.Serial
}

// startedByUs reports whether the machine, when it runs, runs because of us.
func (h host) startedByUs() bool {
	r := h.record
	if h.bootedElsewhere() {
		r.Boot = nil
	}
	adopted := r.Adopted != "" && strings.EqualFold(r.Adopted, h.machineSerial())
	return adopted || change.Started(r) || r.Boot != nil && r.Boot.Stage != inventory.Preparing &&
		h.startedFromMedium(*r.Boot)
}

// startedFromMedium reports whether the machine was seen to start from a boot's medium: it was read after the power-on, or the boot's agent enrolled.
func (h host) startedFromMedium(b inventory.Boot) bool {
	return h.observed.Agent.Boot == b.ID || h.observed.Media.Reads > 0 && h.observed.Media.Last.After(b.Started)
}
