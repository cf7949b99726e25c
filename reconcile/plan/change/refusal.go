package change

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
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
	case d.Workload.Inputs != op.Inputs:
		return "the fleet asks for something else now"
	case d.Workload.Update != op.Update:
		return "spec.update was changed, which may have allowed it"
	case slices.ContainsFunc(op.Consents(), func(given string) bool { return given != d.Consent.Erase }):
		return "the consent was taken back"
	default:
		return ""
	}
}

// whyNotAllowed says why an operation that was not armed may not be armed, or "". The fleet decides. The fields of
// the operation do not, as they may come from a status branch that somebody edited. The fleet still asks for the
// workload of the operation.
func whyNotAllowed(d inventory.Desired, rec inventory.Record) string {
	op, root := *rec.Operation, rec.Operation.Root()
	if why := whyOtherDisks(d); why != "" {
		return why
	}
	if root.Content == inventory.ContentBlank {
		return ""
	}
	if why := WhyUnsigned(d); why != "" {
		return why
	}
	given := d.Consent.Erase
	overSeen := given == inventory.EraseConsent(d.ID, root.Disk, root.Content, op.Inputs)
	named := inventory.NamedDisk(d.RootDisk)
	overUnseen := given == inventory.EraseConsent(d.ID, named, inventory.ContentUnseen, op.Inputs)
	coveredByRule := d.Reinstallable && keepsReinstalling(d, rec)
	if coveredByRule || overSeen || overUnseen && countsUnseen(rec, given) {
		return ""
	}
	return "nothing in the fleet allows what it would erase"
}
