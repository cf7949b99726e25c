// Package oplog records the operations of a virtual BMC, in order, and counts them for the assertions of tests.
// Log.AddOp records, Log.Story and Log.Counts report.
package oplog

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Kind names an operation.
type Kind string

// Operations. Start is a pass through the firmware; Exit is its end.
const (
	PowerOn      Kind = "power-on"
	PowerOff     Kind = "power-off" // a request to end: Detail is graceful or force
	Restart      Kind = "restart"
	Start        Kind = "start"    // Detail is the boot source: cd, disk, http, pxe
	Exit         Kind = "exit"     // Detail is the cause
	Insert       Kind = "insert"   // Detail is the URL
	Eject        Kind = "eject"    // Detail is the URL of the ejected medium
	Override     Kind = "override" // Detail is Target/Enabled
	Login        Kind = "login"    // a session was made
	Logout       Kind = "logout"
	LoginRefused Kind = "login-refused"
	Settings     Kind = "settings" // the settings object of the BIOS was written
	InBand       Kind = "in-band"  // the machine itself changed an account; Detail says what
	CutJob       Kind = "cut-job"  // a power command was accepted while a job ran; Detail is its name
)

// Op is an operation.
type Op struct {
	At     time.Time
	Kind   Kind
	Detail string
	On     bool // the machine was on at the time of the operation
}

// String is "kind detail", and for operations on media and override also whether the machine was on.
func (o Op) String() string {
	text := string(o.Kind)
	if o.Detail != "" {
		text += " " + o.Detail
	}
	if o.On && (o.Kind == Insert || o.Kind == Eject || o.Kind == Override) {
		text += " (while on)"
	}
	return text
}

// Counts are totals since the log began.
type Counts struct {
	Requests      int // of any kind
	Writes        int // POST, PATCH, PUT and DELETE, sessions aside
	PowerOns      int // accepted requests
	PowerOffs     int // accepted requests
	Restarts      int // accepted requests
	CDStarts      int // passes through the firmware from the virtual CD
	DiskStarts    int
	NetworkStarts int
	Inserts       int
	Ejects        int
	EjectsWhileOn int
	Overrides     int
	Logins        int
	RefusedLogins int
	Settings      int            // writes of the BIOS's settings object
	CutJobs       int            // power commands that were accepted while a job ran
	Faults        map[string]int // how often every fault happened, by the name of its switch
}

// Log is the record of a BMC. The methods are safe for concurrent use; the zero Log is empty and ready.
type Log struct {
	mu      sync.Mutex
	ops     []Op
	counts  Counts
	changed chan struct{}
}

// AddOp appends an operation and wakes the waiters.
func (l *Log) AddOp(op Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, op)
	l.countOp(op)
	l.wakeLocked()
}

// WakeWaiters wakes the waiters after a change of state that is no operation.
func (l *Log) WakeWaiters() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked()
}

func (l *Log) wakeLocked() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Changed returns a channel that is closed at the next change. Take the channel before looking at the state.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// CountRequest counts a request, and writes of 0 or 1.
func (l *Log) CountRequest(writes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Requests++
	l.counts.Writes += writes
}

// CountFault counts a fault that happened.
func (l *Log) CountFault(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts.Faults == nil {
		l.counts.Faults = map[string]int{}
	}
	l.counts.Faults[name]++
}

// Ops returns the operations so far, oldest first.
func (l *Log) Ops() []Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ops)
}

// Story is Ops without times and without logins, one line per operation, for tests and for people.
func (l *Log) Story() []string {
	var lines []string
	for _, op := range l.Ops() {
		if op.Kind != Login && op.Kind != Logout {
			lines = append(lines, op.String())
		}
	}
	return lines
}

// Counts returns the totals so far.
func (l *Log) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	totals := l.counts
	totals.Faults = maps.Clone(l.counts.Faults)
	return totals
}

func (l *Log) countOp(op Op) {
	switch op.Kind {
	case PowerOn:
		l.counts.PowerOns++
	case PowerOff:
		l.counts.PowerOffs++
	case Restart:
		l.counts.Restarts++
	case Start:
		l.countStart(op.Detail)
	case Insert:
		l.counts.Inserts++
	case Eject:
		l.counts.Ejects++
		if op.On {
			l.counts.EjectsWhileOn++
		}
	case Override:
		l.counts.Overrides++
	case Login:
		l.counts.Logins++
	case LoginRefused:
		l.counts.RefusedLogins++
	case Settings:
		l.counts.Settings++
	case CutJob:
		l.counts.CutJobs++
	case Exit, Logout, InBand:
	default:
		panic(fmt.Sprintf("oplog: operation %q is not counted", op.Kind))
	}
}

func (l *Log) countStart(from string) {
	switch from {
	case "cd":
		l.counts.CDStarts++
	case "disk":
		l.counts.DiskStarts++
	default:
		l.counts.NetworkStarts++
	}
}
