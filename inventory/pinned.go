package inventory

import (
	"slices"

	"github.com/gitmetal/ingot/inventory/format"
)

// Pinned is who a machine is: what identifies it, each value by who says it. Firmware and BMC of one machine may have
// two serials.
type Pinned struct {
	// BMC is what the BMC said of its machine when the newest boot was opened: one that says something else later
	// speaks for another machine.
	BMC *BMCIdentity `json:"bmc,omitempty"`
	// SMBIOS is what the firmware said to the ramdisk's agent.
	SMBIOS *SMBIOSIdentity `json:"smbios,omitempty"`
	// MACs are the permanent addresses of the built-in network cards, sorted.
	MACs []string `json:"macs,omitempty"`
}

// BMCIdentity is a machine as its BMC shows it, at an address.
type BMCIdentity struct {
	Address string `json:"address,omitempty"`
	Serial  string `json:"serial,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// SMBIOSIdentity is a machine as its firmware calls it.
type SMBIOSIdentity struct {
	Serial string `json:"serial,omitempty"`
	UUID   string `json:"uuid,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// PinFacts is the identity with what an agent reported. A value that identifies nothing takes no earlier one away.
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

// builtInMACs are the addresses that their makers gave to the network cards, without those of the way to the BMC over
// USB; sorted.
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
