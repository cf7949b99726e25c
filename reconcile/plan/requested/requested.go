// Package requested says of the requests in a Host's file whether each may be begun on the machine now, and of a reboot
// that was sent whether the system came up again. Call Answer for a request that is not done, and Foresee for the plan of a
// pull request. Do not ask about other machines here: package admit decides whose turn it is. Pure.
package requested

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Machine is what the planner knows of a machine.
type Machine struct {
	Desired  inventory.Desired
	Record   inventory.Record
	Observed inventory.Observed
	Steps    []inventory.StepState // of the operation under way
	Held     bool                  // waits for a person, and not for a permission to install
	On, Off  bool                  // for certain
	Ours     bool                  // is off, or runs because of ingot
	Settled  bool                  // no boot is under way
	Retry    bool                  // an operator has the disks looked at that hold up a change, in service too
}

// Answer gives the action that does a request, or begins to do it, or what the request waits for. The first row that fits
// decides:
//
//	the machine                                         resume         inspect       reboot
//	has no such hold any more                           RecordRequest
//	of a rotate: the change at the BMC has ended        RecordRequest
//	is on the way to the hold                           wait
//	is kept off, under way, held, not known to be ours                 wait          wait
//	has no system of ours, is off or to be off                                       wait
//	has a system of ours, and is not off by spec.power                 wait; not for Retry
//	any other                                                          OpenBoot      OpenBoot
func Answer(m Machine, r requests.Request) (due *act.Action, waits string) {
	switch r.Kind {
	case requests.Resume:
		return answerResume(m, r)
	case requests.Rotate:
		return answerRotate(m, r)
	}
	boot := inventory.Boot{Attempt: 1, Commit: m.Desired.Commit, Ours: m.Ours,
		Request: &requests.Run{Kind: r.Kind, Value: r.Value, Mode: r.Mode}}
	if waits = whyBusy(m); waits != "" {
		return nil, waits
	}
	switch r.Kind {
	case requests.Reboot:
		boot.Target, boot.WasOn, waits = inventory.FromDisk, true, whyNotRebooted(m)
	case requests.Inspect:
		boot.Target, boot.WasOn, waits = inventory.FromRamdisk, m.On, whyNotInspected(m)
	default:
		panic("requested: unknown request " + string(r.Kind))
	}
	if waits != "" {
		return nil, waits
	}
	return &act.Action{Kind: act.OpenBoot, Boot: &boot, Reason: "spec.requests asks for it once: " + r.String()}, ""
}

// answerRotate records the end of a change of the BMC account's password, which the daemon makes beside the machine's other
// work: no power or boot command belongs to it.
func answerRotate(m Machine, r requests.Request) (due *act.Action, waits string) {
	switch is := m.Observed.Rotation; {
	case m.Desired.BMC == nil:
		return nil, "spec.bmc"
	case is.Value != r.Value:
		return nil, "its turn"
	case !is.Ended:
		return nil, is.Note
	default:
		note := r.String() + ": " + is.Note
		return &act.Action{Kind: act.RecordRequest, Request: &r, Note: note, Reason: note}, ""
	}
}

// whyBusy says why no boot is begun for a request now, or "".
func whyBusy(m Machine) string {
	b, bmc, keptOff := m.Record.Boot, m.Observed.BMC, change.KeptOff(m.Desired)
	switch {
	case keptOff != "":
		return "the machine is " + keptOff
	case m.Record.Operation != nil, m.Record.Run != nil, m.Record.Settings.IsUnderWay(), b != nil && b.Request != nil,
		!m.Settled && m.Record.Installed != nil:
		return "what is under way on the machine"
	case m.Desired.BMC == nil:
		return "spec.bmc"
	case m.Held:
		return "the end of the hold"
	case bmc.Reach != inventory.Reached || bmc.Power == inventory.PowerUnknown:
		return "the BMC"
	case m.On && !m.Ours:
		return "the machine runs, and ingot did not start it"
	default:
		return ""
	}
}

// whyNotRebooted says why the machine is not rebooted now, or "".
func whyNotRebooted(m Machine) string {
	switch {
	case m.Record.Installed == nil:
		return "a system that ingot installed"
	case m.Desired.Power == schemas.PowerOff:
		return "spec.power is Off"
	case !m.On:
		return "the machine is off"
	default:
		return ""
	}
}

// whyNotInspected says why the ramdisk is not booted for a look at the machine now, or "".
func whyNotInspected(m Machine) string {
	switch serves := m.Record.Installed != nil; {
	case serves && !m.Retry && (m.On || m.Desired.Power != schemas.PowerOff):
		return "the machine is in service: it is inspected when it is free, or off by spec.power"
	case m.Observed.Ramdisk != "":
		return m.Observed.Ramdisk
	case !m.On && !m.Off:
		return "a second look that finds the machine off"
	default:
		return ""
	}
}

// answerResume answers a resume of a step that is not on hold now. A value that names another operation, or a hold that is
// over, resumes nothing.
func answerResume(m Machine, r requests.Request) (due *act.Action, waits string) {
	isNamed := func(step inventory.StepState) bool {
		return step.Name == schemas.StepHold && requests.ResumeValue(step.Key(), m.Record.OperationID()) == r.Value
	}
	if op := m.Record.Operation; op != nil && slices.ContainsFunc(m.Steps[min(op.Cursor, len(m.Steps)):], isNamed) {
		return nil, "the step to be on hold"
	}
	why := r.String() + " resumed nothing: no such hold is left"
	return &act.Action{Kind: act.RecordRequest, Request: &r, Note: why, Reason: why}, ""
}

// FindResume gives the request that ends the hold of a step; nil without one.
func FindResume(d inventory.Desired, rec inventory.Record, step inventory.StepState) *requests.Request {
	for _, r := range requests.Open(d.Requests, rec.Done) {
		if r.Kind == requests.Resume && r.Value == requests.ResumeValue(step.Key(), rec.OperationID()) {
			return &r
		}
	}
	return nil
}

// IsWanted reports whether the fleet still asks for a reboot that was not sent.
func IsWanted(d inventory.Desired, rec inventory.Record, run requests.Run) bool {
	r := d.Requests.Reboot
	return r != nil && r.ID == run.Value && d.Power != schemas.PowerOff && rec.Installed != nil
}

// CalledAnew reports whether the installed system called since the command of a reboot, from another start of its kernel.
func CalledAnew(rec inventory.Record, call *inventory.PhoneHome, run requests.Run) bool {
	return call != nil && rec.Installed != nil && call.Install == rec.Installed.ID && !call.At.Before(run.Sent) &&
		(call.BootID == "" || call.BootID != run.BootID)
}

// SinceSent is the attended time since the command of a reboot, or after a restart since the opening of its boot.
func SinceSent(o inventory.Observed) time.Duration {
	if o.Evidence.Asks > 0 {
		return o.Evidence.Asked
	}
	return o.Attended.Opened
}

// LastBootID is the kernel boot id of a system's last call; "" without a call.
func LastBootID(call *inventory.PhoneHome) string {
	if call == nil {
		return ""
	}
	return call.BootID
}

// DescribeError says how the command of a reboot failed, or "".
func DescribeError(run requests.Run) string {
	if run.Error == "" {
		return ""
	}
	return ": " + run.Error
}
