// Package bootmethod knows the ways to start a machine from the ramdisk: Prepare gives the next action at the BMC of a
// machine that is off, and NeedsDrives says whether a decision asks for the virtual drives. Pure.
package bootmethod

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/schemas"
)

// Prepare gives the next action at the BMC of a machine that is off and shall start from the ramdisk by the method of
// its host; the last action is PowerOn. Without an action, waits says what the machine waits for.
func Prepare(boot schemas.Boot, o inventory.Observed, b inventory.Boot) (due *act.Action, waits string) {
	switch boot.Method {
	case "", schemas.VirtualMedia:
		return prepareVirtualMedia(o, b)
	default:
		panic("bootmethod: unknown boot method " + boot.Method)
	}
}

// prepareVirtualMedia starts the machine from a medium that its BMC reads from the daemon. The first row that fits
// decides:
//
//	at the BMC                                 due
//	no medium of this boot is served yet       wait
//	another medium is in                       EjectMedia
//	this boot's medium is not in               InsertMedia
//	the override does not name the medium      BootFromMedia
//	the override lasts, for a medium for once  BootFromMedia
//	all is so                                  PowerOn
func prepareVirtualMedia(o inventory.Observed, b inventory.Boot) (due *act.Action, waits string) {
	want, run := o.Media.URL, o.Record.Run
	once := run != nil && run.Booted != nil && run.Booted.EndsWithOff
	inserted, other := false, false
	for _, slot := range o.BMC.Media {
		inserted = inserted || slot.Inserted
		other = other || slot.Inserted && slot.Image != want
	}
	switch {
	case want == "":
		return nil, "the boot medium to be served"
	case other:
		return &act.Action{Kind: act.EjectMedia, Reason: "another medium is in"}, ""
	case !inserted:
		return &act.Action{Kind: act.InsertMedia, Boot: &b, Reason: "this boot's medium must be in"}, ""
	case once && (!StartsFromMedia(o.BMC.Override) || o.BMC.Override.Enabled != "Once"):
		return &act.Action{Kind: act.BootFromMedia, Boot: &b, Once: true, Reason: "the firmware must start from the medium, once"}, ""
	case !StartsFromMedia(o.BMC.Override):
		why := "the firmware must start from the medium, also after a power cut"
		return &act.Action{Kind: act.BootFromMedia, Boot: &b, Reason: why}, ""
	default:
		return &act.Action{Kind: act.PowerOn, Boot: &b, Reason: "the medium is in and comes first"}, ""
	}
}

// MaxEjects is how many ejects a medium that stays in gets before it is left in.
const MaxEjects = 3

// Clear gives the next action at the BMC of a machine that is off and is left alone from now on, nil for none. Without
// our medium the drive and the override are somebody else's. The first row that fits decides:
//
//	at the BMC                      due
//	no boot from the ramdisk        nothing
//	a write may have begun          nothing: the medium is needed still
//	this boot's medium is not in    nothing
//	the override names the medium   BootFromDisk
//	the medium may go out           EjectMedia
//	three ejects changed nothing    nothing: the medium answers nobody new
func Clear(o inventory.Observed) *act.Action {
	const why = "the machine is off and is left alone: it shall start from its disk"
	b, op := o.Record.Boot, o.Record.Operation
	ours := IsIn(o)
	switch {
	case b == nil || b.Target != inventory.FromRamdisk, op != nil && op.HasBegun(), !ours:
		return nil
	case StartsFromMedia(o.BMC.Override):
		return &act.Action{Kind: act.BootFromDisk, Boot: b, Reason: why}
	case o.Evidence.Ejects < MaxEjects:
		return &act.Action{Kind: act.EjectMedia, Reason: why}
	default:
		return nil
	}
}

// IsIn reports whether the medium of this boot is in a virtual drive.
func IsIn(o inventory.Observed) bool {
	return slices.ContainsFunc(o.BMC.Media, func(s inventory.Slot) bool { return s.Inserted && s.Image == o.Media.URL && s.Image != "" })
}

// StartsFromDisk reports whether the firmware is told to start from the disk.
func StartsFromDisk(o inventory.Override) bool {
	return o.Target == "Hdd" && (o.Enabled == "Continuous" || o.Enabled == "Once")
}

// StartsFromMedia reports whether the firmware is told to start from a virtual CD.
func StartsFromMedia(o inventory.Override) bool {
	return (o.Target == "Cd" || o.Target == "UsbCd") && (o.Enabled == "Continuous" || o.Enabled == "Once")
}

// NeedsDrives reports whether the decision about a machine with a power state asks for the virtual drives. While a
// machine is on that runs the boot's agent, or was started from its disk, no decision rests on the drives.
//
//	the boot                               the machine   drives
//	there is none                          any           no
//	from the disk, under way               any           no
//	from the ramdisk, with its agent       on            no
//	of a kernel that was started           on            no
//	any other                              any           yes
func NeedsDrives(r inventory.Record, agent inventory.AgentState, power inventory.PowerState) bool {
	b := r.Boot
	started := r.Run != nil && r.Run.Booted != nil && r.Run.Handed && !r.Run.IsOver()
	switch {
	case b == nil:
		return false
	case b.Stage != inventory.Running:
		return true
	case b.Target == inventory.FromDisk:
		return false
	default:
		return power != inventory.PoweredOn || b.Lost || agent.Boot != b.ID && !started
	}
}
