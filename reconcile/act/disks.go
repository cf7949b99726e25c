package act

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

// FindDisks gives disks of an operation, by their indexes, among the disks that an agent reported: the root disk as the
// fleet's hints pick it, the other disks by what is known of them. The names of disks must mean the same disks as
// before; else why says what differs.
func FindDisks(d inventory.Desired, facts inventory.Facts, op inventory.Operation, indexes []int) (
	found []inventory.MachineDisk, why string,
) {
	machine := inventory.IdentifyDisks(facts.Disks)
	for _, i := range indexes {
		allowed := op.Disks[i]
		if i == 0 {
			root, err := pick.RootDisk(d, facts.Disks)
			if err != nil {
				return nil, fmt.Sprintf("the root disk is not %s any more: %s", allowed.Disk.Label(), err)
			}
			found = append(found, root)
			continue
		}
		matches := MatchDisks(machine, allowed.Disk)
		if len(matches) != 1 {
			return nil, fmt.Sprintf("%d disks are %s", len(matches), allowed.Disk.Label())
		}
		if why := whyOtherSet(d, facts, op, allowed.Name); why != "" {
			return nil, why
		}
		found = append(found, matches[0])
	}
	return found, ""
}

// whyOtherSet says why a name of spec.disks does not mean the disks of the operation any more, or "".
func whyOtherSet(d inventory.Desired, facts inventory.Facts, op inventory.Operation, name string) string {
	if name == "" {
		return ""
	}
	named, err := pick.Names(d, []string{name}, facts.Disks)
	if err != nil {
		return err.Error()
	}
	var allowed, now []string
	same := true
	for _, disk := range op.Disks {
		if disk.Name == name {
			allowed = append(allowed, disk.Disk.Label())
			same = same && len(MatchDisks(named[name], disk.Disk)) == 1
		}
	}
	for _, disk := range named[name] {
		now = append(now, disk.ID().Label())
	}
	if same && (len(allowed) == len(now) || name == schemas.EveryDisk) { // a disk that appeared is not erased
		return ""
	}
	return fmt.Sprintf("spec.disks.%s is %s now, the operation was allowed to write %s", name, strings.Join(now, ", "),
		strings.Join(allowed, ", "))
}

// WithSeen gives the facts after a later look at some of the disks, and whether the look found one of them different.
func WithSeen(facts inventory.Facts, q inventory.Question) (next inventory.Facts, differs bool) {
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
