package plan

import (
	"cmp"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// longestBoot bounds what a machine's own boots add to a deadline.
const longestBoot = 2 * time.Hour

// machineDeadlines are the deadlines of one machine: a firmware passes its self-tests in 30 seconds or in 30 minutes.
//
//	the machine                         a deadline after its power-on is at least
//	has spec.boot.timeout               that
//	reached its agent at an earlier     twice the time that the last such boot took
//	boot
//	got nowhere at the boots before     at the second boot three times the first deadline for the medium, at the third
//	                                    boot nine times; the deadline for the agent is as much later
func machineDeadlines(d inventory.Deadlines, set time.Duration, o inventory.Observed) inventory.Deadlines {
	b, least := o.Record.Boot, cmp.Or(set, min(2*o.Attended.Enrolled, longestBoot))
	d.Medium, d.Agent, d.Home = max(d.Medium, least), max(d.Agent, least), max(d.Home, least)
	if set > 0 || b == nil || b.Target != inventory.FromRamdisk {
		return d
	}
	later := d.Medium
	for n := 1; n < min(b.Attempt, maxBoots); n++ {
		later *= 3
	}
	later = max(min(later, longestBoot)-d.Medium, 0)
	d.Medium, d.Agent = d.Medium+later, d.Agent+later
	return d
}

// passed reports whether something has lasted for longer than its deadline, in attended time. No deadline passes soon
// after a start of the daemon: a machine that could not be heard before has time to speak.
func (h *host) passed(age, deadline time.Duration) bool {
	if h.observed.Attended.Start < h.deadlines.Start { // guard: attended-time
		return false
	}
	return age > deadline
}

// due is when a deadline passes, if the machine can be heard until then.
func (h *host) due(age, deadline time.Duration) time.Time {
	return h.now.Add(max(deadline-age, h.deadlines.Start-h.observed.Attended.Start, 0))
}
