package plan

import (
	"fmt"
	"reflect"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/reconcile/act"
)

// findDisks gives the disks of an operation among the disks that an agent reported: the root disk as the fleet's hints
// pick it, the other disks by what is known of them.
func (h host) findDisks(op inventory.Operation) (found []inventory.MachineDisk, why string) {
	root, err := pick.Disk(h.desired.RootDisk, h.record.Facts.Disks)
	if err != nil {
		return nil, fmt.Sprintf("the root disk is not %s any more: %s", op.Root().Disk.Label(), err)
	}
	found = append(found, root)
	machine := inventory.IdentifyDisks(h.record.Facts.Disks)
	for _, allowed := range op.Disks[1:] {
		matches := act.MatchDisks(machine, allowed.Disk)
		if len(matches) != 1 {
			return nil, fmt.Sprintf("%d disks are %s", len(matches), allowed.Disk.Label())
		}
		found = append(found, matches[0])
	}
	return found, ""
}

// withSeen gives the facts after a later look at some of the disks, and whether the look found one of them different.
func withSeen(facts inventory.Facts, q inventory.Question) (next inventory.Facts, differs bool) {
	next = facts
	next.Disks = append([]inventory.Disk{}, facts.Disks...)
	machine := inventory.IdentifyDisks(facts.Disks)
	for _, seen := range facts.IdentifyLook(q.Disks) {
		for i, known := range machine {
			if known.Name == seen.Name && seen.Is(known.ID()) && !reflect.DeepEqual(known.Disk, seen.Disk) {
				next.Disks[i], differs = seen.Disk, true
			}
		}
	}
	return next, differs
}
