package change

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/made"
)

// Target is what a consent names as the new system: the first of made.From.Targets.
func Target(w inventory.Workload) string { return w.Made().Targets()[0] }

// Consents are the consents that permit the install of a workload on a disk with a content: first the one that is to be
// written, then those that earlier versions of ingot wrote.
func Consents(w inventory.Workload, id inventory.MachineID, disk inventory.DiskID, content string) []string {
	return listConsents(id, disk, content, w.Made())
}

// OperationConsents are the Consents of the workload that an operation installs.
func OperationConsents(op inventory.Operation, id inventory.MachineID, disk inventory.OperationDisk) []string {
	return listConsents(id, disk.Disk, disk.Content, op.Made())
}

func listConsents(id inventory.MachineID, disk inventory.DiskID, content string, system made.From) (consents []string) {
	for _, target := range system.Targets() {
		consents = append(consents, inventory.EraseConsent(id, disk, content, target))
	}
	return slices.Compact(consents)
}
