package discovery

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Host is the host that a record's merged proposal made; zero while the fleet has none.
type Host struct {
	Desired inventory.Desired
	Record  inventory.Record
	// Hold is the reason of the host's hold, "" without one; FoundRunning is the one that counts here.
	Hold string
}

// FoundRunning is the hold of a host whose machine runs and was not started by the daemon: change.FoundRunning.
const FoundRunning = "FoundRunning"

// Told is what a waiting agent is told.
type Told string

// What an agent may be told.
const (
	ToWait     Told = "Wait"
	ToPowerOff Told = "PowerOff" // the machine is started from its own medium next
)

// Tell decides what the agent of a record is told, given the host of its merged proposal. An agent that was not proved to
// run on the machine behind the host's BMC is given nothing of the host: it may power its own machine off, which is then
// found off and started like any other. An impostor that does so powers off the impostor's machine.
//
//	the record, the host                                    the agent is told
//	in conflict, or two agents                              ToWait
//	the fleet has no such host, or it is not Managed        ToWait
//	protect, or no BMC                                      ToWait
//	something was done to the machine, or a boot was begun  ToWait
//	the machine is held because it is found running         ToPowerOff
//	anything else                                           ToWait
func Tell(r Record, h Host) Told {
	isHost := h.Desired.ID == r.ID.Machine() && h.Desired.BMC != nil
	handsOff := h.Desired.Lifecycle != schemas.Managed || h.Desired.Protect
	isNew := h.Record.Untouched() && h.Record.Boot == nil
	if r.IsClear() && isHost && !handsOff && isNew && h.Hold == FoundRunning {
		return ToPowerOff
	}
	return ToWait
}
