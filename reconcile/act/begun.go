package act

import (
	"github.com/gitmetal/ingot/inventory"
)

// giveLeave records the leave, and that the attempt may write from here on. What the question showed is kept: only a
// disk that is found so again takes begun back. From here on the old system counts as replaced.
func giveLeave(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	op.Leave = &inventory.Leave{Attempt: op.Attempt, Nonce: a.Question.Nonce, Job: op.JobID(), Asked: a.Question.At}
	for at, i := range op.StepDisks() {
		op.Disks[i].Left = nil // the step may write
		if op.Disks[i].Begun == 0 {
			seen := inventory.DescribeSeen(a.Question.Disks[at])
			op.Disks[i].Begun, op.Disks[i].Seen = op.Attempt, &seen
		}
	}
	if rec.Installed != nil {
		op.Replaces, rec.Installed = rec.Installed, nil
	}
	return rec
}

// listBegun lists the disks besides the disk for the system that may have been written to.
func listBegun(op inventory.Operation) (others []inventory.DiskID) {
	for i, disk := range op.Disks {
		if i > 0 && disk.Begun != 0 {
			others = append(others, disk.Disk)
		}
	}
	return others
}

// takeBackBegun records that a look found disks exactly as they were when leave to write was given: nothing was written
// to them. A disk that the look did not see stays begun, as does a disk of an attempt that nobody remembers.
func takeBackBegun(op *inventory.Operation, disks []inventory.MachineDisk) {
	for i, disk := range op.Disks {
		if !IsAsSeen(disk, disks) { // guard: only-the-disk-takes-back
			continue
		}
		op.Disks[i].Begun, op.Disks[i].Seen, op.Disks[i].Left = 0, nil, nil
	}
}

// IsAsSeen reports whether a look finds a disk as the question for leave described the disk.
func IsAsSeen(begun inventory.OperationDisk, disks []inventory.MachineDisk) bool {
	matches := MatchDisks(disks, begun.Disk)
	return begun.Begun > 0 && begun.Seen != nil && len(matches) == 1 && *begun.Seen == inventory.DescribeSeen(matches[0].Disk)
}

// MatchDisks gives the disks that are the disk of an identity.
func MatchDisks(disks []inventory.MachineDisk, id inventory.DiskID) (matches []inventory.MachineDisk) {
	for _, disk := range disks {
		if disk.Is(id) {
			matches = append(matches, disk)
		}
	}
	return matches
}

// IsVerified reports whether the agent said that the image was written and verified.
func IsVerified(op inventory.Operation) bool {
	return op.Stage == inventory.Confirming
}
