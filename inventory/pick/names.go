package pick

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/schemas"
)

// findNameMismatch says which name in the hints the disk does not report, or "". A reported name may not be the disk's
// own: see explainSharedName.
func findNameMismatch(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	if want := strings.TrimSpace(hints.Serial); want != "" && want != strings.TrimSpace(disk.Serial) {
		return explainSerial(hints, disk)
	}
	if hints.WWN != "" && diskid.WWNKey(hints.WWN) != diskid.WWNKey(disk.WWN) {
		return explainWWN(hints, disk)
	}
	own := disk.Own()
	if want := pathName(hints.Path); want != "" && !slices.Contains(own.Paths, want) &&
		!slices.Contains(own.SharedPaths, want) {
		return describeMismatch("path", want, strings.Join(append(slices.Clone(own.Paths), own.SharedPaths...), " or "))
	}
	return ""
}

// asksByName reports whether hints name a disk by WWN or serial.
func asksByName(hints *schemas.DiskHints) bool { return hints.WWN != "" || hints.Serial != "" }

// explainSharedName says why a name that the hints ask for (a WWN before a serial) does not name the disk, although the
// disk reports the name; or "".
func explainSharedName(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	switch {
	case hints.WWN != "" && disk.ID().WWN == "":
		return explainWWN(hints, disk)
	case hints.WWN == "" && hints.Serial != "" && disk.ID().Serial == "":
		return explainSerial(hints, disk)
	case slices.Contains(disk.Own().SharedPaths, pathName(hints.Path)):
		text := describeMismatch("path", pathName(hints.Path), pathName(hints.Path))
		return text + explainShared(disk.Own().SamePath, "serial or wwn")
	default:
		return ""
	}
}

// findPaths gives the paths of one disk that the hints mean: of the disk that was found, or all matching disks. Nil for
// a single path: its path names it.
func findPaths(matching, found []*inventory.MachineDisk) (paths []*inventory.MachineDisk) {
	if len(matching) == 0 {
		return nil
	}
	first := matching[0].Own().OnePath
	if len(found) == 1 {
		first = found[0].Own().OnePath
	}
	for _, disk := range matching {
		if onePath := disk.Own().OnePath; len(onePath) > 0 && slices.Equal(onePath, first) {
			paths = append(paths, disk)
		}
	}
	if len(paths) < 2 || len(found) != 1 && len(paths) < len(matching) {
		return nil
	}
	return paths
}

// explainMultipath says that disks are paths of one disk.
func explainMultipath(paths []*inventory.MachineDisk) string {
	var names, holders []string
	for _, disk := range paths {
		names, holders = append(names, disk.Name), append(holders, disk.Holders...)
	}
	slices.Sort(names)
	slices.Sort(holders)
	text := fmt.Sprintf("multipath: %s are %d paths of one disk (one WWN, serial and size)",
		strings.Join(names, " and "), len(names))
	if len(names) == 2 {
		text = strings.Replace(text, "2 paths", "two paths", 1)
	}
	if len(holders) > 0 {
		return text + ", in use by " + strings.Join(slices.Compact(holders), ", ") + ": stop the device that uses them"
	}
	return text + ": name one by path alone"
}

// explainWWN says which WWN is wanted and which reported, and why a shared or placeholder WWN names no disk.
func explainWWN(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	text := describeMismatch("wwn", diskid.NormalWWN(hints.WWN), diskid.NormalWWN(disk.WWN))
	switch {
	case strings.TrimSpace(disk.WWN) == "" || disk.ID().WWN != "":
		return text
	case diskid.IsPlaceholderWWN(disk.WWN):
		return text + " which is a placeholder, so it names no disk: name the disk by serial or path"
	default:
		return text + explainShared(disk.Own().SameWWN, otherNames(disk, "serial or path"))
	}
}

// explainSerial says which serial is wanted and which reported, and why a shared or placeholder serial names no disk. A
// serial that disks with WWNs of their own share is the serial of the controller: logical drives, namespaces.
func explainSerial(hints *schemas.DiskHints, disk inventory.MachineDisk) string {
	text := describeMismatch("serial", strings.TrimSpace(hints.Serial), strings.TrimSpace(disk.Serial))
	switch {
	case strings.TrimSpace(disk.Serial) == "" || disk.ID().Serial != "":
		return text
	case diskid.IsPlaceholder(disk.Serial):
		return text + " which is a placeholder, so it names no disk: name the disk by wwn or path"
	case disk.ID().WWN != "" && disk.Own().SameSerial == 2:
		return text + " which two disks share: it is the controller's, and the WWNs tell the disks apart: name the disk by wwn"
	case disk.ID().WWN != "":
		return text + explainShared(disk.Own().SameSerial, "wwn or path")
	default:
		return text + explainShared(disk.Own().SameSerial, otherNames(disk, "path"))
	}
}

// otherNames are the hints that can name the disk, for a path of a disk its path alone.
func otherNames(disk inventory.MachineDisk, usual string) string {
	if len(disk.Own().OnePath) > 0 {
		return "path alone: it is one path of several to the disk"
	}
	return usual
}

// explainShared says that several disks share a name, and how to name the disk.
func explainShared(sharers int, otherHints string) string {
	if sharers == 2 {
		return " which two disks share, so it names neither: name the disk by " + otherHints
	}
	return fmt.Sprintf(" which %d disks share, so it names none: name the disk by %s", sharers, otherHints)
}

// describeMismatch says which value is wanted and which reported.
func describeMismatch(field, want, have string) string {
	return fmt.Sprintf("%s: want %s, have %s", field, want, orNone(have))
}

// pathName is a path without its directory, "" for no path.
func pathName(hint string) string {
	if name := path.Base("/" + strings.TrimSpace(hint)); name != "/" {
		return name
	}
	return ""
}
