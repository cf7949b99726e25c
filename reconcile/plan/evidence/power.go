package evidence

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/deadlines"
)

// AskAgain is the pause between requests to shut down: some operating systems answer a second request with a question.
const AskAgain = time.Minute

// gracefulDeadline is the time for an installed system to shut down, in attended time.
const gracefulDeadline = 2 * time.Minute

// IsOff reports whether the machine is off for certain. Off that ingot caused, and saw happen, needs one reading. Off
// that was found needs readings over a while without a sign of life, as some BMCs say Off for a while after a machine
// came on.
func (m *Machine) IsOff() bool {
	e := m.Observed.Evidence
	if m.Observed.BMC.Power != inventory.PoweredOff {
		return false
	}
	if !e.WentOff && e.Off < m.Deadlines.Off { // guard: two-readings
		return false
	}
	return true
}

// IsOn reports whether the last reading said On.
func (m *Machine) IsOn() bool { return m.Observed.BMC.Power == inventory.PoweredOn }

// PowerOff is the next step on the way to a machine that is off. The first row that fits decides:
//
//	the machine                                                  due
//	holds a disk with a write that has begun, not verified       the power is cut
//	may run what nobody knows (MayRunAnything)                   a request to shut down, each minute, and no more
//	is in service, and under maintenance                         a request to shut down, each minute, and no more
//	was asked to shut down for less than two minutes             a request to shut down, each minute
//	any other                                                    the power is cut, with growing pauses
func (m *Machine) PowerOff(why string) *act.Action {
	a := &act.Action{Kind: act.PowerOff, Reason: why}
	e := m.Observed.Evidence
	switch asked := e.Asks > 0 && m.Passed(e.Asked, gracefulDeadline); {
	case m.IsMidWrite():
	case m.MayRunAnything(), m.Record.Settings.IsMaintained(), !asked:
		a.Graceful, a.Wait = true, e.Asks > 0 && e.AskedLast < AskAgain
		return a
	}
	a.Wait = e.Cuts > 0 && e.CutLast < deadlines.CutPause(e.Cuts)
	return a
}

// IsMidWrite reports whether the machine's disk may be half written: no system can run from the disk. A job that has
// not begun wrote nothing in its attempt.
func (m *Machine) IsMidWrite() bool {
	op := m.Record.Operation
	if op == nil || op.Root().Begun == 0 || op.Verified() { // beside a begun disk of a script, the old system can run
		return false
	}
	job := m.CurrentJob(*op)
	return job.State == inventory.NoJob || job.Begun || op.Root().Begun != op.Attempt
}

// MayRunAnything reports whether nothing proves that the machine still runs the ramdisk that it was started from: its
// agent fell silent. A person may have started its own system meanwhile.
func (m *Machine) MayRunAnything() bool {
	b := m.Record.Boot
	return b != nil && b.Target == inventory.FromRamdisk && b.Stage != inventory.Preparing &&
		m.Observed.Agent.Boot == b.ID && !m.AgentAlive()
}
