package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// Forget drops what is known of a machine. The epoch stays, raised by one, so that no earlier page knows more than
// the record. The spent consents stay, together with the consent of an operation that may have written.
func Forget(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && (op.HasBegun() || stageOrder[op.Stage] >= stageOrder[inventory.Working] ||
		rec.Unproved()) {
		rec = spendConsents(rec, op.Disks)
	}
	epoch := rec.Epoch + 1
	return inventory.Record{ID: rec.ID, Life: rec.Life, Revision: rec.Revision, Epoch: epoch, Spent: rec.Spent,
		Forgotten: epoch}
}

// KeepsRecord says why an operator may not have the record of a machine dropped, with what to do instead, or "". A
// write that is known from the status branch alone is for the operator to judge.
func KeepsRecord(rec inventory.Record) string {
	op, handedOut := rec.Operation, false
	if op != nil {
		step, _ := op.Step()
		handedOut = step.State == inventory.StepWorking
	}
	switch {
	case op == nil, rec.Unproved(), !op.HasBegun() && !handedOut && !isVerified(*op):
		return ""
	case isVerified(*op):
		return fmt.Sprintf("operation %s is written and verified: it ends when the system calls; "+
			"`ingot retry` starts it again, other inputs end it", op.ID)
	default:
		return fmt.Sprintf("operation %s may be writing: wait for its end, or ask for other inputs in the fleet", op.ID)
	}
}
