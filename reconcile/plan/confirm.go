package plan

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// confirm sees an operation whose steps are done to its end. It never leads back to a step: what was written and
// verified is not written again.
//
//	the machine, since the last step    due
//	was not started from its disk       the ramdisk off, the medium out, the machine started from its disk
//	was started from its disk           its phone call; off, it is started again; silent, it is held
func (h host) confirm(op inventory.Operation) Plan {
	if op.Starts == 0 {
		return h.startSystem(op)
	}
	return h.awaitCall(op)
}

// startSystem leaves the ramdisk and starts the installed system.
func (h host) startSystem(op inventory.Operation) Plan {
	if p, answered := h.reach(); answered {
		return during(p, Starting)
	}
	if p, answered := h.identity(); answered {
		return p
	}
	if b := h.rec.Boot; b != nil && b.Target == inventory.FromRamdisk && h.o.BMC.Power == inventory.PoweredOn {
		return h.powerDown(op)
	}
	p, _ := h.disk(Starting)
	return p
}

// powerDown has the agent power its machine off, then the BMC.
func (h host) powerDown(inventory.Operation) Plan {
	a := h.leaveRamdisk(0, "the install is complete")
	if a == nil {
		return Plan{Phase: Starting, Waits: "the machine to power off"}
	}
	return h.leaving(Starting, *a)
}

// awaitCall waits for the installed system to say that it is up.
func (h host) awaitCall(op inventory.Operation) Plan {
	if call := h.o.Agent.PhoneHome; call != nil && call.Install == op.ID {
		return act(Starting, Action{Kind: RecordHome, Home: call, Reason: "the installed system phoned home"})
	}
	if p, answered := h.reach(); answered {
		return during(p, Starting)
	}
	if p, answered := h.identity(); answered {
		return p
	}
	boot := h.rec.Boot
	if boot == nil || boot.Target != inventory.FromDisk || boot.Stage != inventory.Running {
		p, _ := h.disk(Starting)
		return p
	}
	on := h.o.BMC.Power == inventory.PoweredOn
	off := !on && h.now.After(boot.Started.Add(settle))
	due := boot.Started.Add(homeDeadline)
	w := h.d.Workload
	mute := w != nil && w.Inputs == op.Inputs && w.PhoneHome == schemas.PhoneHomeDisabled
	switch {
	case h.o.Retry:
		p := h.open(Starting, inventory.FromDisk, 1, "an operator asked for it")
		p.Action.Boot.Restart = true
		return p
	case on && mute:
		why := "the machine was started from its disk; its workload has phone-home disabled"
		return act(Starting, Action{Kind: RecordHome, Reason: why})
	case off && boot.Attempt < maxBoots:
		return h.open(Starting, inventory.FromDisk, boot.Attempt+1, "it went off before it phoned home")
	case off:
		why := fmt.Sprintf("it was started from its disk %d times, and powered itself off each time", maxBoots)
		return h.silent(op, why)
	case h.now.After(due):
		return h.silent(op, fmt.Sprintf("it has been on for more than %s", homeDeadline))
	default:
		return Plan{Phase: Starting, Waits: "the installed system to phone home", Due: due, Again: 5 * time.Second}
	}
}

// silent holds a machine whose installed system does not call. Its install was written and verified, so it is neither
// written again nor cut: it becomes Active whenever it calls. Another target, or none, ends the wait.
func (h host) silent(op inventory.Operation, why string) Plan {
	why += " without a phone call"
	if h.d.Workload == nil || h.d.Workload.Inputs != op.Inputs {
		return h.close(op, inventory.Quarantined, why+", and the fleet asks for something else now", Waiting)
	}
	return Plan{Phase: Held, Hold: &change.Hold{Reason: change.NoPhoneHome, Message: fmt.Sprintf(
		"the install was written and verified, and %s: read its console; it becomes Active when it calls, "+
			"`ingot retry %s` starts it again, nothing is written again", why, h.d.Name)}}
}
