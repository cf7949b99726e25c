// Package plan decides what is due for a single machine, and gives a reason for every decision.
//
// Call Next first: a pure function of the desired state, the observed state and the time, so that the same values give
// the same plan. Next begins with change.Decide. Package act has the actions, and what they make of the record.
//
// Do not execute anything here, and do not ask about other machines: package reconcile executes the actions, and
// package admit decides which machine may begin.
package plan

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Phase sums a host up in one word.
type Phase string

// Phases.
const (
	Unmanaged   Phase = "Unmanaged"   // no workload, or lifecycle Unmanaged or Adopted: watched only
	Retired     Phase = "Retired"     // hands off: spec.retire was done, and every disk has a receipt
	Protected   Phase = "Protected"   // hands off: spec.protect
	Orphaned    Phase = "Orphaned"    // hands off: the file is gone
	Held        Phase = "Held"        // waits for a person: see Hold
	Waiting     Phase = "Waiting"     // waits for a machine, an image, a BMC
	Pending     Phase = "Pending"     // waits for the release of the ring
	Inspecting  Phase = "Inspecting"  // the ramdisk boots to look at the machine
	Installing  Phase = "Installing"  // a system is installed
	Retiring    Phase = "Retiring"    // the disks of a machine that leaves are erased (spec.retire)
	Running     Phase = "Running"     // a run of a Workload is under way, from its boot to the end of the machine's use
	Starting    Phase = "Starting"    // the installed system starts
	Maintaining Phase = "Maintaining" // the BIOS settings of a machine in service are changed
	Active      Phase = "Active"      // runs what the fleet asks for, and said so
	Failed      Phase = "Failed"      // given up until the fleet changes, or a person retries
)

// Phases are all phases.
var Phases = []Phase{Unmanaged, Retired, Protected, Orphaned, Held, Waiting, Pending, Inspecting, Installing, Retiring, Running, Starting,
	Maintaining, Active, Failed}

// IsOperation reports whether an operation is under way in the phase.
func (p Phase) IsOperation() bool { return p == Installing || p == Retiring }

// AwaitsTurn reports whether a host that was refused a step still waits for other machines.
func (p Plan) AwaitsTurn() bool {
	return p.Phase == Waiting || p.Phase == Pending || p.Request != "" && p.Turn != ""
}

// Plan says what shall happen to a host next.
type Plan struct {
	Host   inventory.MachineID
	Phase  Phase
	Change change.Change
	Action *act.Action // due now; nil: only look again
	Hold   *change.Hold
	// Refused is the action that the BMC has refused for long; "" without one. Hold then has the BMC's words.
	Refused act.Kind
	Waits   string // what the host waits for, in words
	Turn    string // the reason of package admit why the action is not done now; "" without one
	// Request is the request of the host's file that the action begins; "" for any other action.
	Request string
	// Requests say which further requests of the file wait, and for what.
	Requests []string
	// NeedsFleet is set when the host waits for a look at trunk, tags and status branch that begins now.
	NeedsFleet bool
	// AtWork is set when the agent works on a step of the operation.
	AtWork bool
	Due    time.Time     // deadline of the wait; zero without a deadline
	Again  time.Duration // look again after; 0 means only after a change
	// Otherwise, such as the way back to the old system, is due when the action may not be done now; nil: nothing.
	Otherwise *Plan
}
