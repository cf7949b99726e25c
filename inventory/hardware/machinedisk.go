package hardware

import (
	"path"
	"slices"

	"github.com/gitmetal/ingot/inventory/diskid"
)

// MachineDisk is a reported disk, and what identifies the disk among all disks of its machine. Only IdentifyDisks and
// Facts.IdentifyLook make one: a report of one disk alone names no disk.
type MachineDisk struct {
	Disk
	own diskid.Disk
}

// ID is the identity of the disk, with names of its own only.
func (d MachineDisk) ID() diskid.ID { return d.own.ID }

// Own is what identifies the disk among the disks of the machine, and the names that it shares.
func (d MachineDisk) Own() diskid.Disk { return d.own }

// Is reports whether the disk is the disk of a recorded identity. A recorded path may have another spelling.
func (d MachineDisk) Is(id diskid.ID) bool { return d.own.ID.IsSameDisk(d.spellPath(id)) }

// HasLabelOf reports whether the disk still has the name by which a recorded identity is labelled: a permission for a
// label is none for a disk that shares the label with another disk now.
func (d MachineDisk) HasLabelOf(id diskid.ID) bool { return d.own.ID.HasLabelOf(d.spellPath(id)) }

// spellPath spells a recorded path of the disk as the disk's identity does.
func (d MachineDisk) spellPath(id diskid.ID) diskid.ID {
	if id.Path != "" && slices.Contains(d.own.Paths, path.Base(id.Path)) {
		id.Path = d.own.ID.Path
	}
	return id
}

// IdentifyDisks gives the disks of one machine with what identifies each of them, in the same order. The list must be
// whole: what two disks share names neither.
func IdentifyDisks(disks []Disk) []MachineDisk {
	own, identified := diskid.Own(reportDisks(disks)), make([]MachineDisk, len(disks))
	for i, disk := range disks {
		identified[i] = MachineDisk{Disk: disk, own: own[i]}
	}
	return identified
}

func reportDisks(disks []Disk) []diskid.Reported {
	reported := make([]diskid.Reported, len(disks))
	for i, d := range disks {
		reported[i] = diskid.Reported{WWN: d.WWN, Serial: d.Serial, Path: d.Path, Links: d.Links, Size: d.Size}
	}
	return reported
}

// IdentifyLook gives a later look at some of the disks, by their kernel names of the same boot, with what identifies
// each among all disks of the machine. Without facts nothing is known of the others, so the disks have no identity.
func (f *Facts) IdentifyLook(seen []Disk) []MachineDisk {
	looked := make([]MachineDisk, len(seen))
	if f == nil {
		for i, disk := range seen {
			looked[i] = MachineDisk{Disk: disk}
		}
		return looked
	}
	disks, at := slices.Clone(f.Disks), make([]int, len(seen))
	for i, disk := range seen {
		at[i] = slices.IndexFunc(disks, func(d Disk) bool { return d.Name == disk.Name })
		if at[i] < 0 {
			at[i], disks = len(disks), append(disks, Disk{})
		}
		disks[at[i]] = disk
	}
	all := IdentifyDisks(disks)
	for i := range seen {
		looked[i] = all[at[i]]
	}
	return looked
}

// Volumes are the disks of a machine as other machines may see them too, see diskid.Volumes.
func (f *Facts) Volumes() []diskid.ID {
	if f == nil {
		return nil
	}
	return diskid.Volumes(reportDisks(f.Disks))
}

// Volume is a disk of the machine with the names by which another machine may see it.
func (f *Facts) Volume(disk diskid.ID) diskid.ID {
	if f == nil {
		return disk
	}
	var own []MachineDisk
	for i, volume := range f.Volumes() {
		if volume.IsSameDisk(disk) {
			return volume
		}
		if own == nil {
			own = IdentifyDisks(f.Disks)
		}
		if own[i].Is(disk) {
			return volume
		}
	}
	return disk
}

// Sees reports whether a machine reported a disk. A path says nothing about another machine's disks, nor does a name of
// several disks of the machine.
func (f *Facts) Sees(disk diskid.ID) bool {
	if wwn, serial := disk.Names(); wwn == "" && serial == "" {
		return false
	}
	return slices.ContainsFunc(f.Volumes(), func(d diskid.ID) bool {
		return d.IsSameDisk(disk) && d.Size == disk.Size && (d.WWN != "" || d.Serial != "")
	})
}
