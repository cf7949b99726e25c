package admit

import (
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// View is what is known of all machines, as far as one goes by the others. It is kept as machines change: counted
// anew at each look, a pass over a fleet would take the square of its machines. It is not safe for concurrent use.
type View struct {
	fleet    Fleet
	machines map[inventory.MachineID]Machine
	rings    map[string]Progress                     // but for those with a machine that changed
	disks    map[string]map[inventory.MachineID]bool // machines by what names a disk that they report
	waiting  map[inventory.MachineID]bool
	busy     int
}

// Fleet is what holds for all machines together.
type Fleet struct {
	Rings  map[string]inventory.Ring
	Paused bool   // by a person
	Places int    // how many machines may be under way
	Frozen string // why the history cannot be trusted; "" when it can
}

// New makes a View of no machines.
func New() *View {
	return &View{
		machines: map[inventory.MachineID]Machine{}, rings: map[string]Progress{}, disks: map[string]map[inventory.MachineID]bool{},
		waiting: map[inventory.MachineID]bool{},
	}
}

// SetFleet says what holds for all machines now.
func (v *View) SetFleet(fleet Fleet) {
	v.fleet = fleet
	clear(v.rings)
}

// SetMachine says how a machine stands now.
func (v *View) SetMachine(id inventory.MachineID, now Machine) {
	before, known := v.machines[id]
	if known && now == before {
		return
	}
	v.machines[id] = now
	v.updateCounts(id, before, now)
}

// RemoveMachine forgets a machine.
func (v *View) RemoveMachine(id inventory.MachineID) {
	before := v.machines[id]
	delete(v.machines, id)
	v.updateCounts(id, before, Machine{})
}

func (v *View) updateCounts(id inventory.MachineID, before, now Machine) {
	if before.Busy {
		v.busy--
	}
	if now.Busy {
		v.busy++
	}
	if delete(v.waiting, id); now.Waiting {
		v.waiting[id] = true
	}
	if now.countedFields() != before.countedFields() {
		delete(v.rings, before.Ring)
		delete(v.rings, now.Ring)
	}
	if now.Facts != before.Facts {
		for _, name := range diskNames(before.Facts) {
			if delete(v.disks[name], id); len(v.disks[name]) == 0 {
				delete(v.disks, name)
			}
		}
		for _, name := range diskNames(now.Facts) {
			if v.disks[name] == nil {
				v.disks[name] = map[inventory.MachineID]bool{}
			}
			v.disks[name][id] = true
		}
	}
}

// countedFields is what a ring's progress is counted from.
func (m Machine) countedFields() Machine {
	return Machine{Name: m.Name, Ring: m.Ring, Canary: m.Canary, State: m.State, Down: m.Down}
}

// GetMachine is how a machine stands.
func (v *View) GetMachine(id inventory.MachineID) Machine { return v.machines[id] }

// FreePlaces is how many machines may begin now.
func (v *View) FreePlaces() int { return max(v.fleet.Places-v.busy, 0) }

// NextWaiting gives machines that wait and may have their turn now, as many as there are places, in the order of their ids.
func (v *View) NextWaiting(now time.Time) []inventory.MachineID {
	free := v.FreePlaces()
	if free == 0 {
		return nil
	}
	var ids []inventory.MachineID
	for id := range v.waiting { // a machine with an operation waits for nothing but a place
		if v.machines[id].Working || v.AskStep(id, Question{Step: Begin}, now).IsAllowed() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(free, len(ids))]
}

// RingsProgress is how far every ring is, by name.
func (v *View) RingsProgress() map[string]Progress {
	all := make(map[string]Progress, len(v.fleet.Rings))
	for name := range v.fleet.Rings {
		all[name] = v.ringProgress(name)
	}
	return all
}

// ringProgress is how far one ring is; zero when there is no such ring.
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

// findReporting gives the machines that may report a disk, sorted: all that do, and perhaps others.
func (v *View) findReporting(disk inventory.DiskID) []inventory.MachineID {
	ids := map[inventory.MachineID]bool{}
	for _, name := range namesOfDisk(disk) {
		maps.Copy(ids, v.disks[name])
	}
	return slices.Sorted(maps.Keys(ids))
}

func diskNames(facts *inventory.Facts) (names []string) {
	for _, disk := range facts.Volumes() {
		names = append(names, namesOfDisk(disk)...)
	}
	return names
}

// namesOfDisk are such that two disks which inventory.DiskID.Same takes for one share a name: where one disk has a WWN
// alone and the other a serial alone, the name is their path.
func namesOfDisk(disk inventory.DiskID) (names []string) {
	wwn, serial := disk.Names()
	if wwn != "" {
		names = append(names, "wwn "+wwn)
	}
	if serial != "" {
		names = append(names, "serial "+serial)
	}
	if disk.Path != "" && (wwn == "" || serial == "") {
		names = append(names, "path "+disk.Path)
	}
	return names
}
