package discovery

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// ConflictKind is what speaks against a record.
type ConflictKind string

// Kinds of conflict.
const (
	// KnownMachine: the machine has a serial, UUID, MAC or BMC address of a machine of the fleet.
	KnownMachine ConflictKind = "KnownMachine"
	// OtherRecord: the machine has a UUID or MAC of another record, and is not the same machine.
	OtherRecord ConflictKind = "OtherRecord"
	// SecondAgent: two live agents have the same strong identity. The conflict stays until the record is forgotten.
	SecondAgent ConflictKind = "SecondAgent"
)

// Conflict is one thing that speaks against a record. A caller of the register endpoint never learns of a conflict.
type Conflict struct {
	Kind   ConflictKind        `json:"kind"`
	Host   inventory.MachineID `json:"host,omitempty"`   // of KnownMachine
	Name   string              `json:"name,omitempty"`   // of the host, for people
	Record ID                  `json:"record,omitempty"` // of OtherRecord
	What   string              `json:"what"`             // the shared value: "serial 5XKJ2M3"
	Since  time.Time           `json:"since"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// String is the conflict as a sentence for operators.
func (c Conflict) String() string {
	switch c.Kind {
	case KnownMachine:
		return inventory.Label(c.Name, c.Host) + " booted the discovery medium, or a machine that poses as it: " + c.What
	case OtherRecord:
		return "record " + string(c.Record) + " has the same " + c.What + ": `ingot discovered forget` the one that is gone"
	case SecondAgent:
		return "two agents with one identity are live, the second from " + c.What + ": find the impostor, then `ingot " +
			"discovered forget` the record"
	default:
		return "a newer ingot says: " + string(c.Kind) + " " + c.What
	}
}
