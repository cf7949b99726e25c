// Package evidence says what is known of a machine, for package plan: whether the machine is off, who started what it
// runs, whether its agent speaks and may be writing, and which deadline has passed. A reading is not a fact yet: each
// question here says what proves its answer. The package is pure.
//
// Fill a Machine, and ask it. Do not decide here what is done to the machine.
package evidence

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Machine is what is known of a machine: what the fleet desires, what was observed, and the record.
type Machine struct {
	Desired  inventory.Desired
	Observed inventory.Observed
	Record   inventory.Record
	Now      time.Time
	// Deadlines are those of the configuration, made to fit the machine.
	Deadlines inventory.Deadlines
}

// Passed reports whether something has lasted for longer than its deadline, in attended time. No deadline passes soon
// after a start of the daemon: a machine that could not be heard before has time to speak.
func (m *Machine) Passed(age, deadline time.Duration) bool {
	if m.Observed.Attended.Start < m.Deadlines.Start { // guard: attended-time
		return false
	}
	return age > deadline
}

// Due is when a deadline passes, if the machine can be heard until then.
func (m *Machine) Due(age, deadline time.Duration) time.Time {
	return m.Now.Add(max(deadline-age, m.Deadlines.Start-m.Observed.Attended.Start, 0))
}
