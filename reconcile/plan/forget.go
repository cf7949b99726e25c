package plan

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// Forget drops what is known of a machine. The epoch stays, raised by one so that no page of before knows more, and
// so do the spent consents, with the one of an operation that may have written.
func Forget(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && (op.HasBegun() || order[op.Stage] >= order[inventory.Working] ||
		rec.Unproved()) {
		rec = spendAll(rec, op.Disks)
	}
	epoch := rec.Epoch + 1
	return inventory.Record{ID: rec.ID, Life: rec.Life, Revision: rec.Revision, Epoch: epoch, Spent: rec.Spent,
		Forgotten: epoch}
}

// KeepsRecord says why an operator may not have what is known of a machine dropped, with what to do instead, or "". A
// write that is known from the status branch alone is for the operator to judge.
//
//	the machine's host has                               kept, until
//	an operation that is written and verified            the system calls
//	an operation that may be writing                     the operation ends
//	an operation whose job is out at an agent            the operation ends, or its job is taken back
//	a takeover in its file, which was given before       the takeover is taken out: a machine that runs would be
//	                                                     powered off for it
//	anything else                                        not
func KeepsRecord(d inventory.Desired, o inventory.Observed) string {
	op := o.Record.Operation
	handedOut := false
	if op != nil {
		step, _ := op.Step()
		handedOut = step.State == inventory.StepWorking
	}
	switch counts := op != nil && !o.Record.Unproved(); {
	case counts && verified(*op):
		return fmt.Sprintf("operation %s is written and verified: it ends when the system calls; "+
			"`ingot retry` starts it again, other inputs end it", op.ID)
	case counts && o.Agent.Unknown != "":
		return o.Agent.Unknown
	case counts && (op.HasBegun() || handedOut || mayWrite(host{rec: o.Record, o: o}.job(*op))):
		return fmt.Sprintf("operation %s may be writing: wait for its end, or ask for other inputs in the fleet", op.ID)
	case d.Consent.Takeover != "":
		return "its machine would be powered off if it runs: take spec.consent.takeover out of its file first"
	default:
		return ""
	}
}

// mayWrite reports whether an agent has a job that it may write for, or wrote for.
func mayWrite(job inventory.Job) bool {
	return job.Begun || job.State == inventory.JobAssigned || job.State == inventory.JobRunning ||
		job.State == inventory.JobSucceeded
}
