package admit

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/upkeep"
)

// Machine is one machine as the admission of other machines sees it. Machine values are compared: never change Facts
// in place.
type Machine struct {
	Name    string // for people
	Ring    string // "" without a ring
	Canary  bool
	State   State
	Down    bool             // a rollout took the machine's system down: the machine changes or failed
	Serves  bool             // an installed system runs, by the record
	Working bool             // an operation is under way
	Retries bool             // an attempt of the operation failed
	Written bool             // the operation may have written to the disk
	Busy    bool             // the machine counts as one that has a place
	Placed  bool             // the machine had a place at its last look
	Lost    bool             // the machine lost its place during its operation, and was not admitted since
	Waiting bool             // the machine waits for its turn
	Asked   Question         // the refused question of a waiting machine
	Domain  string           // value of the label that names failure domains
	Inputs  string           // SharedInputs of the workload that the operation or the fleet asks for
	Erasing bool             // the machine has a place for an operation that will erase data, and has not begun to write
	Erased  Erases           // starts of the machine's newest erases
	Result  Result           // result of the newest operation
	Facts   *inventory.Facts // facts that the machine reports
}

// Erases are the starts of a machine's newest erases, in seconds since 1970; 0 for none.
type Erases [inventory.MaxErased]int64

// State is how far a machine is with its ring's release.
type State string

// States.
const (
	Done     State = "Done"     // the machine runs the release
	Changing State = "Changing" // an operation is under way
	Failed   State = "Failed"   // the operation was given up
	Held     State = "Held"     // the machine waits for a person
	Waiting  State = "Waiting"  // no operation has begun
	Excluded State = "Excluded" // no operation is allowed: protected, orphaned, unmanaged, or without a workload
)

// Live is a machine's state in the running daemon. The plan of a pull request uses the zero value.
type Live struct {
	Admitted bool     // the machine was admitted, and the record has no operation yet
	Placed   bool     // the machine had a place at its last look
	Lost     bool     // the machine lost its place during its operation, and was not admitted since
	AtWork   bool     // the machine's agent works on a step
	Waiting  bool     // the machine waits for its turn
	Asked    Question // the last question of admission
	Troubled int      // looks in a row with a silent or refusing BMC
	Stance   Stance
}

// Stance is the result of the last look, as far as the admission of other machines depends on the machine.
type Stance string

// Stances.
const (
	Idle       Stance = ""           // every other result
	Inspecting Stance = "Inspecting" // the ramdisk inspects the hardware, or will soon
	Stopped    Stance = "Stopped"    // the operation was given up, or waits for the ring
	OnHold     Stance = "OnHold"     // the machine waits for a person
)

// maxTrouble is the number of looks in a row with a silent or refusing BMC after which a machine loses its place.
const maxTrouble = 3

// InTrouble reports whether a BMC was silent or refused for so long that the machine loses its place.
func (l Live) InTrouble() bool { return l.Troubled >= maxTrouble }

// DescribeMachine makes a Machine from the fleet's desire, the record, and the running daemon's state, for a fleet
// whose failure domains are named by a label; "" without failure domains.
func DescribeMachine(d inventory.Desired, rec inventory.Record, live Live, domainLabel string) Machine {
	m := Machine{
		Name: d.Name, Ring: d.Ring, Canary: d.Canary, Serves: rec.Installed != nil, Facts: rec.Facts,
		Placed: live.Placed, Lost: live.Lost, Waiting: live.Waiting, Busy: isBusy(d, rec, live), Result: describeResult(rec, live),
		Domain: d.Labels[domainLabel],
	}
	if live.Waiting {
		m.Asked = live.Asked
	}
	m.Erasing = live.Admitted && live.Asked.Erases
	for i, at := range rec.Erased[max(0, len(rec.Erased)-len(m.Erased)):] {
		m.Erased[i] = at.Unix()
	}
	if d.Workload != nil {
		m.Inputs = SharedInputs(d.Workload.Name, d.Workload.Parts)
	}
	op, last := rec.Operation, rec.Last
	if op != nil {
		m.Inputs = SharedInputs(op.Workload, op.Parts)
		m.Erasing = m.Busy && op.Erases() && !op.HasBegun()
		m.Working, m.Retries, m.Written = true, op.Attempt > 1, !op.Unwritten()
	}
	m.State = machineState(d, rec, live)
	switch gaveUp := last != nil && last.Outcome == inventory.Quarantined; {
	case m.State == Excluded:
	case op != nil:
		m.Down = hadSystem(op.Root().Content) || live.Admitted && rec.Installed != nil
	case rec.Installed != nil:
		m.Down = live.Admitted || isRebooting(rec) || rec.Settings.IsMaintained()
	default:
		m.Down = gaveUp && hadSystem(last.Root().Content) // whichever release failed
	}
	return m
}

// machineState decides the state of a machine. The first row that fits decides:
//
//	the machine                                             state
//	is excluded by its file, or has no workload             Excluded
//	is to leave the fleet, or has left it (spec.retire)     Excluded
//	has an operation or a maintenance, or was admitted      Changing
//	runs the release, and its settings in turn failed       Failed
//	runs the release, with its settings in turn             Done
//	failed with the release                                 Failed
//	waits for a person                                      Held
//	is in another state                                     Waiting
func machineState(d inventory.Desired, rec inventory.Record, live Live) State {
	last := rec.Last
	leaves := d.Retires && rec.Operation == nil && !live.Admitted
	switch {
	case d.Workload == nil, change.Excluded(d) != "", leaves:
		return Excluded
	case rec.Operation != nil, live.Admitted, rec.Settings.IsMaintained():
		return Changing
	case upkeep.HasFailed(d, rec):
		return Failed
	case rec.Has(d.Workload) && !upkeep.IsDue(d, rec):
		return Done
	case last != nil && last.Outcome == inventory.Quarantined && last.Installs(d.Workload):
		return Failed
	case live.Stance == OnHold:
		return Held
	default:
		return Waiting
	}
}

// IsUnderWay reports whether a machine is being installed, inspected or rebooted, with or without a place. An
// inspection goes on while its boot into the ramdisk does, whatever the last look says of the BMC.
func IsUnderWay(rec inventory.Record, live Live) bool {
	inspected := rec.Boot != nil && rec.Boot.Target == inventory.FromRamdisk
	return rec.Operation != nil || rec.Settings.IsMaintained() || inspected || live.Stance == Inspecting || isRebooting(rec)
}

// isRebooting reports whether a requested reboot was begun, and the machine has not come back.
func isRebooting(rec inventory.Record) bool {
	return rec.Boot != nil && rec.Boot.Request != nil && rec.Boot.Request.Kind == requests.Reboot
}

// isBusy reports whether a machine has a place. A machine that waits for a person or for its ring, or whose BMC is
// silent or refuses, has no place, so that healthy machines go on; the machine gets a place again in turn. A machine
// with an agent at work counts always.
func isBusy(d inventory.Desired, rec inventory.Record, live Live) bool {
	working := rec.Operation != nil && live.AtWork
	switch orphaned := d.Lifecycle == ""; {
	case live.Admitted, working:
		return true
	case live.Lost:
		return false
	case orphaned, live.Waiting, live.InTrouble(), slices.Contains([]Stance{OnHold, Stopped}, live.Stance):
		return false
	default:
		return rec.Operation != nil || rec.Settings.IsMaintained() || live.Stance == Inspecting || isRebooting(rec)
	}
}

// hasPlace reports whether a machine needs no free place for a step.
func (m Machine) hasPlace(step Step) bool {
	return m.Busy && !m.Lost || step != Begin && m.Placed
}

// counts is 1 for a machine that counts among those with a place.
func (m Machine) counts() int {
	if m.Busy {
		return 1
	}
	return 0
}

// hadSystem reports whether the disk had an installed system, or the remains of one, when the operation began.
func hadSystem(content string) bool {
	return strings.HasPrefix(content, "install:") || strings.HasPrefix(content, "failed:")
}
