package plan

import (
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
		rec.Recalled = rec.Recalled && rec.Operation != nil
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
		if rec.Recalled = false; a.Operation != nil {
			rec.Operation, rec.Installed = a.Operation, nil
		}
	case CloseOperation:
		return end(rec, a.Operation.Outcome, a.Operation.Error, now)
	case AssignInstall:
		rec.Operation.Stage = inventory.Armed
		rec.Installed = nil // from here on the disk may hold anything
	case RecordTakeover:
		rec.Adopted = a.Serial
	case RecordFacts:
		rec.Facts = a.Facts
	case RecordWritten:
		rec.Operation.Stage, rec.Operation.Error = inventory.Written, ""
		begun(rec.Operation)
	case RecordFailed:
		if begun(rec.Operation); a.Untouched && rec.Operation.Begun == rec.Operation.Attempt {
			rec.Operation.Begun = 0
		}
		rec.Operation.Stage, rec.Operation.Error = inventory.Armed, a.Error
		rec.Operation.Attempt++
	case RecordHome:
		return home(rec, a.Home, now)
	case FetchImage, Publish, PowerOff, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, AssignPowerOff:
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
		begun(rec.Operation)
		rec.Recalled = false // its agent has the job, or had it before
	case a.Kind == PowerOn && rec.Boot != nil && rec.Boot.Stage == inventory.Powering:
		rec.Boot.Stage, rec.Boot.Started = inventory.Running, now
		if rec.Boot.Target == inventory.FromDisk && rec.Operation != nil && rec.Operation.Stage == inventory.Written {
			rec.Operation.Stage = inventory.Starting
		}
	}
	return rec
}

// begun notes that the present attempt, if no earlier one did, may write to the disk.
func begun(op *inventory.Operation) {
	if op.Begun == 0 {
		op.Begun = op.Attempt
	}
}

// end closes the operation. A consent that let a machine be armed is spent.
func end(rec inventory.Record, outcome, failure string, now time.Time) inventory.Record {
	op := *rec.Operation
	if op.Consent != "" && (op.Stage != inventory.Intended && op.Stage != inventory.Published || outcome == inventory.Succeeded) {
		rec.Spent = append(append([]string{}, rec.Spent...), op.Consent)
		rec.Spent = rec.Spent[max(0, len(rec.Spent)-maxSpent):]
	}
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

// home ends the operation well: the installed system runs.
func home(rec inventory.Record, call *inventory.PhoneHome, now time.Time) inventory.Record {
	op := rec.Operation
	rec.Recalled, rec.Rebuilt = false, false
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
