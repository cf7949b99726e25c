package discovery

import (
	"time"

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
	ToTakeBoot Told = "TakeBoot" // the agent is the agent of the host's boot from now on
	// ToBeLookedAt has the agent wait, and the daemon look at the host: the look opens the host's boot for the agent.
	ToBeLookedAt Told = "BeLookedAt"
)

// Tell decides what the agent of a record is told, given the host of its merged proposal. An agent that was not proved to
// run on the machine behind the host's BMC is given nothing of the host: it may power its own machine off, which is then
// found off and started like any other. An impostor that does so powers off the impostor's machine. A proved agent is
// given the boot that the daemon opened for the agent's key.
//
//	the record, the host                                    the agent is told
//	in conflict, or two agents                              ToWait
//	the fleet has no such host, or it is not Managed        ToWait
//	protect, or no BMC                                      ToWait
//	the host's boot is the agent's, which is proved         ToTakeBoot
//	something was done to the machine, or a boot was begun  ToWait
//	the agent is proved, and no boot was ever opened        ToBeLookedAt
//	the machine is held because it is found running         ToPowerOff
//	anything else                                           ToWait
func Tell(r Record, h Host) Told {
	isHost := h.Desired.ID == r.ID.Machine() && h.Desired.BMC != nil
	handsOff := h.Desired.Lifecycle != schemas.Managed || h.Desired.Protect
	if !r.IsClear() || r.Agent == nil || !isHost || handsOff {
		return ToWait
	}
	boot, isProved := h.Record.Boot, r.ProvenBy(h.Desired.BMC.Address) != NoProof
	switch {
	case isProved && boot != nil && boot.Agent == r.Agent.Key:
		return ToTakeBoot
	case boot != nil || !h.Record.Untouched():
		return ToWait
	case isProved && h.Record.Epoch == 0:
		return ToBeLookedAt
	case h.Hold == FoundRunning:
		return ToPowerOff
	default:
		return ToWait
	}
}

// ProvenAgent is the key of the record's agent where the agent is proved to run on the machine behind the BMC at system,
// the URI of spec.bmc.address, and spoke lately; "" otherwise.
func (r Record) ProvenAgent(system string, now time.Time) string {
	if r.ProvenBy(system) == NoProof || !r.IsLive(now) {
		return ""
	}
	return r.Agent.Key
}
