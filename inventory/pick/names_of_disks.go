package pick

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Names gives the disks behind names of spec.disks, in the order of the items; the disks of an item with all are in the
// order of their labels. An item without all must match exactly one disk, as Disk says; the error is an Error then. An
// item with all must match at least one disk, and takes neither the root disk nor a removable disk. The order of the
// reported disks does not matter.
//
// A disk in two items of spec.disks, or in an item and in spec.rootDisk, is an error, also where the other item belongs
// to a name that is not asked for.
func Names(d inventory.Desired, names []string, reported []inventory.Disk) (map[string][]inventory.MachineDisk, error) {
	taken := map[string]string{} // the field that has a disk, by the kernel name of the disk
	root, err := RootDisk(d, reported)
	if err == nil {
		taken[root.Name] = "spec.rootDisk"
	}
	found := map[string][]inventory.MachineDisk{}
	for _, name := range slices.Sorted(maps.Keys(d.Disks)) {
		asked := slices.Contains(names, name)
		for i, item := range d.Disks[name] {
			field := fmt.Sprintf("spec.disks.%s[%d]", name, i)
			disks, err := pickItem(item, releaseDisks(d, name, reported), root.Name)
			var failure Error
			if errors.As(err, &failure) {
				failure.Field = field
				err = failure
			}
			if err != nil && asked {
				return nil, err
			}
			for _, disk := range disks {
				if first, has := taken[disk.Name]; has {
					return nil, fmt.Errorf("disk %s is in %s and in %s: a disk has one name", describeDisk(disk), first, field)
				}
				taken[disk.Name] = field
			}
			if asked {
				found[name] = append(found[name], disks...)
			}
		}
	}
	if slices.Contains(names, schemas.EveryDisk) {
		if found[schemas.EveryDisk], err = everyDisk(releaseDisks(d, schemas.EveryDisk, reported), root.Name); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if len(found[name]) == 0 && name != schemas.EveryDisk {
			return nil, fmt.Errorf("there is no spec.disks.%s: say which disks these are", name)
		}
	}
	return found, nil
}

// everyDisk gives every disk besides the root disk, in the order of their labels. Removable and read-only disks are none.
// The error names a disk that cannot be erased: in use, without a name of its own, or one of several paths.
func everyDisk(reported []inventory.Disk, root string) (found []inventory.MachineDisk, err error) {
	for _, disk := range inventory.IdentifyDisks(reported) {
		if disk.Name == root || disk.Removable || disk.ReadOnly || disk.Size == 0 {
			continue
		}
		why := findUnfitness(&schemas.DiskHints{}, disk)
		if len(disk.Own().OnePath) > 0 {
			why = "it is one of several paths of one disk"
		}
		if why != "" {
			return nil, fmt.Errorf("disk %s cannot be erased for spec.retire: %s", describeDisk(disk), why)
		}
		found = append(found, disk)
	}
	slices.SortFunc(found, func(a, b inventory.MachineDisk) int { return strings.Compare(a.ID().Label(), b.ID().Label()) })
	return found, nil
}

// pickItem gives the disks of one item.
func pickItem(item schemas.NamedDisk, reported []inventory.Disk, root string) ([]inventory.MachineDisk, error) {
	if !item.All {
		disk, err := Disk(item.Hints(), reported)
		if err != nil {
			return nil, err
		}
		return []inventory.MachineDisk{disk}, nil
	}
	var found []inventory.MachineDisk
	var failure Error
	for _, disk := range inventory.IdentifyDisks(reported) {
		if why := findUnfitForAll(item.Hints(), disk, root); why != "" {
			failure.Misses = append(failure.Misses, Miss{Disk: describeDisk(disk), Why: why})
			continue
		}
		found = append(found, disk)
	}
	if len(found) == 0 {
		return nil, failure
	}
	slices.SortFunc(found, func(a, b inventory.MachineDisk) int {
		return strings.Compare(a.ID().Label(), b.ID().Label())
	})
	return found, nil
}

// findUnfitForAll says why an item with all does not take a disk, or "".
func findUnfitForAll(hints *schemas.DiskHints, disk inventory.MachineDisk, root string) string {
	if why := findMismatch(hints, disk); why != "" {
		return why
	}
	if why := findUnfitness(hints, disk); why != "" {
		return why
	}
	switch {
	case disk.Name == root:
		return "it is the root disk"
	case disk.Removable:
		return "it is removable"
	case len(disk.Own().OnePath) > 0:
		return "it is one of several paths of one disk"
	default:
		return explainSharedName(hints, disk)
	}
}
