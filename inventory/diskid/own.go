// Package diskid has the rule of what identifies a disk. A disk is named by its WWN, serial or path only where the name
// is the disk's own: firmware leaves placeholders in WWN and serial, gives several disks of a machine the same, and
// udev gives a path to several. So nobody can tell a disk by the report of this one disk.
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

// names are what a report calls its disk: without placeholders, as labels spell them, and as they compare.
type names struct {
	id                             ID
	wwn, serial                    string
	wwnKey, serialKey, serialAsWWN string
	paths                          []string // the by-path names, without their directory
}

// spell spells the names of all disks of a machine, once: every look at a machine asks for its disks.
func spell(disks []Reported) []names {
	spelled := make([]names, len(disks))
	for i, r := range disks {
		n := names{id: ID{Serial: r.Serial, WWN: r.WWN, Path: r.Path, Size: r.Size}, paths: r.paths()}
		n.wwn, n.serial = n.id.Names()
		n.id = n.id.keepNames(n.wwn, n.serial)
		n.wwnKey, n.serialKey, n.serialAsWWN = WWNKey(n.wwn), SerialKey(n.serial), WWNKey(n.serial)
		spelled[i] = n
	}
	return spelled
}

// paths are the by-path names of a disk, without their directory.
func (r Reported) paths() (names []string) {
	if r.Path == "" && len(r.Links) == 0 {
		return nil
	}
	for i := -1; i < len(r.Links); i++ {
		link := r.Path
		if i >= 0 {
			link = r.Links[i]
		}
		name, inByPath := strings.CutPrefix(link, byPath)
		if name = baseName(name); (inByPath || link == r.Path) && name != "/" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// baseName is a path without its directory, "/" for none.
func baseName(name string) string {
	if name == "" {
		return "/"
	}
	return path.Base(name)
}

// counts counts the disks of a machine by name. A WWN that stands in another disk's serial counts as shared.
type counts struct {
	disks int
	all   map[name]int // nil for a single disk
}

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

func countNames(disks []names) counts {
	c := counts{disks: len(disks)}
	if c.disks == 1 {
		return c
	}
	c.all = make(map[name]int, 4*len(disks))
	for _, n := range disks {
		c.all[name{byEither, n.wwnKey}]++
		if n.serialAsWWN != n.wwnKey {
			c.all[name{byEither, n.serialAsWWN}]++
		}
		c.all[name{byWWN, n.wwnKey}]++
		c.all[name{bySerial, n.serialKey}]++
		for _, path := range n.paths {
			c.all[name{byPathName, path}]++
		}
	}
	return c
}

// of is how many disks have a name that one of them has.
func (c counts) of(kind kind, text string) int {
	if c.all == nil {
		return c.disks
	}
	return c.all[name{kind, text}]
}

// identify gives what identifies a disk by the counts of its machine.
func (c counts) identify(n names) (d Disk) {
	d.ID = n.id
	if n.wwn != "" {
		d.SameWWN = max(c.of(byWWN, n.wwnKey), c.of(byEither, n.wwnKey))
	}
	if n.serial != "" {
		d.SameSerial = max(c.of(bySerial, n.serialKey), c.of(byEither, n.serialAsWWN))
	}
	for _, path := range n.paths {
		same := c.of(byPathName, path)
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
	if c.of(byPathName, baseName(n.id.Path)) > 1 {
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
	machine := spell(disks)
	c, own := countNames(machine), make([]Disk, len(disks))
	if len(disks) == 1 { // nothing to share names with
		own[0] = c.identify(machine[0])
		return own
	}
	onePath, labels := groupPaths(machine), map[string]int{}
	for i, n := range machine {
		own[i] = c.identify(n)
		if group := onePath[n.keyOfPaths()]; len(group) > 1 {
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
	machine := spell(disks)
	first, seen := machine, map[pathsKey]bool(nil)
	if len(disks) > 1 {
		first, seen = nil, make(map[pathsKey]bool, len(disks))
		for _, n := range machine {
			key := n.keyOfPaths()
			if key == (pathsKey{}) || !seen[key] {
				first = append(first, n)
			}
			seen[key] = true
		}
	}
	c, volumes := countNames(first), make([]ID, len(disks))
	for i, n := range machine {
		volumes[i] = c.identify(n).ID
	}
	return volumes
}

// pathsKey is what the paths of one disk have in common.
type pathsKey struct {
	wwn, serial string
	size        uint64
}

// keyOfPaths is zero for a disk without a WWN or a serial: nothing shows that such a disk has two paths.
func (n names) keyOfPaths() pathsKey {
	if n.wwn == "" || n.serial == "" {
		return pathsKey{}
	}
	return pathsKey{n.wwnKey, n.serialKey, n.id.Size}
}

func groupPaths(disks []names) map[pathsKey][]int {
	groups := map[pathsKey][]int{}
	for i, n := range disks {
		if key := n.keyOfPaths(); key != (pathsKey{}) {
			groups[key] = append(groups[key], i)
		}
	}
	return groups
}
