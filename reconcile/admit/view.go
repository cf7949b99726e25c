package admit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// View holds all machines, as far as the admission of one depends on the others. Counters are updated per change of a
// machine: counting anew at each look would cost the square of the fleet. Not safe for concurrent use.
type View struct {
	fleet    Fleet
	machines map[inventory.MachineID]Machine
	rings    map[string]Progress              // counted rings; a changed machine drops its ring
	disks    map[string][]inventory.MachineID // machines by the names of their reported disks
	waiting  map[inventory.MachineID]bool
	busy     int
	domains  map[string]int // machines with a place, by failure domain
	erasing  int            // machines that are about to be erased
	erased   map[inventory.MachineID]Erases
	results  map[string]map[inventory.MachineID]bool // machines by the inputs of their newest result
	stopped  map[string]string                       // answers of WhyWorkloadFailed by inputs
}

// Fleet is what holds for all machines together.
type Fleet struct {
	Rings  map[string]inventory.Ring
	Paused bool   // by a person
	Places int    // how many machines may be under way at a time
	Frozen string // why the history cannot be trusted; else ""
	// ErasesPerHour is how many machines with data may be erased within an hour; 0: no limit.
	ErasesPerHour int
	// DomainLabel is the label that names a machine's failure domain; "" without failure domains. At most DomainLimit
	// machines of one domain are under way at a time.
	DomainLabel string
	DomainLimit int
	// Resumed are the times of operators' resumes by the shared inputs of the workload.
	Resumed map[string]time.Time
}

// New makes a View without machines, with room for some.
func New(room int) *View {
	return &View{
		machines: make(map[inventory.MachineID]Machine, room), rings: map[string]Progress{},
		disks:   make(map[string][]inventory.MachineID, room),
		waiting: map[inventory.MachineID]bool{}, domains: map[string]int{},
		erased: map[inventory.MachineID]Erases{}, results: map[string]map[inventory.MachineID]bool{},
		stopped: map[string]string{},
	}
}

// SetFleet sets what holds for all machines.
func (v *View) SetFleet(fleet Fleet) {
	v.fleet = fleet
	clear(v.rings)
	clear(v.stopped)
}

// SetMachine sets one machine.
func (v *View) SetMachine(id inventory.MachineID, now Machine) {
	before, known := v.machines[id]
	if known && now == before {
		return
	}
	v.machines[id] = now
	v.updateCounts(id, before, now)
}

// updateCounts updates the counters and indexes after a change of one machine.
func (v *View) updateCounts(id inventory.MachineID, before, now Machine) {
	if before.Busy {
		v.busy--
	}
	if now.Busy {
		v.busy++
	}
	v.updateBudgets(id, before, now)
	if delete(v.waiting, id); now.Waiting {
		v.waiting[id] = true
	}
	if now.countedFields() != before.countedFields() {
		delete(v.rings, before.Ring)
		delete(v.rings, now.Ring)
	}
	if now.Facts != before.Facts {
		for _, name := range diskNames(before.Facts) {
			isOwn := func(other inventory.MachineID) bool { return other == id }
			if v.disks[name] = slices.DeleteFunc(v.disks[name], isOwn); len(v.disks[name]) == 0 {
				delete(v.disks, name)
			}
		}
		for _, name := range diskNames(now.Facts) {
			if ids := v.disks[name]; !slices.Contains(ids, id) {
				v.disks[name] = append(ids, id)
			}
		}
	}
}

// countedFields are the fields that a ring's progress is counted from.
func (m Machine) countedFields() Machine {
	return Machine{Name: m.Name, Ring: m.Ring, Canary: m.Canary, State: m.State, Down: m.Down}
}

// GetMachine gives one machine.
func (v *View) GetMachine(id inventory.MachineID) Machine { return v.machines[id] }

// Surplus gives the machines that have a place beyond the limit: operations that may have written keep their places
// first, then the order of ids decides. At a restart every operation under way comes back with a place, also one that
// had lost its place.
func (v *View) Surplus() []inventory.MachineID {
	over := v.busy - v.fleet.Places
	if over <= 0 {
		return nil
	}
	var ids []inventory.MachineID
	for id, m := range v.machines {
		if m.Busy {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, v.compareTurns)
	return ids[len(ids)-over:]
}

// compareTurns orders machines that wait for their turn.
func (v *View) compareTurns(a, b inventory.MachineID) int {
	switch first := v.machines[a].Written; {
	case first == v.machines[b].Written:
		return strings.Compare(string(a), string(b))
	case first:
		return -1
	default:
		return 1
	}
}

// FreePlaces is the number of machines that may begin now.
func (v *View) FreePlaces() int { return max(v.fleet.Places-v.busy, 0) }

// NextWaiting gives waiting machines that may begin or go on now, at most as many as free places: machines that may
// have been written to come first, then by id. A machine that counts already needs no free place.
func (v *View) NextWaiting(now time.Time) []inventory.MachineID {
	free := v.FreePlaces()
	var ids []inventory.MachineID
	for id := range v.waiting {
		if free == 0 && !v.machines[id].Busy {
			continue
		}
		question := v.machines[id].Asked
		question.Step = cmp.Or(question.Step, Begin)
		if v.AskStep(id, question, now).IsAllowed() {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, v.compareTurns)
	var next []inventory.MachineID
	for _, id := range ids {
		switch {
		case v.machines[id].Busy:
		case free > 0:
			free--
		default:
			continue
		}
		next = append(next, id)
	}
	return next
}

// RingsProgress gives the progress of every ring by name.
func (v *View) RingsProgress() map[string]Progress {
	all := make(map[string]Progress, len(v.fleet.Rings))
	for name := range v.fleet.Rings {
		all[name] = v.ringProgress(name)
	}
	return all
}

// ringProgress gives the progress of one ring; zero for an unknown ring.
func (v *View) ringProgress(name string) Progress {
	ring, there := v.fleet.Rings[name]
	if !there {
		return Progress{}
	}
	if p, counted := v.rings[name]; counted {
		return p
	}
	machines := make([]Machine, 0, len(ring.Hosts))
	for _, id := range ring.Hosts {
		if m, known := v.machines[id]; known {
			machines = append(machines, m)
		}
	}
	v.rings[name] = measureRing(ring, machines)
	return v.rings[name]
}

// findReporting gives the machines besides one that may report a disk, sorted: every other reporting machine, and
// perhaps further machines.
func (v *View) findReporting(disk inventory.DiskID, but inventory.MachineID) (ids []inventory.MachineID) {
	for _, name := range disk.Keys() {
		for _, id := range v.disks[name] {
			if id != but {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// diskNames gives the names of all reported disks.
func diskNames(facts *inventory.Facts) (names []string) {
	for _, disk := range facts.Volumes() {
		names = append(names, disk.Keys()...)
	}
	return names
}
