// Package plan decides what is due for one machine. Next is a pure function of what the fleet desires, what was
// observed and the time: same values, same plan. Begin and Settle say what an action leaves in the machine's record.
// The package executes nothing and gives a reason for everything.
package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Kind of an action. Each is short and idempotent: start something or look at it, and return.
type Kind string

// Kinds of actions.
const (
	FetchImage     Kind = "FetchImage"     // have the mirror fetch and verify the workload's image
	OpenOperation  Kind = "OpenOperation"  // journal only: an operation is intended
	CloseOperation Kind = "CloseOperation" // journal only: it ended; Outcome says how
	RecordWord     Kind = "RecordWord"     // journal only: the machine speaks of what was read from the status branch
	Publish        Kind = "Publish"        // the operation must reach the status branch before anything is armed
	OpenBoot       Kind = "OpenBoot"       // journal only: a new boot attempt with the next epoch
	CloseBoot      Kind = "CloseBoot"      // journal only: the attempt is over
	PowerOff       Kind = "PowerOff"       // hard, or graceful first when an OS of ours runs
	PowerOn        Kind = "PowerOn"
	EjectMedia     Kind = "EjectMedia"
	InsertMedia    Kind = "InsertMedia"
	BootFromMedia  Kind = "BootFromMedia" // boot override to the medium, continuous where the firmware can
	BootFromDisk   Kind = "BootFromDisk"  // boot override away from the medium
	// hand the step at the cursor to the agent; if it writes, the disk may be written from here on
	AssignStep     Kind = "AssignStep"
	WithdrawJob    Kind = "WithdrawJob"    // take the job back from the agent, unless it has begun to write
	AssignPowerOff Kind = "AssignPowerOff" // let the agent power its machine off
	RecordTakeover Kind = "RecordTakeover" // journal only: the fleet allows to take over a machine found running
	RecordFacts    Kind = "RecordFacts"    // journal only: the agent's facts passed the identity check
	RecordBegun    Kind = "RecordBegun"    // journal only: the agent has the job, and may write
	// journal only: the agent did the step at the cursor; the next one may follow
	RecordStep   Kind = "RecordStep"
	RecordFailed Kind = "RecordFailed" // journal only: an attempt failed; the next one may follow
	RecordHome   Kind = "RecordHome"   // journal only: the installed system phoned home; the operation succeeded
)

// Action is one thing to do to a host, with its reason. Only the fields its kind needs are set.
type Action struct {
	Kind   Kind
	Reason string // one clause: "the image must be verified before anything boots"

	Operation *inventory.Operation   // OpenOperation, CloseOperation, AssignStep, WithdrawJob
	Boot      *inventory.Boot        // OpenBoot, InsertMedia, PowerOn: the attempt it belongs to
	BMC       *inventory.BMCIdentity // OpenBoot, RecordTakeover: whose machine it is, as its BMC says
	// AssignStep: what the agent must find right before the write (wire.DiskRef.Content)
	Content   string
	Graceful  bool             // PowerOff
	Error     string           // RecordFailed, WithdrawJob
	Lost      bool             // WithdrawJob: its agent is gone, which is a failure of the attempt
	Untouched bool             // RecordFailed: the attempt came to no write
	Withdrawn bool             // RecordFailed: it was taken back, and is no failure
	Facts     *inventory.Facts // RecordFacts
	Serial    string           // RecordTakeover
	// RecordTakeover: it is another machine than the known one, of which nothing is known
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
	Protected  Phase = "Protected"  // nothing is done to it
	Orphaned   Phase = "Orphaned"   // its file is gone: hands off
	Held       Phase = "Held"       // it waits for a person: see Hold
	Waiting    Phase = "Waiting"    // it waits for a machine, an image, a BMC
	Pending    Phase = "Pending"    // its ring does not let it begin yet
	Inspecting Phase = "Inspecting" // the ramdisk boots to look at the machine
	Installing Phase = "Installing" // an operation is under way
	Starting   Phase = "Starting"   // the installed system starts
	Active     Phase = "Active"     // it runs what the fleet asks for, and said so
	Failed     Phase = "Failed"     // given up until the fleet changes, or a person retries
)

// Phases are all there are.
var Phases = []Phase{Unmanaged, Protected, Orphaned, Held, Waiting, Pending, Inspecting, Installing, Starting, Active,
	Failed}

// Plan is what shall happen to a host next.
type Plan struct {
	Host   inventory.MachineID
	Phase  Phase
	Change change.Change
	Action *Action // the one that is due now; nil: nothing to do but to look again
	Hold   *change.Hold
	Waits  string        // what it waits for, in words; "" when nothing
	Due    time.Time     // deadline of that wait; zero when none
	Again  time.Duration // look again after; 0 means only when something happens
	// Otherwise is what is due when the action may not be done now: the machine goes back to the system that it ran.
	// Nil: it is left as it is.
	Otherwise *Plan
}

// Result of an effect: a closed set.
type Result string

// Results.
const (
	Done    Result = "Done"
	Waits   Result = "Waiting"
	Retry   Result = "Retry"   // it failed in a way that may pass
	Stalled Result = "Stalled" // it failed in a way that only a change can mend
)

// Outcome is how an effect ended. After is when to look again at the earliest (0: the loop's own backoff); Why is one
// line for people.
type Outcome struct {
	Result Result
	After  time.Duration
	Why    string
	Found  bool // PowerOn: the machine was on already, so this did not start it
}

// Begins reports whether an action is the first of an install, or of an inspection, which costs as much of the network.
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

// Arms reports whether an action takes an operation that has written nothing yet to where a machine feels it: it is
// powered off for the ramdisk, it boots the ramdisk, it is handed the job. The first attempt and every later one are
// alike: only a write that may have begun is carried on without asking.
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

// Finishes reports whether an action hands out a step behind a system that is written and verified, in an attempt that
// has begun: the attempt is finished, and nothing is erased.
func (a Action) Finishes(record inventory.Record) bool {
	op := record.Operation
	return a.Kind == AssignStep && op != nil && op.Verified() && op.AttemptBegan()
}
