package plan

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// superseded ends an operation that has written nothing, and that the fleet does not want or allow any more. Only the journal changes. A job that the agent has
// is taken back before.
func (h host) superseded(op inventory.Operation) (Plan, bool) {
	if job := h.job(op); op.Stage != inventory.Intended && !op.Unwritten() || job.State != inventory.NoJob || job.Begun {
		return Plan{}, false
	}
	why := h.refusal(op)
	if why == "" {
		return Plan{}, false
	}
	return h.close(op, inventory.Superseded, why, Waiting), true
}

// Refusal says why the operation that is under way may not begin to write, as far as a person can take that leave back, or "". It is asked again right before
// the install step begins.
func Refusal(d inventory.Desired, rec inventory.Record) string {
	if rec.Operation == nil {
		return "no operation is under way"
	}
	h := host{d: d, rec: rec, change: Decide(d, rec)}
	if h.change.Verdict == HandsOff {
		return strings.Join(h.change.Why, "; ")
	}
	return h.refusal(*rec.Operation)
}

// refusal says why the fleet does not want or allow an operation that has written nothing, or "".
func (h host) refusal(op inventory.Operation) string {
	if op.Replaces != nil { // it is on the disk still
		h.rec.Installed = op.Replaces
	}
	if why := h.unwanted(op); why != "" {
		return why
	}
	return h.unallowed(op)
}

// unwanted says why the fleet does not ask for this operation any more, or "".
func (h host) unwanted(op inventory.Operation) string {
	switch {
	case h.d.Workload == nil:
		return "the fleet asks for no workload any more"
	case h.d.Workload.Inputs != op.Inputs:
		return "the fleet asks for something else now"
	case h.d.Workload.Update != op.Update:
		return "spec.update was changed, which may have allowed it"
	case op.Consent != "" && h.d.Consent.Erase != op.Consent:
		return "the consent was taken back"
	default:
		return ""
	}
}

// unallowed says why an operation that was not armed may not be, or "". It goes by the fleet, not by the operation's own word: that may come from a
// status branch that somebody edited. The fleet asks for the operation's workload still.
func (h host) unallowed(op inventory.Operation) string {
	if why := otherDisks(h.d); why != "" {
		return why
	}
	if op.Content == inventory.ContentBlank {
		return ""
	}
	if why := unsigned(h.d); why != "" {
		return why
	}
	if h.d.Reinstallable && keepsReinstalling(h.d, h.rec) {
		return ""
	}
	seen := inventory.EraseConsent(h.d.ID, op.Disk, op.Content, op.Inputs)
	over := inventory.EraseConsent(h.d.ID, inventory.NamedDisk(h.d.RootDisk), inventory.ContentUnseen, op.Inputs)
	if given := h.d.Consent.Erase; given == seen || given == over && unseen(h.rec, given) {
		return ""
	}
	return "nothing in the fleet allows what it would erase"
}

// stopped answers when no further attempt of an operation that may have written is wanted, which ends it, or allowed, which holds it: what the disk had is gone.
func (h host) stopped(op inventory.Operation) (Plan, bool) {
	if why := h.unwanted(op); why != "" {
		return h.giveUp(op, strings.TrimSuffix(why+": "+op.Error, ": ")), true
	}
	why := h.refusal(op)
	if why == "" {
		return Plan{}, false
	}
	hold := Hold{Reason: NeedsConsent, Message: fmt.Sprintf("an attempt that failed may have written to disk %s, and no other one is let begin: %s", op.Disk.Label(), why)}
	if unsigned(h.d) != "" {
		hold.Reason, hold.Unsigned = NeedsSigners, h.d.Signatures.Tag
	} else {
		hold.Consent = inventory.EraseConsent(h.d.ID, op.Disk, op.Content, op.Inputs)
	}
	return h.held(hold), true
}
