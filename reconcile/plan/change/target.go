package change

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
)

// Target is what a consent names as the new system: a digest of the workload's parts, with the parsed config in place of
// the Butane file, so that a comment there is no other target. Without a config it is Inputs. The form does not change
// between versions, because fleets hold consents over it.
func Target(w inventory.Workload) string { return digestTarget(w.Inputs, w.Parts, w.Config) }

func digestTarget(inputs string, parts map[string]string, config string) string {
	if config == "" {
		return inputs
	}
	texts := []string{"ingot target v1", config}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if name != partButane {
			texts = append(texts, name, parts[name])
		}
	}
	return inventory.Digest(texts...)
}

// partButane is the part of a workload that a comment in the Butane file changes.
const partButane = "butane"

// Consents are the consents that permit the install of a workload on a disk with a content: the one that is to be
// written, and the one that earlier versions of ingot wrote, over Inputs.
func Consents(w inventory.Workload, id inventory.MachineID, disk inventory.DiskID, content string) [2]string {
	return listConsents(id, disk, content, [2]string{Target(w), w.Inputs})
}

// OperationConsents are the Consents of the workload that an operation installs.
func OperationConsents(op inventory.Operation, id inventory.MachineID, disk inventory.OperationDisk) [2]string {
	return listConsents(id, disk.Disk, disk.Content, [2]string{digestTarget(op.Inputs, op.Parts, op.Config), op.Inputs})
}

func listConsents(id inventory.MachineID, disk inventory.DiskID, content string, targets [2]string) (consents [2]string) {
	for i, target := range targets {
		consents[i] = inventory.EraseConsent(id, disk, content, target)
	}
	return consents
}
