package consoles

import (
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/cause"
)

// tailLines is how many lines of a console are given as evidence.
const tailLines = 8

// clockSlack is how much earlier than the power-on a line of a console may be, because the BMC answers the power-on
// after the machine has begun to start.
const clockSlack = 10 * time.Second

// Observe gives what a host's console has shown since the machine was powered on, and how the console is read.
func (c *Reader) Observe(h reconcile.HostView) inventory.ConsoleState {
	state := c.ObserveRecord(h.Observed.Record)
	_, state.Reading = c.explainState(h)
	return state
}

// ObserveRecord gives what the console of a record's machine has shown since the machine was powered on.
func (c *Reader) ObserveRecord(rec inventory.Record) inventory.ConsoleState {
	return c.observeSince(rec.ID, startedAt(rec))
}

// startedAt is when the machine was powered on for the present boot; zero without such a power-on.
func startedAt(rec inventory.Record) time.Time {
	if rec.Boot == nil {
		return time.Time{}
	}
	return rec.Boot.Started
}

// observeSince gives what a host's console has shown since a time. Nothing is known from before the daemon's start.
func (c *Reader) observeSince(id inventory.MachineID, since time.Time) inventory.ConsoleState {
	var lines []string
	var times []time.Time
	for _, line := range c.recentLines(id) {
		if since.IsZero() || line.At.Before(since.Add(-clockSlack)) {
			continue
		}
		lines, times = append(lines, line.Text), append(times, line.At)
	}
	sign, text, at := cause.Recognize(lines)
	state := inventory.ConsoleState{Sign: string(sign), Line: text, Tail: lines[max(0, len(lines)-tailLines):]}
	if sign != "" {
		state.At = times[at]
	}
	return state
}

// recentLines are the newest lines of a console, as far as they were read since the daemon's start.
func (c *Reader) recentLines(id inventory.MachineID) []console.Line {
	c.mu.Lock()
	w := c.hosts[id]
	var log *console.Log
	var kept []console.Line
	if w != nil {
		log, kept = w.log, w.recent
	}
	c.mu.Unlock()
	if log != nil {
		return log.Recent(time.Now())
	}
	return kept
}
