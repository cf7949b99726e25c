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
type counts map[name]int

// name is a name of a disk: by its kind, as it compares.
type name struct {
	kind kind
	text string
}

type kind int

const (
	byWWN kind = iota
	bySerial
	byEither // a WWN, or a serial spelled as a WWN
	byPathName
)

func countNames(disks []Reported) counts {
	c := make(counts, 4*len(disks))
	for _, disk := range disks {
		wwn, serial := disk.id().Names()
		asWWN := WWNKey(wwn)
		c[name{byEither, asWWN}]++
		if key := WWNKey(serial); key != asWWN {
			c[name{byEither, key}]++
		}
		c[name{byWWN, asWWN}]++
		c[name{bySerial, SerialKey(serial)}]++
		for _, path := range disk.paths() {
			c[name{byPathName, path}]++
		}
	}
	return c
}

// identify gives what identifies a disk by the counts of its machine.
func (c counts) identify(r Reported) (d Disk) {
	d.ID = r.id()
	wwn, serial := d.ID.Names()
	if wwn != "" {
		key := WWNKey(wwn)
		d.SameWWN = max(c[name{byWWN, key}], c[name{byEither, key}])
	}
	if serial != "" {
		d.SameSerial = max(c[name{bySerial, SerialKey(serial)}], c[name{byEither, WWNKey(serial)}])
	}
	for _, path := range r.paths() {
		same := c[name{byPathName, path}]
		if d.SamePath = max(d.SamePath, same); same > 1 {
			d.SharedPaths = append(d.SharedPaths, path)
			continue
		}
		d.Paths = append(d.Paths, path)
	}
	if d.SameWWN > 1 {
		d.ID.WWN = ""
	}
	if d.SameSerial > 1 {
		d.ID.Serial = ""
	}
	if shared := path.Base("/" + r.Path); c[name{byPathName, shared}] > 1 {
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
