package act

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// Forget drops what is known of a machine. The epoch stays, raised by one, so that no earlier page knows more than
// the record. The spent consents stay, together with the consent of an operation that may have written, and the starts of
// erases, which the fleet's limit of erases counts.
func Forget(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && (op.HasBegun() || stageOrder[op.Stage] >= stageOrder[inventory.Working] ||
		rec.Unproved()) {
		rec = spendConsents(rec, op.Disks)
	}
	epoch := rec.Epoch + 1
	return inventory.Record{ID: rec.ID, Life: rec.Life, Revision: rec.Revision, Epoch: epoch, Spent: rec.Spent,
		Erased: rec.Erased, Forgotten: epoch}
}

// KeepsRecord says why an operator may not have the record of a machine dropped, with what to do instead, or "". A
// write that is known from the status branch alone is for the operator to judge. The first row that fits decides:
//
//	the machine's host has                               kept, until
//	an operation that is written and verified            the system calls
//	an operation that may be writing                     the operation ends
//	a run of a workload                                  the machine is free again
//	anything else                                        not
func KeepsRecord(rec inventory.Record) string {
	op := rec.Operation
	counts := op != nil && !rec.Unproved()
	switch {
	case counts && IsVerified(*op):
		return fmt.Sprintf("operation %s is written and verified: it ends when the system calls; "+
			"`ingot retry` starts it again, other inputs end it", op.ID)
	case counts && mayBeWriting(*op):
		return fmt.Sprintf("operation %s may be writing: wait for its end, or ask for other inputs in the fleet", op.ID)
	case rec.Run != nil && !rec.Unproved():
		return fmt.Sprintf("run %s of workload %s is under way: wait for its end, or run `ingot run cancel %[2]s --now`",
			rec.Run.ID, rec.Run.Workload)
	default:
		return ""
	}
}

// mayBeWriting reports whether an operation has begun to write, or has a job out at an agent.
func mayBeWriting(op inventory.Operation) bool {
	step, _ := op.Step()
	return op.HasBegun() || step.State == inventory.StepWorking
}
