package hub

import (
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// readFacts translates the protocol's types into the inventory's. The agent does not import the inventory.
func readFacts(m wire.Facts) inventory.Facts {
	facts := inventory.Facts{
		System: inventory.System{Manufacturer: m.System.Manufacturer, Product: m.System.Product,
			Serial: m.System.Serial, UUID: m.System.UUID},
		Firmware: inventory.Firmware{UEFI: m.Firmware.UEFI, SecureBoot: m.Firmware.SecureBoot,
			Vendor: m.Firmware.Vendor, Version: m.Firmware.Version},
		CPU:    inventory.CPU{Model: m.CPU.Model, Arch: m.CPU.Arch, Count: m.CPU.Count},
		Memory: m.Memory,
		Errors: m.Errors,
	}
	for _, d := range m.Disks {
		facts.Disks = append(facts.Disks, inventory.Disk{
			Name: d.Name, Path: d.Path, Serial: d.Serial, WWN: d.WWN, Model: d.Model, Vendor: d.Vendor,
			Transport: d.Transport,
			Size:      d.Size, SectorSize: d.SectorSize, Rotational: d.Rotational, Removable: d.Removable,
			ReadOnly: d.ReadOnly,
			Holders:  d.Holders, Content: readContent(d.Content),
		})
	}
	for _, n := range m.NICs {
		facts.NICs = append(facts.NICs,
			inventory.NIC{Name: n.Name, MAC: n.MAC, Driver: n.Driver, Link: n.Link, Mbps: n.Mbps})
	}
	return facts
}

// readContent reads an agent's report of a disk's content. A report with none or several of the three answers is
// unreadable: never blank.
func readContent(c wire.Content) inventory.Content {
	answers := 0
	for _, given := range []bool{c.Blank, c.Signature != "", c.Unreadable != ""} {
		if given {
			answers++
		}
	}
	if answers != 1 {
		return inventory.Content{Unreadable: "the agent gave no clear answer", Summary: c.Summary}
	}
	return inventory.Content{Blank: c.Blank, Signature: c.Signature, Unreadable: c.Unreadable, Summary: c.Summary}
}
