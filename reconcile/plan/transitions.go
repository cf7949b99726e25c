package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// maxSpent is how many consents of ended operations a record keeps, maxDropped how many ids of those that are not its
// last.
const (
	maxSpent   = 8
	maxDropped = 8
)

// Begin is the record with an action's intent, to be written before its effect. For journal-only actions it is all
// there is. The id of a new operation or boot is in the action: the planner has no randomness. The given record is not
// changed.
func Begin(rec inventory.Record, a Action, now time.Time) inventory.Record {
	rec = cloneRecord(rec)
	switch a.Kind {
	case OpenBoot:
		rec.Epoch++
		rec.Pinned = rec.PinFacts(rec.Facts) // a record of an earlier version has none
		rec.BMC = a.BMC
		boot := *a.Boot
		boot.Epoch, boot.Stage, boot.Opened = rec.Epoch, inventory.Preparing, now
		rec.Boot = &boot
	case CloseBoot:
		rec.Boot = nil
	case PowerOn:
		if rec.Boot != nil && rec.Boot.Stage == inventory.Preparing {
			rec.Boot.Stage = inventory.Powering
		}
	case OpenOperation:
		op := *a.Operation.Clone()
		op.Kind, op.Stage, op.Attempt, op.Started = inventory.Install, inventory.Intended, 1, now
		rec.Operation = &op
	case RecordWord:
		if rec = rec.Proved(); a.Operation != nil {
			rec.Operation, rec.Installed = a.Operation, nil
		}
	case CloseOperation:
		return endOperation(rec, a.Operation.Outcome, a.Operation.Error, now)
	case AssignStep:
		return handOutStep(rec, a)
	case RecordTakeover:
		return takeOver(rec, a)
	case RecordFacts:
		rec.Facts, rec.Pinned = a.Facts, rec.PinFacts(a.Facts)
	case RecordBegun:
		noteBegun(rec.Operation)
	case RecordStep:
		recordStep(rec.Operation)
	case RecordFailed:
		return endFailedAttempt(rec, a)
	case RecordHome:
		return recordHome(rec, a.Home, now)
	case FetchImage, Publish, PowerOff, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, WithdrawJob,
		AssignPowerOff:
		// nothing to remember: the effect can be seen
	default:
		panic("plan: unknown action " + string(a.Kind))
	}
	return rec
}

// Settle is the record after an effect, to be written before the next decision. The given record is not changed.
func Settle(rec inventory.Record, a Action, out Outcome, now time.Time) inventory.Record {
	if out.Result != Done {
		return rec
	}
	rec = cloneRecord(rec)
	switch {
	case a.Kind == Publish && rec.Operation != nil && rec.Operation.Stage == inventory.Intended:
		rec.Operation.Stage = inventory.Published
	case a.Kind == AssignStep && rec.Operation != nil:
		if rec.Operation.Writes() {
			noteBegun(rec.Operation)
		}
		if rec.Unproved() {
			forgetBegun(rec.Operation)
		}
		rec = rec.Proved() // the agent has the job, or had the job before
	case a.Kind == PowerOn && rec.Boot != nil && rec.Boot.Stage == inventory.Powering:
		rec.Boot.Stage, rec.Boot.Started = inventory.Running, now
		rec.Boot.Found = out.Found && rec.Boot.Target == inventory.FromRamdisk
		if op := rec.Operation; rec.Boot.Target == inventory.FromDisk && op != nil && op.Stage == inventory.Confirming {
			op.Starts++
		}
	}
	return rec
}

// order of the stages. An operation never goes back: what was written and verified is not written again.
var stageOrder = map[inventory.Stage]int{
	inventory.Intended: 1, inventory.Published: 2, inventory.Working: 3, inventory.Confirming: 4, inventory.Ended: 5,
}

// advanceStage is the one place where an operation's stage changes.
func advanceStage(op *inventory.Operation, to inventory.Stage) {
	if stageOrder[to] < stageOrder[op.Stage] {
		panic(fmt.Sprintf("plan: operation %s would go from %s back to %s", op.ID, op.Stage, to))
	}
	op.Stage = to
}

// handOutStep notes that the step at the cursor is about to be handed out. An operation of ingot 4176809 that was not armed
// has its steps in the action.
func handOutStep(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	if len(op.Steps) == 0 && op.Stage != inventory.Working {
		op.Steps = slices.Clone(a.Operation.Steps)
	}
	advanceStage(op, inventory.Working)
	if step, due := op.Step(); due {
		step.State, step.Attempt = inventory.StepWorking, op.Attempt
		op.Steps[op.Cursor] = step
	}
	if op.Writes() && rec.Installed != nil { // from here on the disk may hold anything
		op.Replaces, rec.Installed = rec.Installed, nil
	}
	return rec
}

// recordStep notes that the step at the cursor is done. After the last one the operation is to be confirmed.
func recordStep(op *inventory.Operation) {
	advanceStage(op, inventory.Working)
	if op.Writes() {
		noteBegun(op)
	}
	if step, due := op.Step(); due {
		step.State = inventory.StepDone
		op.Steps[op.Cursor] = step
		op.Cursor++
	}
	if op.Cursor == len(op.Steps) {
		advanceStage(op, inventory.Confirming)
		op.Error = ""
	}
}

// noteBegun notes that the present attempt, if no earlier one did, may write to the operation's disks.
func noteBegun(op *inventory.Operation) {
	for i := range op.Disks {
		if op.Disks[i].Begun == 0 {
			op.Disks[i].Begun = op.Attempt
		}
	}
}

// takeBegunBack notes that the present attempt came to no write. What an earlier attempt may have written stays.
func takeBegunBack(op *inventory.Operation) {
	for i := range op.Disks {
		if op.Disks[i].Begun == op.Attempt {
			op.Disks[i].Begun = 0
		}
	}
}

// forgetBegun notes that attempts which nobody remembers may have written.
func forgetBegun(op *inventory.Operation) {
	for i := range op.Disks {
		op.Disks[i].Begun = inventory.BegunUnknown
	}
}

// endFailedAttempt ends the present attempt. One that wrote nothing, when none before it may have, gives the machine its
// system back. That a script wrote nothing says so of the script alone.
func endFailedAttempt(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	advanceStage(op, inventory.Working)
	if op.Writes() {
		if noteBegun(op); a.Untouched {
			takeBegunBack(op)
		}
	}
	rec = restoreReplaced(rec)
	op.Error = a.Error
	op.Attempt++
	if a.Withdrawn {
		op.Withdrawn++
	}
	rewindCursor(op, a)
	return rec
}

// rewindCursor puts the cursor on the first step that the next attempt may repeat: the first of the list, or, where the
// system is written and verified, the one behind the step that installs. Steps in front of it are not run over a
// written system.
func rewindCursor(op *inventory.Operation, a Action) {
	if len(op.Steps) == 0 && a.Operation != nil { // the attempt that failed was one job for the whole list
		op.Steps = slices.Clone(a.Operation.Steps)
	}
	first := 0
	for i, step := range op.Steps {
		if step.Installs() && step.State == inventory.StepDone {
			first = i + 1
		}
	}
	for i := first; i < len(op.Steps); i++ {
		if op.Steps[i].State = inventory.StepWaiting; i == op.Cursor && op.Steps[i].Attempt != 0 {
			op.Steps[i].State = inventory.StepFailed
		}
	}
	op.Cursor = first
}

// restoreReplaced gives a machine the system back that its operation would have replaced, and has not: nothing was written. It
// changes the record's operation.
func restoreReplaced(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && !op.HasBegun() && op.Replaces != nil {
		rec.Installed, op.Replaces = op.Replaces, nil
	}
	return rec
}

// takeOver notes that the fleet allows to take over a machine found running. When it is another machine than the one
// that is known, what is known is forgotten.
func takeOver(rec inventory.Record, a Action) inventory.Record {
	if !a.Replaced {
		rec.Adopted = a.Serial
		return rec
	}
	rec = Forget(rec)
	rec.Adopted, rec.BMC = a.Serial, a.BMC
	return rec
}

// endOperation closes the operation. A consent is spent when something may have been written under it.
func endOperation(rec inventory.Record, outcome, failure string, now time.Time) inventory.Record {
	rec = restoreReplaced(rec)
	op := *rec.Operation
	if outcome == inventory.Succeeded {
		noteBegun(&op)
	}
	rec = spendBegun(rec, op.Disks)
	op.Replaces = nil
	op.Stage, op.Ended, op.Outcome = inventory.Ended, now, outcome
	if failure != "" {
		op.Error = failure
	}
	rec.Operation = nil
	if outcome == inventory.Superseded && rec.Last != nil && rec.Last.Outcome == inventory.Quarantined {
		rec.Dropped = append(append([]string{}, rec.Dropped...), op.ID)
		rec.Dropped = rec.Dropped[max(0, len(rec.Dropped)-maxDropped):]
		return rec // what is on the disk is still what the failed one left
	}
	rec.Last = &op
	return rec
}

// spendBegun keeps the consents over disks that may have been written to from counting again.
func spendBegun(rec inventory.Record, disks []inventory.OperationDisk) inventory.Record {
	var begun []inventory.OperationDisk
	for _, disk := range disks {
		if disk.Begun != 0 {
			begun = append(begun, disk)
		}
	}
	return spendConsents(rec, begun)
}

// spendConsents keeps the consents over disks from counting again, whether these were written to or not.
func spendConsents(rec inventory.Record, disks []inventory.OperationDisk) inventory.Record {
	for _, disk := range disks {
		if disk.Consent == "" {
			continue
		}
		rec.Spent = append(slices.Clone(rec.Spent), disk.Consent)
		rec.Spent = rec.Spent[max(0, len(rec.Spent)-maxSpent):]
	}
	return rec
}

// recordHome ends the operation well: the installed system runs.
func recordHome(rec inventory.Record, call *inventory.PhoneHome, now time.Time) inventory.Record {
	op := rec.Operation
	noteBegun(op) // it runs, so it was written
	rec.Recovered = nil
	rec.Installed = &inventory.Installed{
		ID: op.ID, Workload: op.Workload, Inputs: op.Inputs, Parts: op.Parts, Commit: op.Commit, Image: op.Image,
		Disk: op.Root().Disk, Update: op.Update, At: now,
	}
	if call != nil {
		rec.Installed.PhoneHome = call.At
	}
	return endOperation(rec, inventory.Succeeded, "", now)
}

// cloneRecord copies what Begin and Settle change in place.
func cloneRecord(rec inventory.Record) inventory.Record {
	if rec.Operation != nil {
		rec.Operation = rec.Operation.Clone()
	}
	if rec.Boot != nil {
		boot := *rec.Boot
		rec.Boot = &boot
	}
	return rec
}
