package hub

import (
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// factsFrom translates the protocol's words into the inventory's. The agent stays free of the inventory, so the two are told apart.
func factsFrom(m wire.Facts) inventory.Facts {
	facts := inventory.Facts{
		System:   inventory.System(m.System),
		Firmware: inventory.Firmware(m.Firmware),
		CPU:      inventory.CPU(m.CPU),
		Memory:   m.Memory,
		Errors:   m.Errors,
	}
	for _, d := range m.Disks {
		facts.Disks = append(facts.Disks, inventory.Disk{
			Name: d.Name, Path: d.Path, Serial: d.Serial, WWN: d.WWN, Model: d.Model, Vendor: d.Vendor, Transport: d.Transport,
			Size: d.Size, SectorSize: d.SectorSize, Rotational: d.Rotational, Removable: d.Removable, ReadOnly: d.ReadOnly,
			Holders: d.Holders, Content: contentFrom(d.Content),
		})
	}
	for _, n := range m.NICs {
		facts.NICs = append(facts.NICs, inventory.NIC(n))
	}
	return facts
}

// contentFrom reads what an agent says a disk held. Anything but exactly one answer is unreadable: never blank.
func contentFrom(c wire.Content) inventory.Content {
	answers := 0
	for _, given := range []bool{c.Blank, c.Signature != "", c.Unreadable != ""} {
		if given {
			answers++
		}
	}
	if answers != 1 {
		return inventory.Content{Unreadable: "the agent gave no clear answer", Summary: c.Summary}
	}
	return inventory.Content(c)
}
