package inventory

import (
	"slices"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// OperationDisk is a disk that an operation may write, and the permission for the disk.
type OperationDisk struct {
	// Name is the name of the disk in spec.disks, for the steps that write to it; "" for the root disk, and for a disk that
	// the workload's config alone writes to.
	Name string `json:"name,omitempty" minReader:"5"`
	// Config is set for a disk with a name that the workload's config writes to as well.
	Config  bool   `json:"config,omitempty"`
	Disk    DiskID `json:"disk"`
	Content string `json:"content"` // target of the consent: blank, install:<id>, content:<signature>, unseen
	Erases  bool   `json:"erases"`  // the disk was not blank
	Consent string `json:"consent,omitempty"`
	// Begun is the first attempt that may have written to the disk; 0 before such an attempt, and then Content must
	// still be on the disk; BegunUnknown after an attempt that the daemon does not remember.
	Begun int `json:"begun,omitempty"`
	// Seen is what the agent saw on the open disk when the attempt of Begun asked for leave; nil where no agent of
	// protocol 2 asked. Only a later look that finds the disk so takes Begun back.
	Seen *SeenDisk `json:"seen,omitempty" minReader:"3"`
	// Left is what the agent saw on the open disk at the end of the last step that wrote to it, done or failed; nil without
	// such a report, and while a step may be writing. A disk that is found so again holds what this operation left.
	Left *SeenDisk `json:"left,omitempty"`
	// Mark is the disk GUID that identifies the install on this disk; "" for an operation of ingot 4176809.
	Mark string `json:"mark,omitempty" minReader:"3"`
	// Partitions are those of the disk when the mark was set; nil before, and on a disk without a GPT.
	Partitions []Partition `json:"partitions,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// SeenDisk is the content and the mark of a disk at a question for leave.
type SeenDisk struct {
	Content string `json:"content"`        // blank, or the signature
	Mark    string `json:"mark,omitempty"` // the GUID of the disk's partition table
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// DescribeSeen is a disk at a question for leave, for a later comparison.
func DescribeSeen(disk Disk) SeenDisk {
	seen := SeenDisk{Content: disk.Content.Word()}
	if disk.Table != nil {
		seen.Mark = disk.Table.GUID
	}
	return seen
}

// Root is the disk for the system.
func (o Operation) Root() OperationDisk {
	if len(o.Disks) == 0 {
		return OperationDisk{}
	}
	return o.Disks[0]
}

// Others are the disks besides the disk for the system.
func (o Operation) Others() (others []DiskID) {
	for _, disk := range o.Disks[min(1, len(o.Disks)):] {
		others = append(others, disk.Disk)
	}
	return others
}

// StepDisks are the indexes of the disks that the present job may write to: of an install InstallDisks, of another step
// the disks of its names, of a job for the whole list all.
func (o Operation) StepDisks() []int {
	step, _ := o.Step()
	return o.DisksOf(step)
}

// DisksOf are the indexes of the disks that a step may write to.
func (o Operation) DisksOf(step StepState) []int {
	return o.selectDisks(func(i int) bool {
		named := o.Disks[i].Name != "" && slices.Contains(step.Writes, o.Disks[i].Name) ||
			i == 0 && slices.Contains(step.Writes, schemas.RootDiskName)
		return o.IsWholeList() || named || step.Installs() && o.isForInstall(i)
	})
}

// InstallDisks are the indexes of the root disk and of the disks that the config writes to.
func (o Operation) InstallDisks() []int { return o.selectDisks(o.isForInstall) }

// AllDisks are the indexes of all disks.
func (o Operation) AllDisks() []int { return o.selectDisks(func(int) bool { return true }) }

func (o Operation) selectDisks(takes func(i int) bool) (indexes []int) {
	for i := range o.Disks {
		if takes(i) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func (o Operation) isForInstall(i int) bool {
	return i == 0 || o.Disks[i].Name == "" || o.Disks[i].Config
}

// IsSkipped reports whether a disk belongs to steps alone whose conditions do not hold, by its index.
func (o Operation) IsSkipped(i int) bool {
	return !o.isForInstall(i) && !slices.ContainsFunc(o.Steps, func(s StepState) bool {
		return s.When != WhenFails && slices.Contains(s.Writes, o.Disks[i].Name)
	})
}
