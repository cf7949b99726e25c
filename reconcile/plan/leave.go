package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// closeSuperseded ends an operation that has written nothing, and that the fleet does not want or allow any more.
// Only the journal changes. A job of the agent is taken back before.
func (h *host) closeSuperseded(op inventory.Operation) (Plan, bool) {
	if job := h.CurrentJob(op); op.Stage != inventory.Intended && !op.Unwritten() || job.State != inventory.NoJob ||
		job.Begun {
		return Plan{}, false
	}
	why := h.whyRefused(op)
	if why == "" {
		return Plan{}, false
	}
	return h.closeOperation(op, inventory.Superseded, why, Waiting), true
}

// whyRefused says why the fleet does not want or allow an operation that has written nothing, or "".
func (h *host) whyRefused(op inventory.Operation) string {
	why := change.Refusal(h.Desired, h.Observed.Standing, h.recordWith(op))
	if why == "" && !op.HasBegun() {
		return change.KeptOff(h.Desired)
	}
	return why
}

// whyUncovered says which disk the config writes to without the operation's permission, or "".
func (h *host) whyUncovered(op inventory.Operation) string {
	return change.WhyUncovered(h.Desired, h.recordWith(op))
}

// recordWith is the record with an operation in place of its own.
func (h *host) recordWith(op inventory.Operation) inventory.Record {
	record := h.Record
	record.Operation = &op
	return record
}

// stopAttempts answers when no further attempt of an operation that may have written may begin. An unwanted operation
// ends. An operation without permission is held: the old content of the disk is gone.
func (h *host) stopAttempts(op inventory.Operation) (Plan, bool) {
	if why := cmp.Or(change.WhyUnwanted(h.Desired, op), h.whyUncovered(op)); why != "" {
		return h.giveUp(op, strings.TrimSuffix(why+": "+op.Error, ": ")), true
	}
	why := h.whyRefused(op)
	if why == "" {
		return Plan{}, false
	}
	hold := change.Hold{Reason: change.NeedsConsent,
		Message: fmt.Sprintf("a failed attempt may have written to disk %s, and no other attempt may begin: %s",
			op.Root().Disk.Label(), why)}
	if change.WhyUnsigned(h.Desired) != "" {
		hold.Reason, hold.Unsigned = change.NeedsSigners, h.Desired.Signatures.Tag
	} else {
		for _, disk := range op.Disks {
			if disk.Content != inventory.ContentBlank {
				hold.Consents = append(hold.Consents, change.OperationConsents(op, h.Desired.ID, disk)[0])
			}
		}
	}
	return h.holdHost(hold), true
}
