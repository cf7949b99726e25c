package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// keepOff sees to a machine without an operation that somebody keeps off. An operation that has written nothing ends
// (whyRefused); an operation that has begun to write goes on to a verified system, which is not started (stayOff).
//
//	the machine                          due
//	is in a ramdisk of ours              the ramdisk is left, and the machine is powered off
//	runs a system of ours                a request to shut down, each minute, as with spec.power: Off
//	is on, and ingot did not start it    nothing, as with spec.power: Off
//	is off                               nothing: neither an inspection nor an operation begins
func (h *host) keepOff() Plan {
	p := h.adjustPower()
	if p.Hold != nil || !p.Due.IsZero() {
		return p
	}
	keptOff := h.describeKeptOff()
	p.Waits = keptOff
	if h.change.Verdict == change.Nothing {
		return p
	}
	p.Phase = Waiting
	if p.Hold = h.change.Hold; p.Hold != nil {
		p.Phase = Held
	}
	return p
}

// describeKeptOff says who keeps the machine off, and what does not happen meanwhile.
func (h *host) describeKeptOff() string {
	words := change.KeptOff(h.Desired)
	if h.IsOn() && h.Record.Installed == nil && !h.StartedByUs() {
		words += "; the machine runs and ingot did not start it: it is not powered off"
	}
	if h.change.Verdict != change.Nothing {
		words += ": nothing is installed before"
	}
	return words
}

// stayOff answers for a machine with a written system that somebody keeps off: a machine that is off is not started.
func (h *host) stayOff() (Plan, bool) {
	why := change.KeptOff(h.Desired)
	if why == "" || h.Observed.BMC.Power != inventory.PoweredOff {
		return Plan{}, false
	}
	return Plan{Phase: Starting, Waits: "the start of the written system: the machine is " + why}, true
}

// idleTime is how long a machine without a system stays in the ramdisk.
func (h *host) idleTime() time.Duration {
	if change.KeptOff(h.Desired) != "" || h.Desired.Claimable {
		return 0
	}
	return idleDeadline
}
