// Package deadlines says how long one machine may take from its power-on to a sign of life: Fit gives the deadlines. Do
// not compare ages here: package plan does. Pure.
package deadlines

import (
	"cmp"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// lastBoot is the attempt of a boot after which no deadline grows.
const lastBoot = 3

// longestBoot bounds what a machine's own boots add to a deadline.
const longestBoot = 2 * time.Hour

// Fit gives the deadlines of one machine, from those of the configuration with the defaults: a firmware passes its
// self-tests in 30 seconds or in 30 minutes.
//
//	the machine                         a deadline after its power-on is at least
//	has spec.boot.timeout               that
//	reached its agent at an earlier     twice the time that the last such boot took
//	boot
//	changes BIOS settings at this boot  the timeout of the settings
//	got nowhere at the boots before     at the second boot three times the first deadline for the medium, at the third
//	                                    boot nine times; the deadline for the agent is as much later
func Fit(d inventory.Deadlines, set time.Duration, o inventory.Observed) inventory.Deadlines {
	d = fillDefaults(d)
	b, least := o.Record.Boot, cmp.Or(set, min(2*o.Attended.Enrolled, longestBoot))
	if s := o.Record.Settings; s != nil && b != nil && s.Reset == b.Epoch {
		least = max(least, min(time.Duration(s.Seconds)*time.Second, longestBoot))
	}
	d.Medium, d.Agent, d.Home = max(d.Medium, least), max(d.Agent, least), max(d.Home, least)
	if set > 0 || b == nil || b.Target != inventory.FromRamdisk {
		return d
	}
	later := d.Medium
	for n := 1; n < min(b.Attempt, lastBoot); n++ {
		later *= 3
	}
	later = max(min(later, longestBoot)-d.Medium, 0)
	d.Medium, d.Agent = d.Medium+later, d.Agent+later
	return d
}

// fillDefaults gives the deadlines with the defaults for zero fields.
func fillDefaults(d inventory.Deadlines) inventory.Deadlines {
	return inventory.Deadlines{
		Start: cmp.Or(d.Start, 5*time.Minute), Medium: cmp.Or(d.Medium, 5*time.Minute), Agent: cmp.Or(d.Agent, 20*time.Minute),
		Silence: cmp.Or(d.Silence, 5*time.Minute), Lost: cmp.Or(d.Lost, time.Hour), Home: cmp.Or(d.Home, 30*time.Minute),
		Off: cmp.Or(d.Off, 30*time.Second),
	}
}

// Pauses between hard power-offs.
const (
	firstCutPause   = 15 * time.Second
	longestCutPause = 10 * time.Minute
)

// CutPause is how long no further power-off is sent after a number of them.
func CutPause(cuts int) time.Duration {
	pause := firstCutPause
	for n := 1; n < cuts && pause < longestCutPause; n++ {
		pause *= 2
	}
	return min(pause, longestCutPause)
}
