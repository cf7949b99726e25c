package census_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/census"
	"github.com/gitmetal/ingot/reconcile/rollout"
)

func drawDisk(t *rapid.T) inventory.Disk {
	return inventory.Disk{
		Serial: rapid.SampledFrom([]string{"", "S1", " S1 ", "S2", "0", "None"}).Draw(t, "serial"), WWN: rapid.SampledFrom([]string{"", "0x5000C500A1B2C3D4", "5000c500a1b2c3d4", "eui.0025385b71b0a1c2", "0x0000000000000000"}).Draw(t, "wwn"),
		Path: rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "path"), Size: 1 << 30,
	}
}

func drawPlace(t *rapid.T, host string) census.Place {
	p := census.Place{
		Ring: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "ring"),
		Busy: rapid.Bool().Draw(t, "busy"),
		Member: rollout.Member{
			Host: host, Canary: rapid.Bool().Draw(t, "canary"), Down: rapid.Bool().Draw(t, "down"),
			State: rapid.SampledFrom([]rollout.State{rollout.Done, rollout.Changing, rollout.Failed, rollout.Held, rollout.Waiting, rollout.Left}).Draw(t, "state"),
		},
	}
	if rapid.Bool().Draw(t, "facts") {
		p.Facts = &inventory.Facts{Disks: rapid.SliceOfN(rapid.Custom(drawDisk), 0, 3).Draw(t, "disks")}
	}
	return p
}

// TestACensusIsACountFromScratch: however hosts move, it says what counting them all says.
func TestACensusIsACountFromScratch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, places := census.New(), map[inventory.MachineID]census.Place{}
		for range rapid.IntRange(1, 12).Draw(t, "moves") {
			name := fmt.Sprintf("host-%d", rapid.IntRange(0, 4).Draw(t, "host"))
			host := inventory.MachineID(name)
			places[host] = drawPlace(t, name)
			c.Move(host, places[host])
			rings, members, busy := map[string]inventory.Ring{}, map[string][]rollout.Member{}, 0
			for id, p := range places {
				if p.Busy {
					busy++
				}
				if p.Ring != "" {
					rings[p.Ring] = inventory.Ring{Name: p.Ring, Hosts: append(rings[p.Ring].Hosts, id)}
					members[p.Ring] = append(members[p.Ring], p.Member)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "ask") == 0 { // not asked at every move: what is kept must be forgotten in time
				continue
			}
			if c.Busy() != busy {
				t.Fatalf("Busy = %d, want %d", c.Busy(), busy)
			}
			progress := c.Progress(rings)
			for name, ring := range rings {
				slices.Sort(ring.Hosts)
				if want, got := rollout.Measure(ring, members[name]), progress[name]; !sameProgress(got, want) {
					t.Fatalf("ring %s: %+v, want %+v", name, got, want)
				}
			}
			disk := drawDisk(t)
			for name, p := range places {
				if p.Facts.Sees(disk.ID()) && !slices.Contains(c.Reporting(disk.ID()), name) {
					t.Fatalf("%s sees %+v, and is not among %v", name, disk, c.Reporting(disk.ID()))
				}
			}
		}
	})
}

func sameProgress(a, b rollout.Progress) bool {
	return a.Done == b.Done && a.Waiting == b.Waiting && a.Hosts == b.Hosts && a.Paused == b.Paused &&
		reflect.DeepEqual([][]string{a.Changing, a.Held, a.Failed}, [][]string{b.Changing, b.Held, b.Failed})
}
