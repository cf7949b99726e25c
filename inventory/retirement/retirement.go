// Package retirement is what the fleet asks of a machine that leaves it with its disks erased (spec.retire). Apply gives
// a host the erase in place of its Workload; Done says whether the machine is erased. Do not decide here whether a disk
// may be erased: package change does, as for every operation. Pure.
package retirement

import (
	"cmp"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// Name is what stands in place of the name of a Workload.
const Name = "retirement"

// seconds is the timeout of the erase: each disk has a deadline of its own, from its size.
const seconds = 720 * 60 * 60

// Apply gives a host the erase of spec.retire in place of its Workload. The erase is true of a machine: it comes from the
// trunk, in every ring. Another policy or other names make another erase; the hints behind the names do not, as each disk
// is compared with its permission. from is the place of spec.retire.
func Apply(d *inventory.Desired, r schemas.Retire, from schemas.Position) {
	writes := r.Disks.Writes()
	args := map[string]any{"policy": r.Policy, "disks": toAny(writes)}
	step := inventory.Step{Name: schemas.StepErase, Writes: writes, Seconds: seconds, Attempts: 1, From: from, Host: true,
		Arguments: steps.Arguments{Args: args}}
	parts := map[string]string{"retire": inventory.Digest(append([]string{r.Policy}, slices.Sorted(slices.Values(writes))...)...)}
	d.Retires, d.Release, d.Pending, d.Vars = true, d.Commit, "", nil
	d.Workload = &inventory.Workload{Name: Name, Steps: []inventory.Step{step}, Update: schemas.OnConsent,
		PhoneHome: schemas.PhoneHomeDisabled, Parts: parts, Inputs: inventory.Digest("ingot retire v1", parts["retire"])}
}

func toAny(names []string) (all []any) {
	for _, name := range names {
		all = append(all, name)
	}
	return all
}

// FindSpared names the disks that appeared after the erase was published, or were no part of it, by their labels: they are
// not erased. Removable and read-only disks are not named.
func FindSpared(rec inventory.Record) (labels []string) {
	if rec.Facts == nil || rec.Last == nil {
		return nil
	}
	for _, disk := range inventory.IdentifyDisks(rec.Facts.Disks) {
		erased := slices.ContainsFunc(rec.Last.Disks, func(d inventory.OperationDisk) bool { return disk.Is(d.Disk) })
		if !erased && !disk.Removable && !disk.ReadOnly {
			labels = append(labels, cmp.Or(disk.ID().Label(), disk.Name))
		}
	}
	return labels
}

// ListDisks names the disks that the newest look found, by their labels, or says that nobody looked.
func ListDisks(rec inventory.Record) (labels []string) {
	if rec.Facts == nil {
		return []string{"disks that no agent looked at"}
	}
	for _, disk := range inventory.IdentifyDisks(rec.Facts.Disks) {
		if !disk.Removable && !disk.ReadOnly {
			labels = append(labels, cmp.Or(disk.ID().Label(), disk.Name))
		}
	}
	return labels
}

// Done reports whether the machine's last operation erased what the fleet asks for, and every disk was read back.
func Done(d inventory.Desired, rec inventory.Record) bool {
	last := rec.Last
	return d.Retires && rec.Operation == nil && last != nil && last.Kind == inventory.Erase &&
		last.Outcome == inventory.Succeeded && last.Installs(d.Workload)
}
