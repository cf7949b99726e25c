package reconcile_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// markOf is the mark of an operation.
func markOf(_ inventory.MachineID, operation string, _ inventory.DiskID) string {
	sum := sha256.Sum256([]byte(operation))
	return fmt.Sprintf("%x-%x-8000-8000-%x", sum[:4], sum[4:6], sum[6:12])
}

// tableOf is the partition table of a disk with the install of an operation, or of a blank disk.
func tableOf(operation string) *inventory.Table {
	if operation == "" {
		return &inventory.Table{Kind: inventory.TableNone, Valid: true, Alone: true}
	}
	return &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: markOf("", operation, inventory.DiskID{}),
		Sector: 512, Partitions: []inventory.Partition{{Number: 1, GUID: "of the image", First: 2048, Last: 1 << 20}}}
}
