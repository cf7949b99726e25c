package change

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/schemas"
)

// maxNamed is how many disks a message names.
const maxNamed = 4

// otherDisk is a disk besides the root disk, and the names by which a config writes to it.
type otherDisk struct {
	disk    inventory.MachineDisk
	devices []string
	name    string // in spec.disks, where a step writes to the disk
	config  bool   // the config writes to the disk
}

// partitionSuffix is what udev puts behind a disk's link for a partition.
var partitionSuffix = regexp.MustCompile(`-part[0-9]+$`)

// findOtherDisks finds the disks to which a config writes among the disks that an agent reported, in the order of the
// config. A device counts by its links in /dev/disk/by-id and by-path, and a partition counts as its disk. A kernel
// name and a label may mean any disk at the next start, so no look finds their disk.
func findOtherDisks(writes []inventory.OtherDisk, reported []inventory.Disk, root inventory.DiskID) (found []otherDisk) {
	for _, write := range writes {
		link := partitionSuffix.ReplaceAllString(write.Device, "")
		for _, disk := range inventory.IdentifyDisks(reported) {
			if !slices.Contains(disk.Links, link) && !slices.Contains(disk.Links, write.Device) ||
				disk.Is(root) {
				continue
			}
			at := slices.IndexFunc(found, func(o otherDisk) bool { return o.disk.Name == disk.Name })
			if at < 0 {
				at, found = len(found), append(found, otherDisk{disk: disk, config: true})
			}
			found[at].devices = append(found[at].devices, write.Device)
		}
	}
	return found
}

// findWritten finds the disks besides the root disk that the config or a step writes to. An error says which name of
// spec.disks fits no disks of the machine.
func findWritten(d inventory.Desired, rec inventory.Record, root inventory.DiskID) ([]otherDisk, error) {
	found := findOtherDisks(d.Workload.OtherDisks, rec.Facts.Disks, root)
	names := listWrites(d, rec)
	if len(names) == 0 {
		return found, nil
	}
	named, err := pick.Names(d, names, rec.Facts.Disks)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		for _, disk := range named[name] {
			at := slices.IndexFunc(found, func(o otherDisk) bool { return o.disk.Name == disk.Name })
			if at < 0 {
				at, found = len(found), append(found, otherDisk{disk: disk})
			}
			found[at].name, found[at].devices = name, append(found[at].devices, nameField(name))
		}
	}
	return found, nil
}

// nameField is the field of a host that gives disks a name.
func nameField(name string) string {
	if name == schemas.EveryDisk {
		return "spec.retire.disks"
	}
	return "spec.disks." + name
}

// listWrites lists the names of the disks besides the root disk to which the steps of the workload may write, sorted. A
// step that is skipped by the facts of the record writes to none: where a later look says otherwise, the operation does
// not cover the disks, and ends before a write (WhyUncovered).
func listWrites(d inventory.Desired, rec inventory.Record) (names []string) {
	machine := rules.Machine{Facts: rec.Facts, Labels: d.Labels, Vars: d.Vars, Name: d.Name, ID: d.ID}
	for _, step := range d.Workload.Steps {
		decided := decidedWhen(rec, step)
		if len(step.Writes) == 0 || decided == inventory.WhenFails {
			continue
		}
		if len(step.When) > 0 && decided == "" {
			if holds, _ := rules.NewCompiler().DecideAll(step.When, machine); !holds {
				continue
			}
		}
		names = append(names, step.Writes...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == schemas.RootDiskName })
	slices.Sort(names)
	return slices.Compact(names)
}

// decidedWhen is what the operation under way has decided about the conditions of a step; "" before.
func decidedWhen(rec inventory.Record, step inventory.Step) string {
	if rec.Operation == nil {
		return ""
	}
	for _, state := range rec.Operation.Steps {
		if state.Key() == step.Key() {
			return state.When
		}
	}
	return ""
}

// decideOnOtherDisks decides about the disks besides the root disk that the config or a step writes to and the newest
// look found.
// Neither update: Reinstall nor a consent over "unseen" covers them.
//
//	the disk                                          write
//	has no serial, no WWN and no path                 held: DiskUnreadable
//	cannot be read                                    held: DiskUnreadable
//	is blank                                          allowed
//	was written to by an install, and not seen since  held without consent over unmarked:<id>
//	perhaps by an operation that failed, as before    looked at first
//	holds something                                   held without consent over content:<signature>
func decideOnOtherDisks(c Change, d inventory.Desired, rec inventory.Record) (disks []Disk, holds []Hold) {
	others, err := findWritten(d, rec, c.Root.ID)
	if err != nil {
		return nil, []Hold{{Reason: NoDisk, Message: err.Error()}}
	}
	for _, other := range others {
		disk := Disk{ID: other.disk.ID(), Devices: other.devices, Name: other.name, Config: other.config}
		disk.Content = inventory.ContentOfOther(rec, disk.ID, other.disk)
		disk.Summary = describeOther(rec, disk.Content, other.disk)
		switch {
		case disk.ID.Label() == "":
			holds = append(holds, *namelessDiskHold(other.disk))
		case disk.Content == "":
			holds = append(holds, *unreadableDiskHold(disk.ID, other.disk.Content))
		case disk.Content != inventory.ContentBlank && disk.Content != inventory.ContentUnseen:
			disk.Erases = true
			disk.Needed = findNeeded(d, disk.ID, disk.Content)
			disk.Given = findGiven(d, disk)
			held := holdForConsent(d, rec, disk)
			disk.Missing, holds = len(held) > 0, append(holds, held...)
		}
		disks = append(disks, disk)
	}
	return disks, holds
}

// describeOther says for people what a disk besides the root disk holds.
func describeOther(rec inventory.Record, content string, seen inventory.MachineDisk) string {
	switch {
	case inventory.IsUnmarked(content) && rec.Installed != nil:
		return "written to by " + describeInstall(*rec.Installed) + ", and not looked at since"
	case content == inventory.ContentUnseen:
		return "perhaps written to by a failed install, and not looked at since"
	case content == inventory.ContentBlank:
		return "blank"
	default:
		return cmp.Or(seen.Content.Summary, content)
	}
}

// whyOtherDisks says that the config of the workload writes to disks besides the root disk without being allowed to,
// or "".
func whyOtherDisks(d inventory.Desired) string {
	w := d.Workload
	if len(w.OtherDisks) == 0 || w.OtherDisksAllowed {
		return ""
	}
	var named []string
	for _, disk := range w.OtherDisks[:min(len(w.OtherDisks), maxNamed)] {
		named = append(named, disk.Device)
	}
	if more := len(w.OtherDisks) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	why := fmt.Sprintf("its first start would also write to %s: if that is meant, write spec.install.otherDisks: "+
		"Allowed in Workload %s", strings.Join(named, ", "), w.Name)
	if slices.ContainsFunc(w.OtherDisks, inventory.OtherDisk.KernelNamed) {
		why += "; the kernel gives names such as /dev/sda to any disk: the root disk is " +
			"/dev/disk/by-id/coreos-boot-disk"
	}
	return why
}

// holdForOtherDisks adds the writes to other disks to the hold of an install. The hold is nil when nothing else holds
// the install.
func holdForOtherDisks(d inventory.Desired, hold *Hold) *Hold {
	why := whyOtherDisks(d)
	switch {
	case why == "":
		return hold
	case hold == nil:
		return &Hold{Reason: OtherDisks, Message: why}
	default:
		both := *hold
		both.Message += "; " + why
		if both.Reason == NeedsSigners { // people sign after the merge, and edit the Workload before
			both.Reason = OtherDisks
		}
		return &both
	}
}
