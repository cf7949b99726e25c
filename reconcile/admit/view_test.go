package admit_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
)

func drawDisk(t *rapid.T) inventory.Disk {
	return inventory.Disk{
		Serial: rapid.SampledFrom([]string{"", "S1", " S1 ", "S2", "0", "None"}).Draw(t,
			"serial"), WWN: rapid.SampledFrom([]string{"", "0x5000C500A1B2C3D4", "5000c500a1b2c3d4",
			"eui.0025385b71b0a1c2", "0025385B71B0A1C2", "naa.5000c500a1b2c3d4", "0x0000000000000000"}).Draw(t, "wwn"),
		Path: rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "path"), Size: 1 << 30,
	}
}

func drawMachine(t *rapid.T, name string) admit.Machine {
	bools := func(what string) bool { return rapid.Bool().Draw(t, what) }
	m := admit.Machine{
		Name: name, Ring: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t,
			"ring"), Canary: bools("canary"), Down: bools("down"), Busy: bools("busy"),
		Waiting: bools("waiting"), Working: bools("working"), Serves: bools("serves"), Placed: bools("placed"),
		State: rapid.SampledFrom([]admit.State{admit.Done, admit.Changing, admit.Failed, admit.Held, admit.Waiting,
			admit.Excluded}).Draw(t, "state"),
	}
	if bools("facts") {
		m.Facts = &inventory.Facts{Disks: rapid.SliceOfN(rapid.Custom(drawDisk), 0, 3).Draw(t, "disks")}
	}
	return m
}

// TestAViewIsMadeAnew: however machines change, a View answers what one made of them all answers.
func TestAViewIsMadeAnew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v, machines := admit.New(0), map[inventory.MachineID]admit.Machine{}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			id := inventory.MachineID(fmt.Sprintf("host-%d", rapid.IntRange(0, 4).Draw(t, "host")))
			machines[id] = drawMachine(t, string(id))
			v.SetMachine(id, machines[id])
			if rapid.IntRange(0, 3).Draw(t,
				"ask") == 0 { // not asked at every change: what is kept must be forgotten in time
				continue
			}
			fleet := drawFleet(t, machines)
			again := admit.New(0)
			for id, m := range machines {
				again.SetMachine(id, m)
			}
			again.SetFleet(fleet)
			v.SetFleet(fleet)
			if v.FreePlaces() != again.FreePlaces() || !slices.Equal(v.NextWaiting(noon), again.NextWaiting(noon)) ||
				!reflect.DeepEqual(v.RingsProgress(), again.RingsProgress()) {
				t.Fatalf("free %d, next %v, progress %+v; made anew %d, %v, %+v", v.FreePlaces(), v.NextWaiting(noon), v.RingsProgress(),
					again.FreePlaces(), again.NextWaiting(noon), again.RingsProgress())
			}
			q := admit.Question{Step: admit.Begin, Disk: inventory.IdentifyDisks([]inventory.Disk{drawDisk(t)})[0].ID()}
			for id := range machines {
				if got, want := v.AskStep(id, q, noon), again.AskStep(id, q, noon); got != want {
					t.Fatalf("of %s: %+v, made anew %+v", id, got, want)
				}
			}
			sharedAsIs(t, v, machines)
		}
	})
}

// drawFleet has the rings that the machines name; every machine is in its ring.
func drawFleet(t *rapid.T, machines map[inventory.MachineID]admit.Machine) admit.Fleet {
	f := admit.Fleet{Rings: map[string]inventory.Ring{}, Places: rapid.IntRange(0, 4).Draw(t, "places")}
	for _, id := range slices.Sorted(maps.Keys(machines)) {
		if name := machines[id].Ring; name != "" {
			ring := f.Rings[name]
			ring.Name, ring.Commit, ring.Hosts = name, "c1", append(ring.Hosts, id)
			f.Rings[name] = ring
		}
	}
	return f
}

// sharedAsIs asks of every pair of machines whether one sees the disks of the other.
func sharedAsIs(t *rapid.T, v *admit.View, machines map[inventory.MachineID]admit.Machine) {
	for id, m := range machines {
		for _, disk := range m.Facts.Volumes() {
			seen := false
			for other, o := range machines {
				seen = seen || other != id && o.Facts.Sees(m.Facts.Volume(disk))
			}
			if why, _ := v.FindObstacle(admit.DiskShared, id, admit.Question{Disk: disk}, noon); (why != "") != seen {
				t.Fatalf("%s: disk %+v is shared: %t, the view says %q", id, disk, seen, why)
			}
		}
	}
}
