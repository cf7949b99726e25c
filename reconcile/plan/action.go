// Package plan decides what is due for a single machine, and gives a reason for every decision.
//
// Call Next first: a pure function of the desired state, the observed state and the time, so that the same values give
// the same plan. Write Begin's record before the effect of the plan's action, and Settle's record after the effect.
// Next begins with change.Decide.
//
// Do not execute anything here, and do not ask about other machines: package reconcile executes the actions, and
// package admit decides which machine may begin.
package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
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
	BootFromMedia  Kind = "BootFromMedia" // boot override to the medium, continuous where the firmware can
	BootFromDisk   Kind = "BootFromDisk"  // boot override away from the medium
	// hand the step at the cursor to the agent; a writing step may write from here on
	AssignStep     Kind = "AssignStep"
	WithdrawJob    Kind = "WithdrawJob"    // take the job back from the agent, unless the agent has begun to write
	AssignPowerOff Kind = "AssignPowerOff" // let the agent power its machine off
	RecordTakeover Kind = "RecordTakeover" // journal only: the fleet allows to take over a machine found running
	RecordFacts    Kind = "RecordFacts"    // journal only: the agent's facts passed the identity check
	RecordBegun    Kind = "RecordBegun"    // journal only: the agent has the job, and may write
	// journal only: the agent did the step at the cursor; the next step may follow
	RecordStep   Kind = "RecordStep"
	RecordFailed Kind = "RecordFailed" // journal only: an attempt failed; the next attempt may follow
	RecordHome   Kind = "RecordHome"   // journal only: the installed system phoned home; the operation succeeded
)

// Action is an effect on a host, with the reason. Only the fields of the kind are set.
type Action struct {
	Kind   Kind
	Reason string // one clause: "the image must be verified before anything boots"

	Operation *inventory.Operation   // OpenOperation, CloseOperation, AssignStep, WithdrawJob
	Boot      *inventory.Boot        // OpenBoot, InsertMedia, PowerOn: the boot attempt
	BMC       *inventory.BMCIdentity // OpenBoot, RecordTakeover: the machine, as the BMC shows it
	// AssignStep: what the agent must find right before the write (wire.DiskRef.Content)
	Content   string
	Graceful  bool             // PowerOff
	Error     string           // RecordFailed, WithdrawJob
	Lost      bool             // WithdrawJob: the agent is gone, and the attempt failed
	Untouched bool             // RecordFailed: the attempt came to no write
	Withdrawn bool             // RecordFailed: the job was taken back, and the attempt is no failure
	Facts     *inventory.Facts // RecordFacts
	Serial    string           // RecordTakeover
	// RecordTakeover: the machine is not the known machine, and nothing is known of the new one
	Replaced bool
	Home     *inventory.PhoneHome // RecordHome; nil when the workload has phone-home disabled
}

// JournalOnly reports whether an action changes nothing but the record.
func (k Kind) JournalOnly() bool {
	switch k {
	case OpenOperation, CloseOperation, RecordWord, OpenBoot, CloseBoot, RecordTakeover, RecordFacts, RecordBegun,
		RecordStep, RecordFailed, RecordHome:
		return true
	case FetchImage, Publish, PowerOff, PowerOn, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk, AssignStep,
		WithdrawJob, AssignPowerOff:
		return false
	default:
		panic("plan: unknown action " + string(k))
	}
}

// AtBMC reports whether an action is done at the machine's BMC.
func (k Kind) AtBMC() bool {
	switch k {
	case PowerOff, PowerOn, EjectMedia, InsertMedia, BootFromMedia, BootFromDisk:
		return true
	default:
		return false
	}
}

// Phase sums a host up in one word.
type Phase string

// Phases.
const (
	Unmanaged  Phase = "Unmanaged"  // no workload, or lifecycle Unmanaged or Adopted: watched only
	Protected  Phase = "Protected"  // hands off: spec.protect
	Orphaned   Phase = "Orphaned"   // hands off: the file is gone
	Held       Phase = "Held"       // waits for a person: see Hold
	Waiting    Phase = "Waiting"    // waits for a machine, an image, a BMC
	Pending    Phase = "Pending"    // waits for the release of the ring
	Inspecting Phase = "Inspecting" // the ramdisk boots to look at the machine
	Installing Phase = "Installing" // an operation is under way
	Starting   Phase = "Starting"   // the installed system starts
	Active     Phase = "Active"     // runs what the fleet asks for, and said so
	Failed     Phase = "Failed"     // given up until the fleet changes, or a person retries
)

// Phases are all phases.
var Phases = []Phase{Unmanaged, Protected, Orphaned, Held, Waiting, Pending, Inspecting, Installing, Starting, Active,
	Failed}

// Plan says what shall happen to a host next.
type Plan struct {
	Host   inventory.MachineID
	Phase  Phase
	Change change.Change
	Action *Action // due now; nil: only look again
	Hold   *change.Hold
	Waits  string        // what the host waits for, in words
	Due    time.Time     // deadline of the wait; zero without a deadline
	Again  time.Duration // look again after; 0 means only after a change
	// Otherwise is due when the action may not be done now: the machine goes back to the system that ran before. Nil
	// leaves the machine as it is.
	Otherwise *Plan
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
	Result Result
	After  time.Duration
	Why    string
	Found  bool // PowerOn: the machine was on already, and the action did not start it
}

// Begins reports whether an action is the first of an install, or of an inspection, which needs as much of the network.
func (a Action) Begins(record inventory.Record) bool {
	switch a.Kind {
	case OpenOperation:
		return true
	case OpenBoot:
		return record.Operation == nil && a.Boot.Target == inventory.FromRamdisk
	default:
		return false
	}
}

// Arms reports whether an action disturbs the machine for an operation that has written nothing yet: the machine is
// powered off for the ramdisk, boots the ramdisk, or gets the job. The first attempt and every later attempt are alike:
// only a write that may have begun is carried on without asking.
func (a Action) Arms(record inventory.Record) bool {
	op, b := record.Operation, record.Boot
	if op != nil && !op.Unwritten() {
		return false
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
