package claims

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// WhyNotFor says why a Workload may not claim a machine that is free for others, or "". A kernel of one's own may write to
// every disk, and nobody asks for leave on that machine, so all disks must be blank:
//
//	the Workload       the disks of the machine, at the newest look     may claim
//	runs a script      any                                              yes
//	boots a kernel     all blank, or none                               yes
//	boots a kernel     one is not blank, or cannot be read              no
func WhyNotFor(w runs.Work, m Machine) string {
	if w.Kernel == nil || m.Record.Facts == nil {
		return ""
	}
	for _, disk := range inventory.IdentifyDisks(m.Record.Facts.Disks) {
		if disk.Content.Blank || disk.ReadOnly {
			continue
		}
		return fmt.Sprintf("its disk %s is not blank, and the kernel of workload %s may write to it: erase the disk first, or run a script",
			disk.ID().Label(), w.Workload)
	}
	return ""
}
