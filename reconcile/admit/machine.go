package admit

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Machine is one machine as the others go by it. Machine values are compared: Facts are never changed in place.
type Machine struct {
	Name    string // for people
	Ring    string // "" in none
	Canary  bool
	State   State
	Down    bool             // a rollout took it down: a system ran on it, and it changes or failed
	Serves  bool             // a system of ours runs on it, as far as the record says
	Working bool             // an operation is under way
	Retries bool             // and an attempt of it failed
	Written bool             // and it may have written to the disk
	Busy    bool             // it has a place among those under way
	Placed  bool             // it had one at its last look
	Waiting bool             // it waits for its turn
	Facts   *inventory.Facts // what it reports
}

// State is how far a machine is with what its ring's release asks for.
type State string

// States.
const (
	Done     State = "Done"     // it runs what the release asks for
	Changing State = "Changing" // an operation is under way
	Failed   State = "Failed"   // its operation was given up
	Held     State = "Held"     // it waits for a person
	Waiting  State = "Waiting"  // it has not begun
	Excluded State = "Left"     // nothing is to be done to it: protected, orphaned, unmanaged, without a workload
)

// Live is what only the running daemon knows of a machine. The plan of a pull request has none of it.
type Live struct {
	Admitted bool // it was let begin, and its record does not say so yet
	Placed   bool // it had a place at its last look
	Waiting  bool // it waits for its turn
	Troubled int  // looks in a row at which its BMC did not answer, or refused
	Stance   Stance
}

// Stance is what the last look at a machine came to, as far as others go by it.
type Stance string

// Stances.
const (
	Idle       Stance = ""           // anything else
	Inspecting Stance = "Inspecting" // the ramdisk looks at its hardware, or is about to
	Stopped    Stance = "Stopped"    // it was given up, or waits for its ring
	OnHold     Stance = "OnHold"     // it waits for a person
)

// maxTrouble is how many looks in a row may find a BMC silent, or refusing, before its machine's place goes to
// another one.
const maxTrouble = 3

// InTrouble reports whether a BMC has not answered, or has refused, for so long that nobody waits for its machine.
func (l Live) InTrouble() bool { return l.Troubled >= maxTrouble }

// DescribeMachine gives a machine, from what the fleet asks of it, its record, and what the running daemon knows.
func DescribeMachine(d inventory.Desired, rec inventory.Record, live Live) Machine {
	m := Machine{
		Name: d.Name, Ring: d.Ring, Canary: d.Canary, Serves: rec.Installed != nil, Facts: rec.Facts,
		Placed: live.Placed, Waiting: live.Waiting, Busy: isBusy(d, rec, live),
	}
	op, last := rec.Operation, rec.Last
	if op != nil {
		m.Working, m.Retries, m.Written = true, op.Attempt > 1, !op.Unwritten()
	}
	m.State = machineState(d, rec, live)
	switch gaveUp := last != nil && last.Outcome == inventory.Quarantined; {
	case m.State == Excluded:
	case op != nil:
		m.Down = hadSystem(op.Root().Content) || live.Admitted && rec.Installed != nil
	case rec.Installed != nil:
		m.Down = live.Admitted
	default:
		m.Down = gaveUp && hadSystem(last.Root().Content) // whichever release it failed
	}
	return m
}

// machineState says how far a machine is. The first row that fits decides:
//
//	the machine                                             state
//	is excluded by its file, or has no workload             Left
//	has an operation, or was let begin                      Changing
//	runs what is asked for                                  Done
//	failed what is asked for                                Failed
//	waits for a person                                      Held
//	anything else                                           Waiting
func machineState(d inventory.Desired, rec inventory.Record, live Live) State {
	last := rec.Last
	switch {
	case d.Workload == nil, change.Excluded(d) != "":
		return Excluded
	case rec.Operation != nil, live.Admitted:
		return Changing
	case rec.Has(d.Workload):
		return Done
	case last != nil && last.Outcome == inventory.Quarantined && last.Inputs == d.Workload.Inputs:
		return Failed
	case live.Stance == OnHold:
		return Held
	default:
		return Waiting
	}
}

// isBusy reports whether a machine has a place. A machine that waits for a person or for its ring, or whose BMC does
// not answer or refuses, has none: it must not stop the line.
func isBusy(d inventory.Desired, rec inventory.Record, live Live) bool {
	switch orphaned := d.Lifecycle == ""; {
	case live.Admitted:
		return true
	case orphaned, live.Waiting, live.InTrouble(), slices.Contains([]Stance{OnHold, Stopped}, live.Stance):
		return false
	default:
		return rec.Operation != nil || live.Stance == Inspecting
	}
}

// hasPlace reports whether a machine needs no place to be free for a step.
func (m Machine) hasPlace(step Step) bool {
	return m.Busy || step != Begin && (m.Placed || m.Written)
}

// hadSystem reports whether a system of ours was on the disk when the operation began, or what an operation of ours had
// left of one.
func hadSystem(content string) bool {
	return strings.HasPrefix(content, "install:") || strings.HasPrefix(content, "failed:")
}
