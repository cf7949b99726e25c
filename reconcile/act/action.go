// Package act has the actions on a machine, and what each makes of the machine's record.
//
// Write Begin's record before the effect of an action, and Settle's record after the effect. Do not decide here: package
// plan says which action is due, and package reconcile executes it.
package act

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
)

// Kind of an action. Each action is short and idempotent: start an effect or look at its progress, and return.
type Kind string

// Kinds of actions.
const (
	FetchImage     Kind = "FetchImage"     // have the mirror fetch and verify the workload's image
	OpenOperation  Kind = "OpenOperation"  // journal only: an operation is intended
	CloseOperation Kind = "CloseOperation" // journal only: the operation ended; Outcome says how
	RecordWord     Kind = "RecordWord"     // journal only: the machine confirms the record from the status branch
	Publish        Kind = "Publish"        // push the operation to the status branch, before the machine is armed
	OpenBoot       Kind = "OpenBoot"       // journal only: a new boot attempt with the next epoch
	CloseBoot      Kind = "CloseBoot"      // journal only: the attempt is over
	PowerOff       Kind = "PowerOff"       // hard, or graceful first when an OS of ours runs
	PowerOn        Kind = "PowerOn"
	EjectMedia     Kind = "EjectMedia"
	InsertMedia    Kind = "InsertMedia"
	BootFromMedia  Kind = "BootFromMedia"  // boot override to the medium, continuous where the firmware can
	BootFromDisk   Kind = "BootFromDisk"   // boot override away from the medium
	AssignStep     Kind = "AssignStep"     // hand the step at the cursor to the agent; nothing may be written yet
	GiveLeave      Kind = "GiveLeave"      // answer the agent's question: from here on the step may write
	WithdrawJob    Kind = "WithdrawJob"    // take the job back from the agent, unless the agent has begun to write
	AssignPowerOff Kind = "AssignPowerOff" // let the agent power its machine off
	PinIdentity    Kind = "PinIdentity"    // journal only: what the BMC shows is the identity of the machine
	RecordStranger Kind = "RecordStranger" // journal only: the agent saw another machine than the known one
	RecordTakeover Kind = "RecordTakeover" // journal only: the fleet allows to take the machine over
	RecordFacts    Kind = "RecordFacts"    // journal only: what an agent saw, on the known machine
	RecordBegun    Kind = "RecordBegun"    // journal only: an agent of protocol 1 has the job, and may write
	// journal only: the boot's agent was silent for long, and the machine counts as found running
	RecordLost Kind = "RecordLost"
	// journal only: the agent did the step at the cursor; the next step may follow
	RecordStep   Kind = "RecordStep"
	SkipStep     Kind = "SkipStep"     // journal only: the condition of the step at the cursor does not hold
	RecordFailed Kind = "RecordFailed" // journal only: an attempt failed; the next attempt may follow
	RecordConfig Kind = "RecordConfig" // journal only: an install by an earlier ingot has the workload's config
	RecordHome   Kind = "RecordHome"   // journal only: the installed system phoned home; the operation succeeded
	// journal only: a request of the fleet is done, and nothing was to be done for it
	RecordRequest Kind = "RecordRequest"
	// send the one command of a requested reboot: never sent again, whatever comes of it
	Reboot     Kind = "Reboot"
	EndRequest Kind = "EndRequest" // journal only: what the boot was requested for is over
	// journal only: work on BIOS settings is intended; ended; the settings hold
	OpenSettings   Kind = "OpenSettings"
	CloseSettings  Kind = "CloseSettings"
	RecordSettings Kind = "RecordSettings"
	WriteSettings  Kind = "WriteSettings" // have the BMC keep the settings, to be applied at the next reset
	// journal only: a run of a Workload begins on the machine; the run ended; the machine is free again
	OpenRun     Kind = "OpenRun"
	EndRun      Kind = "EndRun"
	FreeRun     Kind = "FreeRun"
	ForgiveRuns Kind = "ForgiveRuns" // journal only: an operator's word that the machine may be claimed again
	AssignRun   Kind = "AssignRun"   // hand the job of the run to the agent
	WithdrawRun Kind = "WithdrawRun" // take the job of the run back: no result of it counts any more
	FinishRun   Kind = "FinishRun"   // end the run well on behalf of its machine, which went off
)

// Action is an effect on a host, with the reason. Only the fields of the kind are set.
type Action struct {
	Kind   Kind
	Reason string // one clause: "the image must be verified before anything boots"

	Operation *inventory.Operation // OpenOperation, CloseOperation, AssignStep, GiveLeave, WithdrawJob
	Boot      *inventory.Boot      // OpenBoot, InsertMedia, PowerOn: the boot attempt
	Pinned    *inventory.Pinned    // PinIdentity, RecordTakeover: the identity of the machine
	// AssignStep: what the agent must find right before the write (wire.DiskRef.Content), for each of
	// Operation.StepDisks
	Contents []string
	Question *inventory.Question // GiveLeave: what is answered
	Graceful bool                // PowerOff: the system is asked to shut down
	// PowerOff: the machine was asked a moment ago; nothing is sent, and the power is read
	Wait      bool
	NamesDisk bool             // BootFromDisk: the override names the disk, as a medium stays in
	Once      bool             // BootFromMedia: for the next start alone, where the BMC can
	Error     string           // RecordFailed, WithdrawJob
	Lost      bool             // WithdrawJob: the process that had the job is gone, and the attempt failed
	Withdrawn bool             // RecordFailed, WithdrawJob: the job was taken back, and the attempt is no failure
	Final     bool             // RecordFailed: the step at the cursor failed for good
	Facts     *inventory.Facts // RecordFacts
	When      string           // AssignStep, SkipStep: the decision about the step's conditions, "" without a new one
	WhyNot    string           // SkipStep: why a condition fails
	// RecordStep, RecordFailed: what the step left on each of Operation.StepDisks, as the agent saw the open disks
	Left      []inventory.SeenDisk
	Described []inventory.Described // RecordStep: what the plug-ins said of themselves
	Erased    []inventory.Erased    // RecordStep, RecordFailed: the receipts of the disks that the step erased
	Table     *inventory.Table      // RecordStep: of the disk with the system, as the agent read it back
	// PinIdentity: the pins are of another machine, and what the pinned one was booted for is over
	Anew     bool
	Takeover string              // RecordTakeover: the value that was used
	Stranger *inventory.Stranger // RecordStranger
	Config   string              // RecordConfig
	Meaning  string              // RecordConfig
	// RecordTakeover: the machine is not the known machine, and nothing is known of the new one
	Replaced bool
	// RecordStep, RecordRequest: the request of the fleet that is done with it
	Request *requests.Request
	Note    string         // RecordRequest, EndRequest: how the request ended; "" for well
	BootID  string         // Reboot: in the last call of the installed system
	Work    *settings.Work // OpenSettings, WriteSettings
	Held    string         // CloseSettings, RecordSettings: digest of the settings that hold; "" where they do not
	// OpenRun: the run, EndRun: the run with its end
	Run       *runs.UnderWay
	Execution *runs.Work           // AssignRun: what is run
	Home      *inventory.PhoneHome // RecordHome; nil when the workload has phone-home disabled
}

// JournalOnly reports whether an action changes nothing but the record.
func (k Kind) JournalOnly() bool {
	switch k {
	case OpenOperation, CloseOperation, RecordWord, OpenBoot, CloseBoot, PinIdentity, RecordStranger,
		RecordTakeover, RecordFacts, RecordLost, RecordBegun, RecordStep, SkipStep, RecordFailed, RecordConfig, RecordHome,
		RecordRequest, EndRequest, OpenSettings, CloseSettings, RecordSettings, OpenRun, EndRun, FreeRun, ForgiveRuns:
		return true
	case FetchImage, Publish, PowerOff, PowerOn, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, AssignStep,
		GiveLeave, WithdrawJob, AssignPowerOff, Reboot, WriteSettings, AssignRun, WithdrawRun, FinishRun:
		return false
	default:
		panic("act: unknown action " + string(k))
	}
}

// AtBMC reports whether an action is done at the machine's BMC.
func (k Kind) AtBMC() bool {
	switch k {
	case PowerOff, PowerOn, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, Reboot, WriteSettings:
		return true
	default:
		return false
	}
}

// EndsRetry reports whether an operator's retry is over with an action: the retry begins, or the hold of a step is over.
func (k Kind) EndsRetry() bool {
	return k == ForgiveRuns || k == OpenBoot || k == OpenOperation || k == RecordStep || k == OpenSettings
}

// ChangesPower reports whether an action may change the power of the machine. Such an action is done only after a reading
// of the BMC's jobs (AwaitJobs).
func (k Kind) ChangesPower() bool {
	switch k {
	case PowerOff, PowerOn, AssignPowerOff, Reboot:
		return true
	case FetchImage, Publish, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, AssignStep, GiveLeave, WithdrawJob,
		WriteSettings, AssignRun, WithdrawRun, FinishRun:
		return false
	default: // a new kind of effect says here whether it changes the power
		if !k.JournalOnly() {
			panic("act: it is not known whether the power changes by " + string(k))
		}
		return false
	}
}

// Result of an effect: a closed set.
type Result string

// Results.
const (
	Done    Result = "Done"
	Waits   Result = "Waiting"
	Retry   Result = "Retry"   // failed in a way that may pass
	Stalled Result = "Stalled" // failed in a way that only a change can mend
)

// Outcome is how an effect ended. After is when to look again at the earliest (0: the loop's own backoff). Why is a
// line for people.
type Outcome struct {
	Result    Result
	After     time.Duration
	Why       string
	Found     bool   // PowerOn: the machine was on already, and the action did not start it
	Unwritten bool   // the journal did not take the record of the action
	Job       string // WriteSettings: the path of the BMC's job; "" where the BMC names none
	Unsent    bool   // a power command was kept back, as a job runs at the BMC or the jobs are not known
}

// Begins reports whether an action is the first of an install, of a maintenance, or of an inspection, which needs as much of
// the network.
func (a Action) Begins(record inventory.Record) bool {
	switch a.Kind {
	case OpenOperation:
		return true
	case OpenSettings:
		return a.Work.IsMaintenance()
	case OpenBoot:
		return record.Operation == nil && record.Run == nil && a.Boot.Target == inventory.FromRamdisk
	default:
		return false
	}
}

// Arms reports whether an action disturbs the machine for an operation that has written nothing yet: the machine is
// powered off for the ramdisk, boots the ramdisk, or gets the job. The first attempt and every later attempt are alike:
// only a write that may have begun is carried on without asking.
func (a Action) Arms(record inventory.Record) bool {
	op, b := record.Operation, record.Boot
	if record.Run != nil || op != nil && !op.Unwritten() { // a run has a place for its boot, see package batches
		return false
	}
	if record.Settings.IsMaintained() {
		return a.Kind == OpenBoot && record.Settings.Work.Stage == settings.Written
	}
	switch a.Kind {
	case PowerOff:
		return b != nil && b.Target == inventory.FromRamdisk && b.Stage == inventory.Preparing
	case OpenBoot:
		return op != nil && a.Boot.Target == inventory.FromRamdisk
	case AssignStep:
		return op != nil
	default:
		return false
	}
}

// Finishes reports whether an action hands out a step behind a written and verified system, in an attempt that has
// begun. Such an action finishes the attempt, and erases nothing.
func (a Action) Finishes(record inventory.Record) bool {
	op := record.Operation
	return a.Kind == AssignStep && op != nil && op.Verified() && op.AttemptBegan()
}
