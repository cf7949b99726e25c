package receipts

import (
	"cmp"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Failed is a disk without a receipt of the newest erase: the disk is not erased.
type Failed struct {
	Host      string `json:"host"`
	Disk      string `json:"disk"`
	Operation string `json:"operation"`
	Step      string `json:"step"`
	Commit    string `json:"commit"`
	Why       string `json:"why"`
}

// FindFailed gives the disks that a step erase-disks may have written to, and of which the step's newest attempt has no
// receipt.
func FindFailed(d status.Document) (failed []Failed) {
	for _, op := range []*inventory.Operation{d.Operation, d.LastOperation} {
		if op == nil {
			continue
		}
		for _, step := range op.Steps {
			if step.Name != schemas.StepErase {
				continue
			}
			for _, disk := range listDoubtful(*op, step) {
				failed = append(failed, Failed{Host: d.Metadata.Name, Operation: op.ID, Step: step.Key(), Commit: op.Commit,
					Disk: cmp.Or(disk.Disk.Label(), disk.Name, schemas.RootDiskName), Why: explainFailed(*op, step)})
			}
		}
	}
	return failed
}

// listDoubtful gives the disks of a step that failed, or is at work, without a receipt of the newest attempt.
func listDoubtful(op inventory.Operation, step inventory.StepState) (disks []inventory.OperationDisk) {
	if step.State != inventory.StepFailed && step.State != inventory.StepWorking {
		return nil
	}
	for _, i := range op.DisksOf(step) {
		disk := op.Disks[i]
		erased := slices.ContainsFunc(step.Erased, func(r inventory.Erased) bool {
			return r.Attempt == step.Attempt && isOf(r, disk)
		})
		if disk.Begun != 0 && !erased {
			disks = append(disks, disk)
		}
	}
	return disks
}

// isOf reports whether a receipt is of a disk. Disks without serial and WWN are told by name and size.
func isOf(r inventory.Erased, disk inventory.OperationDisk) bool {
	if named := inventory.ErasedDisk(r); named.Label() != "" {
		return named.IsSameDisk(disk.Disk)
	}
	return r.Name == cmp.Or(disk.Name, schemas.RootDiskName) && r.Size == disk.Disk.Size
}

func explainFailed(op inventory.Operation, step inventory.StepState) string {
	if step.State == inventory.StepWorking && op.Stage != inventory.Ended {
		return "the erase is under way"
	}
	return cmp.Or(op.Error, "the erase did not end")
}
