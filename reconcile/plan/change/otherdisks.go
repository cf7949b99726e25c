package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// maxNamed is how many disks a message names.
const maxNamed = 4

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
