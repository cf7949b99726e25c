// Package diskid has the rule of what identifies a disk. A disk is named by its WWN, serial or path only where the name
// is the disk's own: firmware leaves placeholders in WWN and serial, gives several disks of a machine the same, and udev
// gives a path to several. So nobody can tell a disk by the report of this one disk.
//
// Call Own with all disks that a machine reports; Own gives each disk's ID. Named is the ID that the fleet gives a disk
// before anybody looked. Do not compare WWNs, serials or paths elsewhere, and do not make an ID out of a single report:
// internal/archtest refuses both. The package is pure.
package diskid

import (
	"path"
	"slices"
	"strings"
)

// Reported is how a machine reports one of its disks.
type Reported struct {
	WWN, Serial, Path string
	Links             []string // by-id and by-path, with their directory
	Size              uint64
}

// Disk is what identifies one disk among the disks of a machine, and the names that do not.
type Disk struct {
	ID ID
	// Paths are the disk's own by-path names, without their directory: one disk has several spellings.
	Paths []string
	// SharedPaths are by-path names that other disks of the machine report too.
	SharedPaths []string
	// SameWWN, SameSerial and SamePath are how many disks of the machine, with this disk, report the name; 0 for a disk
	// without the name, or with a placeholder.
	SameWWN, SameSerial, SamePath int
	// OnePath are the indexes of the disks with the same WWN, serial and size, this disk among them: paths of one disk.
	// Nil for a disk with a single path.
	OnePath []int
}

const byPath = "/dev/disk/by-path/"

// paths are the by-path names of a disk, without their directory.
func (r Reported) paths() (names []string) {
	for _, link := range append([]string{r.Path}, r.Links...) {
		name, inByPath := strings.CutPrefix(link, byPath)
		if name = path.Base("/" + name); (inByPath || link == r.Path) && name != "/" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// id is the report's identity by itself.
func (r Reported) id() ID {
	return ID{Serial: r.Serial, WWN: r.WWN, Path: r.Path, Size: r.Size}.WithoutPlaceholders()
}

// counts counts the disks of a machine by name. A WWN that stands in another disk's serial counts as shared.
type counts struct{ wwns, serials, either, paths map[string]int }

func countNames(disks []Reported) counts {
	c := counts{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}}
	for _, disk := range disks {
		wwn, serial := disk.id().Names()
		keys := []string{WWNKey(wwn)}
		if key := WWNKey(serial); key != keys[0] {
			keys = append(keys, key)
		}
		for _, key := range keys {
			c.either[key]++
		}
		c.wwns[WWNKey(wwn)]++
		c.serials[SerialKey(serial)]++
		for _, name := range disk.paths() {
			c.paths[name]++
		}
	}
	return c
}

// identify gives what identifies a disk by the counts of its machine.
func (c counts) identify(r Reported) (d Disk) {
	d.ID = r.id()
	wwn, serial := d.ID.Names()
	if wwn != "" {
		d.SameWWN = max(c.wwns[WWNKey(wwn)], c.either[WWNKey(wwn)])
	}
	if serial != "" {
		d.SameSerial = max(c.serials[SerialKey(serial)], c.either[WWNKey(serial)])
	}
	for _, name := range r.paths() {
		if d.SamePath = max(d.SamePath, c.paths[name]); c.paths[name] > 1 {
			d.SharedPaths = append(d.SharedPaths, name)
			continue
		}
		d.Paths = append(d.Paths, name)
	}
	if d.SameWWN > 1 {
		d.ID.WWN = ""
	}
	if d.SameSerial > 1 {
		d.ID.Serial = ""
	}
	if shared := path.Base("/" + r.Path); c.paths[shared] > 1 {
		d.ID.Path = ""
		if own := shortest(d.Paths); own != "" {
			d.ID.Path = byPath + own
		}
	}
	return d
}

// shortest is the shortest name, of equal lengths the first in order; "" without names.
func shortest(names []string) (best string) {
	for _, name := range names {
		if best == "" || len(name) < len(best) || len(name) == len(best) && name < best {
			best = name
		}
	}
	return best
}

// Own gives what identifies each disk of a machine, in the order of the reports: no placeholders, and no WWN, serial or
// path that two disks report. Paths of one disk share WWN and serial, and are told apart by path. No two disks have the
// same label.
func Own(disks []Reported) []Disk {
	c, onePath := countNames(disks), groupPaths(disks)
	own, labels := make([]Disk, len(disks)), map[string]int{}
	for i, disk := range disks {
		own[i] = c.identify(disk)
		if group := onePath[keyOfPaths(disk)]; len(group) > 1 {
			own[i].OnePath = group
		}
		labels[own[i].ID.Label()]++
	}
	for i := range own {
		if label := own[i].ID.Label(); labels[label] > 1 {
			own[i].ID = ID{Size: own[i].ID.Size}
		}
	}
	return own
}

// Volumes gives the disks of a machine as other machines may see them too: like Own, but the paths of one disk keep
// their names.
func Volumes(disks []Reported) []ID {
	first, seen := []Reported{}, map[pathsKey]bool{}
	for _, disk := range disks {
		key := keyOfPaths(disk)
		if key == (pathsKey{}) || !seen[key] {
			first = append(first, disk)
		}
		seen[key] = true
	}
	c, volumes := countNames(first), make([]ID, len(disks))
	for i, disk := range disks {
		volumes[i] = c.identify(disk).ID
	}
	return volumes
}

// pathsKey is what the paths of one disk have in common.
type pathsKey struct {
	wwn, serial string
	size        uint64
}

// keyOfPaths is zero for a disk without a WWN or a serial: nothing shows that such a disk has two paths.
func keyOfPaths(disk Reported) pathsKey {
	wwn, serial := disk.id().Names()
	if wwn == "" || serial == "" {
		return pathsKey{}
	}
	return pathsKey{WWNKey(wwn), SerialKey(serial), disk.Size}
}

func groupPaths(disks []Reported) map[pathsKey][]int {
	groups := map[pathsKey][]int{}
	for i, disk := range disks {
		if key := keyOfPaths(disk); key != (pathsKey{}) {
			groups[key] = append(groups[key], i)
		}
	}
	return groups
}
