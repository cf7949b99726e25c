package plan

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// superseded ends an operation that has written nothing, and that the fleet does not want or allow any more. Only the
// journal changes. A job that the agent has is taken back before.
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

// refusal says why the fleet does not want or allow an operation that has written nothing, or "".
func (h host) refusal(op inventory.Operation) string {
	h.rec.Operation = &op
	return change.Refusal(h.d, h.o.Standing, h.rec)
}

// stopped answers when no further attempt of an operation that may have written is wanted, which ends it, or allowed,
// which holds it: what the disk had is gone.
func (h host) stopped(op inventory.Operation) (Plan, bool) {
	if why := change.Unwanted(h.d, op); why != "" {
		return h.giveUp(op, strings.TrimSuffix(why+": "+op.Error, ": ")), true
	}
	why := h.refusal(op)
	if why == "" {
		return Plan{}, false
	}
	hold := change.Hold{Reason: change.NeedsConsent, Message: fmt.Sprintf("an attempt that failed may have written to disk %s, and no other one is let begin: %s", op.Root().Disk.Label(), why)}
	if change.Unsigned(h.d) != "" {
		hold.Reason, hold.Unsigned = change.NeedsSigners, h.d.Signatures.Tag
	} else {
		hold.Consent = inventory.EraseConsent(h.d.ID, op.Root().Disk, op.Root().Content, op.Inputs)
	}
	return h.held(hold), true
}
