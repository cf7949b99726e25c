package inventory

import (
	"fmt"
	"path"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// DiskError says why there is not exactly one root disk.
type DiskError struct {
	Matches []string // labels of the matching disks, when there are several
	Misses  []Miss   // why each other disk does not match
	Shares  string   // why the hints do not tell the matching disks apart; "" without a shared name
}

// Miss is a disk that does not match, with the reason.
type Miss struct{ Disk, Why string }

// Error names every disk with its reason.
func (e DiskError) Error() string {
	if len(e.Matches) > 1 && e.Shares != "" {
		return fmt.Sprintf("%d disks match spec.rootDisk: %s: %s", len(e.Matches), strings.Join(e.Matches, ", "),
			e.Shares)
	}
	if len(e.Matches) > 1 {
		return fmt.Sprintf("%d disks match spec.rootDisk: %s: name one by serial or wwn", len(e.Matches),
			strings.Join(e.Matches, ", "))
	}
	if len(e.Misses) == 0 {
		return "no disk matches spec.rootDisk: the machine reports no disks"
	}
	var why []string
	for _, miss := range e.Misses {
		why = append(why, miss.Disk+" ("+miss.Why+")")
	}
	return "no disk matches spec.rootDisk: " + strings.Join(why, "; ")
}

// PickDisk is the only place that chooses a disk: exactly one disk must match every hint and be writable, otherwise the
// error is a DiskError. Removable, read-only and held disks never match, nor does a disk without a size or without a
// name of its own. The result carries only names of its own (DistinctDisks). The hints must ask for one of these names:
// for the WWN if the hints have one, else for the serial if the hints have one.
//
// Serial, model, vendor and transport compare exactly, except for surrounding spaces: a part of a model's name is not
// enough to erase a disk. WWNs ignore case and a leading 0x; paths may leave out /dev/disk/by-path/; size is exact,
// minSize and maxSize are inclusive, in bytes. Without hints nothing matches. The order of disks does not matter.
func PickDisk(hints *schemas.DiskHints, disks []Disk) (Disk, error) {
	var found []Disk
	var failure DiskError
	for _, disk := range listCandidates(disks) {
		why := findMismatch(hints, disk)
		if why == "" {
			why = findUnfitness(disk.own)
		}
		if why == "" {
			failure.Matches = append(failure.Matches, describeDisk(disk.own))
			why = disk.explainSharedName(hints)
			failure.Shares = why
		}
		if why != "" {
			failure.Misses = append(failure.Misses, Miss{Disk: describeDisk(disk.own), Why: why})
			continue
		}
		found = append(found, disk.own)
	}
	if len(found) != 1 || len(failure.Matches) != 1 {
		return Disk{}, failure
	}
	return found[0], nil
}

// findMismatch says why a disk does not match the hints, or "".
func findMismatch(hints *schemas.DiskHints, c candidate) string {
	disk := c.reported
	if hints == nil || *hints == (schemas.DiskHints{}) {
		return "no hint is given"
	}
	for _, pair := range [][3]string{
		{"serial", strings.TrimSpace(hints.Serial), strings.TrimSpace(disk.Serial)},
		{"wwn", NormalWWN(hints.WWN), NormalWWN(disk.WWN)},
		{"path", path.Base("/" + hints.Path), path.Base("/" + disk.Path)},
		{"model", strings.TrimSpace(hints.Model), strings.TrimSpace(disk.Model)},
		{"vendor", strings.TrimSpace(hints.Vendor), strings.TrimSpace(disk.Vendor)},
		{"transport", strings.TrimSpace(hints.Transport), strings.TrimSpace(disk.Transport)},
	} {
		if want, have := pair[1], pair[2]; want != "" && want != "/" && want != have {
			return c.describeMismatch(pair[0], want, have)
		}
	}
	if hints.Rotational != nil && *hints.Rotational != disk.Rotational {
		return fmt.Sprintf("rotational: want %t, have %t", *hints.Rotational, disk.Rotational)
	}
	return findSizeMismatch(hints, disk.Size)
}

func findSizeMismatch(hints *schemas.DiskHints, have uint64) string {
	for _, limit := range []struct {
		name, text string
		fits       func(want uint64) bool
	}{
		{"size", hints.Size, func(want uint64) bool { return have == want }},
		{"minSize", hints.MinSize, func(want uint64) bool { return have >= want }},
		{"maxSize", hints.MaxSize, func(want uint64) bool { return have <= want }},
	} {
		if limit.text == "" {
			continue
		}
		want, err := schemas.ParseSize(limit.text)
		if err != nil {
			return limit.name + ": " + err.Error()
		}
		if !limit.fits(want) {
			return fmt.Sprintf("%s: want %s, have %d bytes (%.0f GB)", limit.name, limit.text, have, float64(have)/1e9)
		}
	}
	return ""
}

// findUnfitness says why a disk may never be written, or "".
func findUnfitness(disk Disk) string {
	switch {
	case disk.Size == 0:
		return "it reports no size"
	case disk.ReadOnly:
		return "it is read-only"
	case disk.Removable:
		return "it is removable"
	case len(disk.Holders) > 0:
		return "it is in use by " + strings.Join(disk.Holders, ", ")
	case disk.ID().Label() == "":
		return "it has neither serial, WWN nor path"
	default:
		return ""
	}
}

// NamedDisk is the identity that hints give without a look: serial and WWN. It is zero without a serial and a WWN, or
// with placeholders.
func NamedDisk(hints *schemas.DiskHints) DiskID {
	if hints == nil {
		return DiskID{}
	}
	return DiskID{Serial: strings.TrimSpace(hints.Serial), WWN: NormalWWN(hints.WWN)}.Named()
}

// NormalWWN is a WWN in the spelling that compares: lower case, without surrounding spaces and a leading 0x.
func NormalWWN(wwn string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(wwn)), "0x")
}

func describeDisk(disk Disk) string {
	label := disk.ID().Label()
	if label == "" {
		return disk.Name
	}
	return disk.Name + " " + label
}

func orNone(text string) string {
	if text == "" || text == "/" {
		return "none"
	}
	return text
}
