// Package census counts what is asked about all hosts at every look at one of them: who is under way, how far the rings are, who reports a disk. It is kept
// as hosts move: counted anew each time, a pass over a fleet would take the square of its hosts. Pure.
package census

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/rollout"
)

// Place is where one host stands.
type Place struct {
	Ring   string // "" in none
	Busy   bool   // it has a place among those under way
	Member rollout.Member
	Facts  *inventory.Facts // what it reports, never changed in place
}

// Census of hosts. It is not safe for concurrent use.
type Census struct {
	places map[inventory.MachineID]Place
	rings  map[string]rollout.Progress             // but for those with a host that moved
	disks  map[string]map[inventory.MachineID]bool // hosts by what names a disk that they report
	busy   int
}

// New counts nobody.
func New() *Census {
	return &Census{places: map[inventory.MachineID]Place{}, rings: map[string]rollout.Progress{}, disks: map[string]map[inventory.MachineID]bool{}}
}

// Move says where a host stands now.
func (c *Census) Move(host inventory.MachineID, now Place) {
	before := c.places[host]
	if now == before {
		return
	}
	if before.Busy {
		c.busy--
	}
	if now.Busy {
		c.busy++
	}
	if now.Member != before.Member || now.Ring != before.Ring {
		delete(c.rings, before.Ring)
		delete(c.rings, now.Ring)
	}
	if now.Facts != before.Facts {
		for _, name := range disksOf(before.Facts) {
			delete(c.disks[name], host)
		}
		for _, name := range disksOf(now.Facts) {
			if c.disks[name] == nil {
				c.disks[name] = map[inventory.MachineID]bool{}
			}
			c.disks[name][host] = true
		}
	}
	c.places[host] = now
}

// Regroup says that the rings themselves are others now.
func (c *Census) Regroup() { clear(c.rings) }

// Busy is how many hosts are under way.
func (c *Census) Busy() int { return c.busy }

// Member is a host as its ring counts it.
func (c *Census) Member(host inventory.MachineID) rollout.Member { return c.places[host].Member }

// Progress is how far every ring is. It is not to be changed.
func (c *Census) Progress(rings map[string]inventory.Ring) map[string]rollout.Progress {
	for name, ring := range rings {
		if _, known := c.rings[name]; known {
			continue
		}
		members := make([]rollout.Member, 0, len(ring.Hosts))
		for _, host := range ring.Hosts {
			members = append(members, c.Member(host))
		}
		c.rings[name] = rollout.Measure(ring, members)
	}
	return maps.Clone(c.rings)
}

// Reporting gives the hosts that may report a disk, sorted: all that do, and perhaps others.
func (c *Census) Reporting(disk inventory.DiskID) []inventory.MachineID {
	hosts := map[inventory.MachineID]bool{}
	for _, name := range namesOf(disk) {
		maps.Copy(hosts, c.disks[name])
	}
	return slices.Sorted(maps.Keys(hosts))
}

func disksOf(facts *inventory.Facts) (names []string) {
	for _, disk := range facts.Volumes() {
		names = append(names, namesOf(disk)...)
	}
	return names
}

// namesOf are such that two disks which inventory.DiskID.Same takes for one share a name: where the one has a WWN alone and the other a serial
// alone, that is their path.
func namesOf(disk inventory.DiskID) (names []string) {
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
