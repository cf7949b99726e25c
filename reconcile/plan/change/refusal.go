package change

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Refusal says why the operation under way may not begin to write, as far as a person can take the leave back, or "".
// The daemon asks again right before the install step begins. Where no write has begun, the system that the operation
// would replace counts as installed.
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

// whyNotAllowed says why an operation that was not armed may not be armed, or "". The fleet decides, not the operation's own
// fields: these may come from a status branch that somebody edited. The fleet asks for the operation's workload still.
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
	if d.Reinstallable && keepsReinstalling(d, rec) {
		return ""
	}
	seen := inventory.EraseConsent(d.ID, root.Disk, root.Content, op.Inputs)
	over := inventory.EraseConsent(d.ID, inventory.NamedDisk(d.RootDisk), inventory.ContentUnseen, op.Inputs)
	if given := d.Consent.Erase; given == seen || given == over && countsUnseen(rec, given) {
		return ""
	}
	return "nothing in the fleet allows what it would erase"
}
