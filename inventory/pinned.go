package inventory

import (
	"slices"

	"github.com/gitmetal/ingot/inventory/format"
)

// Pinned is the identity of a machine, each value by its source. Firmware and BMC of one machine may report two
// serials.
type Pinned struct {
	// BMC is the BMC's report at the opening of the newest boot: a different report later is about a different machine.
	BMC *BMCIdentity `json:"bmc,omitempty"`
	// SMBIOS is the firmware's report to the ramdisk's agent.
	SMBIOS *SMBIOSIdentity `json:"smbios,omitempty"`
	// MACs are the permanent addresses of the built-in network cards, sorted.
	MACs []string `json:"macs,omitempty"`
}

// BMCIdentity is a machine as its BMC shows it, at an address.
type BMCIdentity struct {
	Address string `json:"address,omitempty"`
	Serial  string `json:"serial,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// SMBIOSIdentity is a machine as its firmware calls it.
type SMBIOSIdentity struct {
	Serial string `json:"serial,omitempty"`
	UUID   string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// PinFacts is the identity after an agent's report. A value that identifies nothing does not replace an earlier value.
func (p Pinned) PinFacts(facts *Facts) Pinned {
	if facts == nil {
		return p
	}
	said := SMBIOSIdentity{}
	if p.SMBIOS != nil {
		said = *p.SMBIOS
	}
	if SerialKey(facts.System.Serial) != "" {
		said.Serial = facts.System.Serial
	}
	if UUIDKey(facts.System.UUID) != "" {
		said.UUID = facts.System.UUID
	}
	if said != (SMBIOSIdentity{}) {
		p.SMBIOS = &said
	}
	if macs := facts.builtInMACs(); len(macs) > 0 {
		p.MACs = macs
	}
	return p
}

// builtInMACs are the makers' addresses of the network cards, without the USB link to the BMC; sorted.
func (f Facts) builtInMACs() []string {
	var macs []string
	for _, nic := range f.NICs {
		if mac, given := MACKey(nic.MAC); given && !nic.IsBMCLink() {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}
