package change

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// whyNotOurs says why a disk does not hold what a permission over an install of ingot, or over the remains of one, was
// given for; "" when it does, and for a permission over anything else. A person may have installed another system since
// the record was written: the permission does not cover that system.
func whyNotOurs(o inventory.Operation, rec inventory.Record, disk inventory.MachineDisk) string {
	content, label := o.Root().Content, disk.ID().Label()
	installed := rec.Installed
	if o.Replaces != nil {
		installed = o.Replaces
	}
	why := ""
	switch {
	case inventory.IsInstall(content) && installed == nil:
		why = "nothing is known of that install any more"
	case inventory.IsInstall(content):
		why = installed.WhyNotOn(disk)
	case inventory.IsLeft(content) && rec.Last != nil:
		why = rec.Last.WhyNotLeft(disk)
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("disk %s does not hold %s any more: %s", label, content, why)
}

// KeepMark records the partition table that the agent read back after the write. A table without the mark, or none,
// means that the install has no mark.
func KeepMark(o *inventory.Operation, table *inventory.Table) {
	if len(o.Disks) == 0 {
		return
	}
	root := &o.Disks[0]
	if table == nil || !table.Valid || table.GUID != root.Mark || root.Mark == "" {
		root.Mark, root.Partitions = "", nil
		return
	}
	root.Partitions = nil
	for _, p := range table.Partitions {
		// the file systems have the image's UUIDs until the first start
		root.Partitions = append(root.Partitions, inventory.Partition{Number: p.Number, Type: p.Type, GUID: p.GUID,
			First: p.First, Last: p.Last, Label: p.Label})
	}
}

// ProvedMark is the mark of an installed system: the operation's, if an agent read it back, and if the system did not
// replace it at its first start.
func ProvedMark(d inventory.OperationDisk, call *inventory.PhoneHome) string {
	replaced := call != nil && call.Disk != "" && !strings.EqualFold(call.Disk, d.Mark)
	if replaced || len(d.Partitions) == 0 {
		return ""
	}
	return d.Mark
}

// Marked is a new operation, which has an id, with the mark of the install on the disk for the system. The mark is in
// the record before anything is written.
func Marked(o inventory.Operation, mark func(string, inventory.DiskID) string) *inventory.Operation {
	marked := o.Clone()
	if len(marked.Disks) > 0 {
		marked.Disks[0].Mark = mark(o.ID, o.Disks[0].Disk)
	}
	return marked
}
