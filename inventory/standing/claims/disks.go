package claims

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// WhyNotFor says why a Workload may not claim a machine that is free for others, or "". A kernel or an ISO of one's own may
// write to every disk, and nobody asks for leave on that machine, so all disks must be blank:
//
//	the Workload       the disks of the machine, at the newest look     may claim
//	runs a script      any                                              yes
//	boots its own      were given to a run of the batch since           yes
//	boots its own      all blank, or none                               yes
//	boots its own      one is not blank, or cannot be read              no
//
// A claimed machine is looked at once more before its first run (NeedsLook).
func WhyNotFor(w runs.Work, m Machine) string {
	if !w.BootsOwn() || m.Record.Facts == nil || ranHere(w, m.Record) {
		return ""
	}
	for _, disk := range inventory.IdentifyDisks(m.Record.Facts.Disks) {
		if disk.Content.Blank || disk.ReadOnly {
			continue
		}
		return fmt.Sprintf("its disk %s is not blank, and the %s of workload %s may write to it: erase the disk first, or run a script",
			disk.ID().Label(), w.Form(), w.Workload)
	}
	return ""
}

// NeedsLook reports whether the disks of a claimed machine are to be looked at before a kernel or an ISO of the Workload may begin: what
// was blank before the claim may not be blank now. What a run of the same batch left there is the batch's own.
func NeedsLook(w runs.Work, claim runs.Claim, record inventory.Record) bool {
	return w.BootsOwn() && !ranHere(w, record) && (record.Facts == nil || record.Facts.Epoch <= claim.Epoch)
}

// ranHere reports whether the machine was booted for the batch of a Workload since the newest look at its disks.
func ranHere(w runs.Work, record inventory.Record) bool {
	return record.Ran != "" && record.Ran == w.Batch
}

// newClaim is the claim of a free machine.
func newClaim(w runs.Work, m Machine, now time.Time) runs.Claim {
	claim := runs.Claim{Machine: string(m.Record.ID), Since: now}
	if w.BootsOwn() {
		claim.Epoch = m.Record.Epoch
	}
	return claim
}
