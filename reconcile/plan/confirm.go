package plan

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// confirmOperation sees an operation to its end after the last step. No row leads back to a step: a system that was
// written and verified is not written again.
//
//	the machine, since the last step    due
//	has every disk erased               the ramdisk off, the medium out, the end (endErase)
//	was not started from its disk       the ramdisk off, the medium out, the machine started from its disk
//	was started from its disk           its phone call; off, it is started again; silent, it is held
func (h *host) confirmOperation(op inventory.Operation) Plan {
	switch {
	case op.Kind == inventory.Erase:
		return h.endErase(op)
	case op.Starts == 0:
		return h.startSystem()
	default:
		return h.awaitCall(op)
	}
}

// endErase leaves the ramdisk of a machine whose disks are erased and read back: nothing is left that starts.
func (h *host) endErase(op inventory.Operation) Plan {
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Installing)
	}
	if h.Record.Boot != nil {
		return showInPhase(h.powerDown(), Installing)
	}
	op.Outcome, op.Error = inventory.Succeeded, ""
	return planAction(Retired, act.Action{Kind: act.CloseOperation, Operation: &op, Reason: "every disk is erased and read back"})
}

// startSystem leaves the ramdisk and starts the installed system.
func (h *host) startSystem() Plan {
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Starting)
	}
	if p, answered := h.checkIdentity(); answered {
		return p
	}
	if b := h.Record.Boot; b != nil && b.Target == inventory.FromRamdisk &&
		h.Observed.BMC.Power == inventory.PoweredOn {
		return h.powerDown()
	}
	if p, kept := h.stayOff(); kept {
		return p
	}
	p, _ := h.startFromDisk(Starting)
	return p
}

// powerDown has the agent power its machine off, then the BMC.
func (h *host) powerDown() Plan {
	a := h.leaveRamdisk(0, "the last step is done")
	if a == nil {
		return Plan{Phase: Starting, Waits: "the machine to power off"}
	}
	return h.followLeave(Starting, *a)
}

// awaitCall waits for the phone call of the installed system.
func (h *host) awaitCall(op inventory.Operation) Plan {
	if call := h.Observed.Agent.PhoneHome; op.IsCalledBy(call) {
		return planAction(Starting, act.Action{Kind: act.RecordHome, Home: call, Reason: "the installed system phoned home"})
	}
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Starting)
	}
	if p, answered := h.checkIdentity(); answered {
		return p
	}
	if p, kept := h.stayOff(); kept {
		return p
	}
	boot := h.Record.Boot
	if boot == nil || boot.Target != inventory.FromDisk || boot.Stage != inventory.Running {
		p, _ := h.startFromDisk(Starting)
		return p
	}
	age := h.Observed.Attended.Started
	on, off := h.IsOn(), h.IsOff() && age > settle
	w := h.Desired.Workload
	mute := op.Installs(w) && w.PhoneHome == schemas.PhoneHomeDisabled
	switch {
	case h.Observed.Retry:
		p := h.openBoot(Starting, inventory.FromDisk, 1, "an operator asked for it")
		p.Action.Boot.Restart = true
		return p
	case on && mute:
		why := "the machine was started from its disk; its workload has phone-home disabled"
		return planAction(Starting, act.Action{Kind: act.RecordHome, Reason: why})
	case off && boot.Attempt < maxBoots:
		return h.openBoot(Starting, inventory.FromDisk, boot.Attempt+1, "it went off before it phoned home")
	case off:
		why := fmt.Sprintf("it was started from its disk %d times, and powered itself off each time", maxBoots)
		return h.holdSilent(op, why)
	case h.Passed(age, h.Deadlines.Home):
		return h.holdSilent(op, fmt.Sprintf("it has been on for more than %s", h.Deadlines.Home))
	default:
		return Plan{Phase: Starting, Waits: "the installed system to phone home", Due: h.Due(age, h.Deadlines.Home),
			Again: 5 * time.Second}
	}
}

// holdSilent holds a machine with an installed system that does not call. The install was written and verified: the
// machine is neither written again nor cut, and becomes Active whenever the system calls. Another target, or no
// target, ends the wait.
func (h *host) holdSilent(op inventory.Operation, why string) Plan {
	why += " without a phone call"
	if !op.Installs(h.Desired.Workload) {
		return h.closeOperation(op, inventory.Quarantined, why+", and the fleet asks for something else now", Waiting)
	}
	message := fmt.Sprintf("the system is written and verified, and %s: read its console, or run `ingot retry %s` to "+
		"start it again", why, h.Desired.Name)
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.NoPhoneHome, Message: message}}
}
