// Package pick chooses disks of a machine among the disks that its agent reported: Disk the root disk, Names the disks
// that spec.disks gives names to.
package pick

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Error says why there is not exactly one root disk.
type Error struct {
	Matches []string // labels of the matching disks, when there are several
	Misses  []Miss   // why each other disk does not match
	Shares  string   // why the hints do not tell the matching disks apart; "" without a shared name
	Field   string   // the field with the hints; "" is spec.rootDisk
}

// Miss is a disk that does not match, with the reason.
type Miss struct{ Disk, Why string }

// Error names every disk with its reason.
func (e Error) Error() string {
	field := cmp.Or(e.Field, "spec.rootDisk")
	if len(e.Matches) > 1 && e.Shares != "" {
		return fmt.Sprintf("%d disks match %s: %s: %s", len(e.Matches), field, strings.Join(e.Matches, ", "), e.Shares)
	}
	if len(e.Matches) > 1 {
		return fmt.Sprintf("%d disks match %s: %s: name one by serial, wwn or path", len(e.Matches), field,
			strings.Join(e.Matches, ", "))
	}
	if len(e.Misses) == 0 {
		return "no disk matches " + field + ": the machine reports no disks"
	}
	var why []string
	for _, miss := range e.Misses {
		why = append(why, miss.Disk+" ("+miss.Why+")")
	}
	return "no disk matches " + field + ": " + strings.Join(why, "; ")
}

// Disk is the only place that chooses one disk: exactly one disk must match every hint and be writable, otherwise the
// error is a Error. Read-only and held disks never match, nor does a disk without a size or without a name of its own.
// A removable disk matches only where it is internal, and the hints name it by WWN or serial. The hints must ask for
// names that are the disk's own (package diskid): for the WWN if the hints have one, else for the serial if the hints
// have one; and for a path of its own if the hints have one.
//
// Serial, model, vendor and transport compare exactly, except for surrounding spaces: a part of a model's name is not
// enough to erase a disk. WWNs compare by their digits; a path may be any of the disk's by-path links, and may leave
// out
// /dev/disk/by-path/; size is exact, minSize and maxSize are inclusive, in bytes. Without hints nothing matches. The
// order of disks does not matter.
func Disk(hints *schemas.DiskHints, disks []inventory.Disk) (inventory.MachineDisk, error) {
	machine := inventory.IdentifyDisks(disks)
	var found, matching []*inventory.MachineDisk
	var failure Error
	for i := range machine {
		disk := &machine[i]
		why := findMismatch(hints, *disk)
		if why == "" {
			matching = append(matching, disk)
			why = findUnfitness(hints, *disk)
		}
		if why == "" {
			failure.Matches = append(failure.Matches, describeDisk(*disk))
			why = explainSharedName(hints, *disk)
			failure.Shares = why
		}
		if why != "" {
			failure.Misses = append(failure.Misses, Miss{Disk: describeDisk(*disk), Why: why})
			continue
		}
		found = append(found, disk)
	}
	if paths := findPaths(matching, found); len(paths) > 0 {
		failure.Matches, failure.Shares = describeDisks(paths), explainMultipath(paths)
	}
	if len(found) == 0 {
		return inventory.MachineDisk{}, failure
	}
	if len(found) > 1 || len(failure.Matches) > 1 { // guard: exactly-one-disk
		return inventory.MachineDisk{}, failure
	}
	return *found[0], nil
}

// RootDisk is Disk for the hints of a host. What holds the disk is no reason against it where a step that erases the disk
// stops the holders.
func RootDisk(d inventory.Desired, reported []inventory.Disk) (inventory.MachineDisk, error) {
	return Disk(d.RootDisk, releaseDisks(d, schemas.RootDiskName, reported))
}

// stoppable are the holders that the step erase-disks stops: devices of md and of the device mapper, mounts, swap. The
// agent refuses one that has another member than the disks to erase.
var stoppable = regexp.MustCompile(`^(md[0-9_].*|dm-[0-9]+|/.*|swap)$`)

// releaseDisks are the disks without the holders that are stopped before the disks of a name are erased.
func releaseDisks(d inventory.Desired, name string, reported []inventory.Disk) []inventory.Disk {
	erases := func(s inventory.Step) bool { return s.Name == schemas.StepErase && slices.Contains(s.Writes, name) }
	if d.Workload == nil || !slices.ContainsFunc(d.Workload.Steps, erases) {
		return reported
	}
	released := slices.Clone(reported)
	for i, disk := range released {
		if !slices.ContainsFunc(disk.Holders, func(holder string) bool { return !stoppable.MatchString(holder) }) {
			released[i].Holders = nil
		}
	}
	return released
}

// findMismatch says why a disk does not match the hints, or "".
func findMismatch(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	if hints == nil || *hints == (schemas.DiskHints{}) {
		return "no hint is given"
	}
	if why := findNameMismatch(hints, disk); why != "" {
		return why
	}
	for _, pair := range [][3]string{
		{"model", strings.TrimSpace(hints.Model), strings.TrimSpace(disk.Model)},
		{"vendor", strings.TrimSpace(hints.Vendor), strings.TrimSpace(disk.Vendor)},
		{"transport", strings.TrimSpace(hints.Transport), strings.TrimSpace(disk.Transport)},
	} {
		if want, have := pair[1], pair[2]; want != "" && want != have {
			return describeMismatch(pair[0], want, have)
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

// internal are the transports of disks inside a machine, and of volumes that a machine is given. A disk of USB, a card
// reader or an unknown bus may be somebody's stick.
var internal = []string{"sata", "ata", "sas", "scsi", "nvme", "virtio", "fc", "iscsi"}

// findUnfitness says why a disk may never be written, or "".
func findUnfitness(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	inside := slices.Contains(internal, disk.Transport)
	switch {
	case disk.Size == 0:
		return "it reports no size"
	case disk.ReadOnly:
		return "it is read-only"
	case disk.Removable && inside && !asksByName(hints):
		return "it is removable: an internal disk that says so is named by serial or wwn"
	case disk.Removable && !inside:
		return "it is removable"
	case len(disk.Holders) > 0:
		return "it is in use by " + strings.Join(disk.Holders, ", ")
	case disk.ID().Label() == "":
		return "it has no serial, WWN or path of its own"
	default:
		return ""
	}
}

func describeDisk(disk inventory.MachineDisk) string {
	label := disk.ID().Label()
	if label == "" {
		return disk.Name
	}
	return disk.Name + " " + label
}

func describeDisks(disks []*inventory.MachineDisk) (described []string) {
	for _, disk := range disks {
		described = append(described, describeDisk(*disk))
	}
	return described
}

func orNone(text string) string { return cmp.Or(text, "none") }
