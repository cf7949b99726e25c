package discovery

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
)

// Known finds the machines that ingot knows by what identifies them: the hosts of the fleet, and machines of which the
// journal has a record.
type Known struct {
	machines map[string][]knownMachine
	ids      map[inventory.MachineID]bool
}

type knownMachine struct {
	id   inventory.MachineID
	name string
	left string // that the machine was retired, as a clause; else ""
}

// NewKnown finds nothing; Add adds machines.
func NewKnown() *Known { return &Known{map[string][]knownMachine{}, map[inventory.MachineID]bool{}} }

// Add adds a machine: as the fleet declares it, and as its record knows it. Either may be the zero value.
func (k *Known) Add(desired inventory.Desired, record inventory.Record) {
	id, name := desired.ID, desired.Name
	if id == "" {
		id = record.ID
	}
	if name == "" {
		name = string(id)
	}
	known := knownMachine{id, name, describeRetired(record)}
	declared := inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{Serial: desired.Identity.Serial,
		UUID: desired.Identity.UUID}}
	for _, mac := range desired.Identity.MACs {
		if key, _ := inventory.MACKey(mac); key != "" {
			declared.MACs = append(declared.MACs, key)
		}
	}
	var addresses []string
	if desired.BMC != nil {
		addresses = append(addresses, desired.BMC.Address)
	}
	k.add(known, Shown{Identity: declared, Addresses: addresses})
	pinned := record.Identity()
	shown := Shown{Identity: pinned}
	if pinned.BMC != nil && pinned.BMC.Address != "" {
		shown.Addresses = []string{pinned.BMC.Address}
	}
	if record.Facts != nil {
		shown.Disks = record.Facts.Disks
	}
	k.add(known, shown)
}

// describeRetired says that a machine was retired, as a clause; "" for another machine.
func describeRetired(record inventory.Record) string {
	last := record.Last
	if last == nil || last.Kind != inventory.Erase || last.Outcome != inventory.Succeeded {
		return ""
	}
	return ", which was retired on " + last.Ended.UTC().Format("2006-01-02") + ": erased and read back"
}

// Has reports whether a machine is known by its id.
func (k *Known) Has(id inventory.MachineID) bool { return k.ids[id] }

func (k *Known) add(machine knownMachine, s Shown) {
	k.ids[machine.id] = true
	for _, value := range weakKeys(s) {
		if !slices.Contains(k.machines[value.key], machine) {
			k.machines[value.key] = append(k.machines[value.key], machine)
		}
	}
}

// HasAddress reports whether an address is the BMC's of a known machine.
func (k *Known) HasAddress(address string) bool {
	return len(k.machines[kindAddress+" "+addressKey(address)]) > 0
}
