package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An install of ingot is recognised by its mark: the disk GUID of its GPT, which ingot chose. The record alone proves
// nothing: a person may have installed another system since.

// foreignMembers are the superblocks of a whole disk beside which a GPT says nothing: the disk belongs to an array, a
// volume group or a pool, which may have left the partition table where it was.
var foreignMembers = []string{"linux_raid_member", "LVM2_member", "zfs_member"}

// WhyNotOn says why a disk does not hold the install, or "" for a disk that holds the install. The first row that fits
// decides:
//
//	the install has no mark                                            not: nothing tells it from another system
//	another disk                                                       not
//	the disk, or its partition table, was not read                     not
//	no GPT with an intact primary header and entry array               not: the backup is never believed
//	another disk GUID than the mark                                    not
//	a partition of the install is gone, or begins elsewhere            not
//	a file system has another UUID than the installed system reported  not
//	the whole disk is a member of an array, volume group or pool       not
//	anything else                                                      holds it
func (i Installed) WhyNotOn(d MachineDisk) string {
	t := d.Table
	switch {
	case i.Mark == "":
		return "install " + i.ID + " has no mark"
	case !d.Is(i.Disk):
		return fmt.Sprintf("disk %s is not %s", cmp.Or(d.ID().Label(), d.Name), i.Disk.Label())
	case d.Content.Unreadable != "":
		return "the disk cannot be read: " + d.Content.Unreadable
	case t == nil:
		return "its partition table was not read"
	case t.Kind != TableGPT || !t.Valid:
		return "it has no intact GPT"
	case t.GUID != i.Mark: // guard: mark-compare
		return fmt.Sprintf("the GUID of its partition table is %s, not %s", cmp.Or(t.GUID, "none"), i.Mark)
	}
	for _, why := range []string{whyOtherPartitions(i.Partitions, *t), whyOtherFilesystems(i.Filesystems, *t)} {
		if why != "" {
			return why
		}
	}
	for _, s := range d.Superblocks {
		if slices.Contains(foreignMembers, s.Type) {
			return "the whole disk is " + s.Type
		}
	}
	return ""
}

// whyOtherPartitions says which recorded partition is not in a table as recorded, or "". An end may have moved, and
// partitions may have been added: systems do both at their first start.
func whyOtherPartitions(recorded []Partition, t Table) string {
	for _, want := range recorded {
		i := slices.IndexFunc(t.Partitions, func(p Partition) bool { return p.Number == want.Number })
		switch {
		case i < 0:
			return fmt.Sprintf("partition %d is gone", want.Number)
		case t.Partitions[i].GUID != want.GUID:
			return fmt.Sprintf("the GUID of partition %d is %s, not %s", want.Number, t.Partitions[i].GUID, want.GUID)
		case t.Partitions[i].First != want.First:
			return fmt.Sprintf("partition %d begins at sector %d, not %d", want.Number, t.Partitions[i].First, want.First)
		}
	}
	return ""
}

// whyOtherFilesystems says which partition has not the file system that the installed system reported, or "".
func whyOtherFilesystems(reported map[string]string, t Table) string {
	for _, guid := range slices.Sorted(maps.Keys(reported)) {
		i := slices.IndexFunc(t.Partitions, func(p Partition) bool { return strings.EqualFold(p.GUID, guid) })
		if i < 0 {
			return fmt.Sprintf("partition %s is gone", guid)
		}
		if have := t.Partitions[i].FSUUID; !strings.EqualFold(have, reported[guid]) {
			return fmt.Sprintf("the file system of partition %d is %s, not %s", t.Partitions[i].Number,
				cmp.Or(have, "none"), reported[guid])
		}
	}
	return ""
}

// WhyNotLeft says why a disk does not hold what an operation that ended in failure left, or "": nothing but an empty
// partition table, or the operation's own mark.
func (o Operation) WhyNotLeft(d MachineDisk) string {
	i := slices.IndexFunc(o.Disks, func(own OperationDisk) bool { return d.Is(own.Disk) })
	marked := i >= 0 && o.Disks[i].Mark != "" && d.Table != nil && d.Table.Valid && d.Table.GUID == o.Disks[i].Mark
	if marked {
		return ""
	}
	return d.WhyNotEmpty()
}

// looksAfter gives a disk as the newest look shows it, if the look is newer than the epoch; nil otherwise. What was
// seen before a write says nothing about what the write left.
func (r Record) looksAfter(looked Epoch, seen *MachineDisk) *MachineDisk {
	if seen == nil || seen.Table == nil || r.Facts == nil || r.Facts.Epoch <= looked {
		return nil
	}
	return seen
}

// WhyNotInstalled says why the newest look at the disk of the installed system does not find the system there; "" when
// the look finds it, or when nobody has looked since it was written.
func (r Record) WhyNotInstalled(seen *MachineDisk) string {
	if r.Installed == nil {
		return ""
	}
	later := r.looksAfter(r.Installed.Looked, seen)
	if later == nil || !later.Is(r.Installed.Disk) {
		return ""
	}
	return r.Installed.WhyNotOn(*later)
}

// LookedEpoch is the epoch of the newest look at the machine's disks.
func (r Record) LookedEpoch() Epoch {
	if r.Facts == nil {
		return 0
	}
	return r.Facts.Epoch
}
