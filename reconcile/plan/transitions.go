package plan

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// maxSpent is how many consents of ended operations a record keeps, maxDropped how many ids of those that are not its last.
const (
	maxSpent   = 8
	maxDropped = 8
)

// Begin is the record with an action's intent, to be written before its effect. For journal-only actions it is all there is. The id of
// a new operation or boot is in the action: the planner has no randomness. The given record is not changed.
func Begin(rec inventory.Record, a Action, now time.Time) inventory.Record {
	rec = clone(rec)
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
		op := *a.Operation
		op.Stage, op.Attempt, op.Started = inventory.Intended, 1, now
		rec.Operation = &op
	case RecordWord:
		if rec = rec.Proved(); a.Operation != nil {
			rec.Operation, rec.Installed = a.Operation, nil
		}
	case CloseOperation:
		return end(rec, a.Operation.Outcome, a.Operation.Error, now)
	case AssignInstall:
		advance(rec.Operation, inventory.Armed)
		if rec.Installed != nil { // from here on the disk may hold anything
			rec.Operation.Replaces, rec.Installed = rec.Installed, nil
		}
	case RecordTakeover:
		return takeOver(rec, a)
	case RecordFacts:
		rec.Facts, rec.Pinned = a.Facts, rec.PinFacts(a.Facts)
	case RecordBegun:
		begun(rec.Operation)
	case RecordWritten:
		advance(rec.Operation, inventory.Written)
		rec.Operation.Error = ""
		begun(rec.Operation)
	case RecordFailed:
		return failedAttempt(rec, a)
	case RecordHome:
		return home(rec, a.Home, now)
	case FetchImage, Publish, PowerOff, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, WithdrawJob, AssignPowerOff:
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
	rec = clone(rec)
	switch {
	case a.Kind == Publish && rec.Operation != nil && rec.Operation.Stage == inventory.Intended:
		rec.Operation.Stage = inventory.Published
	case a.Kind == AssignInstall && rec.Operation != nil:
		if begun(rec.Operation); rec.Unproved() {
			rec.Operation.Begun = inventory.BegunUnknown
		}
		rec = rec.Proved() // the agent has the job, or had the job before
	case a.Kind == PowerOn && rec.Boot != nil && rec.Boot.Stage == inventory.Powering:
		rec.Boot.Stage, rec.Boot.Started = inventory.Running, now
		rec.Boot.Found = out.Found && rec.Boot.Target == inventory.FromRamdisk
		if rec.Boot.Target == inventory.FromDisk && rec.Operation != nil && rec.Operation.Stage == inventory.Written {
			advance(rec.Operation, inventory.Starting)
		}
	}
	return rec
}

// order of the stages. An operation never goes back: what was written and verified is not written again.
var order = map[inventory.Stage]int{
	inventory.Intended: 1, inventory.Published: 2, inventory.Armed: 3, inventory.Written: 4, inventory.Starting: 5, inventory.Ended: 6,
}

// advance is the one place where an operation's stage changes.
func advance(op *inventory.Operation, to inventory.Stage) {
	if order[to] < order[op.Stage] {
		panic(fmt.Sprintf("plan: operation %s would go from %s back to %s", op.ID, op.Stage, to))
	}
	op.Stage = to
}

// begun notes that the present attempt, if no earlier one did, may write to the disk.
func begun(op *inventory.Operation) {
	if op.Begun == 0 {
		op.Begun = op.Attempt
	}
}

// failedAttempt ends the present attempt. One that wrote nothing, when none before it may have, gives the machine its system back.
func failedAttempt(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	advance(op, inventory.Armed)
	if begun(op); a.Untouched && op.Begun == op.Attempt {
		op.Begun = 0
		rec = restored(rec)
	}
	op.Error = a.Error
	op.Attempt++
	if a.Withdrawn {
		op.Withdrawn++
	}
	return rec
}

// restored gives a machine the system back that its operation would have replaced, and has not: nothing was written. It changes the record's operation.
func restored(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && op.Begun == 0 && op.Replaces != nil {
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

// end closes the operation. A consent is spent when something may have been written under it.
func end(rec inventory.Record, outcome, failure string, now time.Time) inventory.Record {
	rec = restored(rec)
	op := *rec.Operation
	if op.Begun != 0 || outcome == inventory.Succeeded {
		rec = spend(rec, op.Consent)
	}
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

// spend keeps a consent from counting again.
func spend(rec inventory.Record, consent string) inventory.Record {
	if consent == "" {
		return rec
	}
	rec.Spent = append(append([]string{}, rec.Spent...), consent)
	rec.Spent = rec.Spent[max(0, len(rec.Spent)-maxSpent):]
	return rec
}

// home ends the operation well: the installed system runs.
func home(rec inventory.Record, call *inventory.PhoneHome, now time.Time) inventory.Record {
	op := rec.Operation
	begun(op) // it runs, so it was written
	rec.Recovered = nil
	rec.Installed = &inventory.Installed{
		ID: op.ID, Workload: op.Workload, Inputs: op.Inputs, Parts: op.Parts, Commit: op.Commit, Image: op.Image, Disk: op.Disk, Update: op.Update, At: now,
	}
	if call != nil {
		rec.Installed.PhoneHome = call.At
	}
	return end(rec, inventory.Succeeded, "", now)
}

// clone copies what Begin and Settle change in place.
func clone(rec inventory.Record) inventory.Record {
	if rec.Operation != nil {
		op := *rec.Operation
		rec.Operation = &op
	}
	if rec.Boot != nil {
		boot := *rec.Boot
		rec.Boot = &boot
	}
	return rec
}
