package act

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// maxDropped is how many ids of operations besides the last a record keeps.
const maxDropped = 8

// Begin is the record with the intent of an action, to be written before the effect. A journal-only action has no
// other effect. The id of a new operation or boot is in the action, as the planner has no randomness. The given
// record is not changed.
func Begin(rec inventory.Record, a Action, now time.Time) inventory.Record {
	rec = cloneRecord(rec)
	if a.Kind == GiveLeave { // guard: begun-before-yes
		return giveLeave(rec, a)
	}
	switch a.Kind {
	case OpenBoot:
		return openBoot(rec, a, now)
	case CloseBoot:
		rec.Boot = nil
	case RecordLost:
		if rec.Boot != nil {
			rec.Boot.Lost = true
		}
	case PowerOn:
		if rec.Boot != nil && rec.Boot.Stage == inventory.Preparing {
			rec.Boot.Stage = inventory.Powering
		}
	case OpenOperation:
		op := *a.Operation.Clone()
		op.Kind, op.Stage, op.Attempt, op.Started = cmp.Or(op.Kind, inventory.Install), inventory.Intended, 1, now
		rec.Operation = &op
	case RecordWord:
		if rec = rec.Proved(); a.Operation != nil {
			rec.Operation, rec.Installed = a.Operation, nil
		}
	case CloseOperation:
		return endOperation(rec, a.Operation.Outcome, a.Operation.Error, now)
	case AssignStep:
		return handOutStep(rec, a)
	case PinIdentity, RecordStranger, RecordTakeover:
		return recordIdentity(rec, a)
	case RecordFacts:
		return recordFacts(rec, a.Facts)
	case RecordBegun:
		return recordBegun(rec)
	case RecordStep, SkipStep:
		passStep(rec.Operation, a, rec.Epoch)
		return recordRequest(rec, a)
	case RecordRequest, Reboot, EndRequest:
		return beginRequest(rec, a, now)
	case RecordFailed:
		return endFailedAttempt(rec, a)
	case RecordConfig:
		return recordConfig(rec, a)
	case RecordHome:
		return recordHome(rec, a.Home, now)
	case OpenSettings, CloseSettings, RecordSettings:
		return recordSettings(rec, a, now)
	case OpenRun, AssignRun, EndRun, FreeRun, ForgiveRuns:
		return recordRun(rec, a, now)
	case FetchImage, Publish, PowerOff, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, GiveLeave, WithdrawJob,
		AssignPowerOff, WriteSettings, WithdrawRun, FinishRun:
		// the effect can be observed, and leaves no record
	default:
		panic("act: unknown action " + string(a.Kind))
	}
	return rec
}

// recordConfig gives the installed system the digests of the workload's config.
func recordConfig(rec inventory.Record, a Action) inventory.Record {
	if rec.Installed != nil {
		installed := *rec.Installed
		installed.Config, installed.Meaning = a.Config, a.Meaning
		rec.Installed = &installed
	}
	return rec
}

// recordBegun records that an agent of protocol 1 may write.
func recordBegun(rec inventory.Record) inventory.Record {
	noteBegun(rec.Operation, rec.Operation.StepDisks())
	if rec.Installed != nil {
		rec.Operation.Replaces, rec.Installed = rec.Installed, nil
	}
	return rec
}

func openBoot(rec inventory.Record, a Action, now time.Time) inventory.Record {
	rec.Epoch++
	if rec.Pinned = rec.Identity(); a.Boot.Target == inventory.FromRamdisk {
		rec.Stranger = nil // the agent of this boot looks anew
	}
	boot := *a.Boot
	boot.Epoch, boot.Stage, boot.Opened = rec.Epoch, inventory.Preparing, now
	if boot.Agent != "" { // the machine runs already, which proves nothing until the agent enrols
		boot.Stage, boot.Started, boot.Found = inventory.Running, now, true
	}
	if rec.Boot, rec.Settings = &boot, rec.Settings.Boot(rec.Epoch); rec.Run != nil && rec.Run.Booted != nil {
		rec.Ran = rec.Run.Batch
	}
	if run := boot.Request; run != nil && run.Sent.IsZero() { // guard: request-done
		rec.Done = rec.Done.With(run.Request(), "")
	}
	return rec
}

// Settle is the record after an effect, to be written before the next decision. The given record is not changed.
func Settle(rec inventory.Record, a Action, out Outcome, now time.Time) inventory.Record {
	switch {
	case a.Kind == Reboot:
		return settleReboot(rec, out, now)
	case out.Result != Done:
		return rec
	}
	rec = cloneRecord(rec)
	switch {
	case a.Kind == WriteSettings:
		rec.Settings = rec.Settings.Write(out.Job)
	case a.Kind == Publish && rec.Operation != nil && rec.Operation.Stage == inventory.Intended:
		rec.Operation.Stage = inventory.Published
	case a.Kind == AssignRun:
		rec = rec.Proved() // the agent of this boot has the job, or is to get it
	case a.Kind == AssignStep && rec.Operation != nil:
		if rec.Unproved() {
			ForgetBegun(rec.Operation)
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

// stageOrder is the order of the stages. An operation never goes back: a system that was written and verified is not
// written again.
var stageOrder = map[inventory.Stage]int{
	inventory.Intended: 1, inventory.Published: 2, inventory.Working: 3, inventory.Confirming: 4, inventory.Ended: 5,
}

// AdvanceStage is the only place where the stage of an operation changes.
func AdvanceStage(op *inventory.Operation, to inventory.Stage) {
	if stageOrder[to] < stageOrder[op.Stage] {
		panic(fmt.Sprintf("act: operation %s would go from %s back to %s", op.ID, op.Stage, to))
	}
	op.Stage = to
}

// noteBegun records that the present attempt, if no earlier attempt did, may write to disks, by their indexes.
func noteBegun(op *inventory.Operation, disks []int) {
	for _, i := range disks {
		if op.Disks[i].Begun == 0 {
			op.Disks[i].Begun = op.Attempt
		}
	}
}

// ForgetBegun records that unknown attempts may have written, but not to disks of steps that are skipped alone.
func ForgetBegun(op *inventory.Operation) {
	for _, i := range op.AllDisks() {
		if !op.IsSkipped(i) {
			op.Disks[i].Begun, op.Disks[i].Left = inventory.BegunUnknown, nil
		}
	}
}

// endFailedAttempt ends the present attempt. If no attempt may have written, the machine gets its old system back. What
// the agent says of its writes changes nothing: leave was given or not, and only the disk takes begun back.
func endFailedAttempt(rec inventory.Record, a Action) inventory.Record {
	op := rec.Operation
	AdvanceStage(op, inventory.Working)
	rec = restoreReplaced(rec)
	op.Error = a.Error
	if step, due := op.Step(); due {
		step.Once, step.Erased = step.Once || a.Final, steps.AddErased(step.Erased, a.Erased, op.Attempt)
		op.Steps[op.Cursor] = step
	}
	op.Attempt++
	if a.Withdrawn {
		op.Withdrawn++
	}
	noteLeft(op, a.Left)
	rewindCursor(op, a)
	return rec
}

// restoreReplaced gives a machine back the system that the operation would have replaced, if nothing was written. The
// operation of the record changes in place.
func restoreReplaced(rec inventory.Record) inventory.Record {
	if op := rec.Operation; op != nil && !op.HasBegun() && op.Replaces != nil {
		rec.Installed, op.Replaces = op.Replaces, nil
	}
	return rec
}

// recordFacts records what an agent saw on the known machine. Only the disks take back that a write has begun.
func recordFacts(rec inventory.Record, facts *inventory.Facts) inventory.Record {
	rec.Pinned = rec.Identity().Fill(inventory.IdentityOf(facts))
	rec.Facts, rec.Stranger, rec.Ran = facts, nil, ""
	if rec.Operation != nil {
		takeBackBegun(rec.Operation, inventory.IdentifyDisks(facts.Disks))
		rec = restoreReplaced(rec)
	}
	return rec
}

// recordIdentity records which machine the host has.
func recordIdentity(rec inventory.Record, a Action) inventory.Record {
	switch {
	case a.Kind == RecordTakeover:
		return takeOver(rec, a)
	case a.Kind == RecordStranger:
		rec.Stranger = a.Stranger
	case a.Anew:
		rec.Pinned, rec.Boot, rec.Adopted, rec.Stranger = *a.Pinned, nil, "", nil
	default:
		rec.Pinned = *a.Pinned
	}
	return rec
}

// takeOver records a takeover of the fleet, which is spent with it. If the machine is not the known machine, the record
// of the known machine is forgotten.
func takeOver(rec inventory.Record, a Action) inventory.Record {
	if a.Replaced {
		rec = Forget(rec)
	} else if rec.Boot != nil && rec.Boot.Lost {
		rec.Boot = nil
	}
	rec.Adopted, rec.Pinned = a.Takeover, *a.Pinned
	rec.Spent = append(slices.Clone(rec.Spent), a.Takeover)
	rec.Spent = rec.Spent[max(0, len(rec.Spent)-inventory.MaxSpent):]
	return rec
}

// endOperation closes the operation. A consent is spent when a write under the consent may have begun.
func endOperation(rec inventory.Record, outcome, failure string, now time.Time) inventory.Record {
	rec = restoreReplaced(rec)
	op := *rec.Operation
	rec.Settings = rec.Settings.Drop(op.ID)
	if outcome == inventory.Succeeded {
		noteBegun(&op, op.InstallDisks())
	}
	rec = spendBegun(rec, op.Disks)
	op.Replaces, op.Looked = nil, rec.LookedEpoch()
	op.Stage, op.Ended, op.Outcome = inventory.Ended, now, outcome
	if failure != "" {
		op.Error = failure
	}
	rec.Operation = nil
	half := rec.Last != nil && rec.Last.Outcome == inventory.Quarantined && rec.Last.HasBegun()
	if outcome == inventory.Superseded && half {
		rec.Dropped = append(append([]string{}, rec.Dropped...), op.ID)
		rec.Dropped = rec.Dropped[max(0, len(rec.Dropped)-maxDropped):]
		return rec // the disk still holds what the failed operation left
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

// spendConsents keeps the consents over disks from counting again, with or without a write.
func spendConsents(rec inventory.Record, disks []inventory.OperationDisk) inventory.Record {
	for _, disk := range disks {
		if disk.Consent == "" {
			continue
		}
		rec.Spent = append(slices.Clone(rec.Spent), disk.Consent)
		rec.Spent = rec.Spent[max(0, len(rec.Spent)-inventory.MaxSpent):]
	}
	return rec
}

// recordHome ends the operation well: the installed system runs. A boot into the ramdisk is over then, which a record
// from an old page may have still.
func recordHome(rec inventory.Record, call *inventory.PhoneHome, now time.Time) inventory.Record {
	op := rec.Operation
	noteBegun(op, op.InstallDisks()) // a system that runs was written
	rec.Recovered = nil
	if rec.Boot != nil && rec.Boot.Target == inventory.FromRamdisk {
		rec.Boot = nil
	}
	rec.Installed = &inventory.Installed{
		ID: op.ID, Workload: op.Workload, Inputs: op.Inputs, Parts: op.Parts, Config: op.Config, Meaning: op.Meaning, Commit: op.Commit, Image: op.Image,
		Disk: op.Root().Disk, Others: listBegun(*op), Update: op.Update, At: now,
	}
	rec.Installed.Mark, rec.Installed.Partitions = change.ProvedMark(op.Root(), call), op.Root().Partitions
	rec.Installed.Looked = rec.LookedEpoch()
	if call != nil {
		rec.Installed.PhoneHome, rec.Installed.Filesystems = call.At, call.Filesystems
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
		if boot.Request != nil {
			run := *boot.Request
			rec.Boot.Request = &run
		}
	}
	return rec
}
