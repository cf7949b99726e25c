package change

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Refusal says why the operation under way may not begin to write, or "". A person can withdraw the permission until
// the first write. The daemon asks again right before the install step begins. Where no write has begun, the system
// that the operation would replace counts as installed.
func Refusal(d inventory.Desired, who inventory.Standing, rec inventory.Record) string {
	if rec.Operation == nil {
		return "no operation is under way"
	}
	if c := Decide(d, who, rec); c.Verdict == HandsOff {
		return strings.Join(c.Why, "; ")
	}
	op := *rec.Operation
	if op.Replaces != nil {
		rec.Installed = op.Replaces
	}
	if why := WhyUnwanted(d, op); why != "" {
		return why
	}
	return whyNotAllowed(d, rec)
}

// WhyUnwanted says why the fleet does not ask for an operation any more, or "".
func WhyUnwanted(d inventory.Desired, op inventory.Operation) string {
	switch {
	case d.Workload == nil:
		return "the fleet asks for no workload any more"
	case !op.Installs(d.Workload):
		return "the fleet asks for something else now"
	case d.Workload.Update != op.Update:
		return "spec.update was changed, which may have allowed it"
	case slices.ContainsFunc(op.Consents(), func(used string) bool { return !slices.Contains(d.Consent.Erase, used) }):
		return "the consent was taken back"
	default:
		return ""
	}
}

// whyNotAllowed says why an operation that was not armed may not be armed, or "". The fleet decides. The fields of
// the operation do not, as they may come from a status branch that somebody edited. The fleet still asks for the
// workload of the operation.
func whyNotAllowed(d inventory.Desired, rec inventory.Record) string {
	if why := whyOtherDisks(d); why != "" {
		return why
	}
	for i := range max(1, len(rec.Operation.Disks)) {
		if why := whyDiskNotAllowed(d, rec, i); why != "" {
			return why
		}
	}
	return WhyUncovered(d, rec)
}

// whyDiskNotAllowed says why a disk of an operation may not be written, by its index, or "".
func whyDiskNotAllowed(d inventory.Desired, rec inventory.Record, i int) string {
	op, disk := *rec.Operation, rec.Operation.Root()
	if i > 0 {
		disk = op.Disks[i]
	}
	if disk.Content == inventory.ContentBlank {
		return ""
	}
	if why := WhyUnsigned(d); why != "" {
		return why
	}
	overSeen := isAnyGiven(d, OperationConsents(op, d.ID, disk))
	unseen := consentOverUnseen(d)
	overUnseen := i == 0 && unseen != "" && slices.Contains(d.Consent.Erase, unseen) && countsUnseen(d, rec, unseen)
	coveredByRule := i == 0 && isCoveredByRule(d, rec, disk.Content)
	if coveredByRule || overSeen || overUnseen {
		return ""
	}
	if i > 0 {
		return fmt.Sprintf("nothing in the fleet allows what it would erase on disk %s", disk.Disk.Label())
	}
	return "nothing in the fleet allows what it would erase"
}

// WhyUncovered says which disk the workload's config or a step writes to although no permission of the operation covers
// the disk, or "": the newest look found the disk, and the operation was allowed before.
func WhyUncovered(d inventory.Desired, rec inventory.Record) string {
	op := rec.Operation
	if d.Workload == nil || rec.Facts == nil || op == nil {
		return ""
	}
	others, err := findWritten(d, rec, op.Root().Disk)
	if err != nil {
		return err.Error()
	}
	for _, other := range others {
		covered := slices.ContainsFunc(op.Disks, func(allowed inventory.OperationDisk) bool {
			return other.disk.Is(allowed.Disk) && allowed.Name == other.name
		})
		if appeared := other.name == schemas.EveryDisk; !covered && !appeared { // the operation keeps the disks it named
			return fmt.Sprintf("disk %s would be written to (%s), which the operation was not allowed to",
				cmp.Or(other.disk.ID().Label(), other.disk.Name), strings.Join(other.devices, ", "))
		}
	}
	return ""
}
