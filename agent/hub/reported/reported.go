// Package reported translates what an agent reports of its machine, in the types of package wire, into the types of the
// inventory: Facts, Disks, Table. The agent does not import the inventory. Pure.
package reported

import (
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/hardware"
)

// Facts translates the report of a machine.
func Facts(m wire.Facts) inventory.Facts {
	facts := inventory.Facts{
		System: inventory.System{Manufacturer: m.System.Manufacturer, Product: m.System.Product,
			Serial: m.System.Serial, UUID: m.System.UUID},
		Firmware: inventory.Firmware{UEFI: m.Firmware.UEFI, SecureBoot: m.Firmware.SecureBoot,
			Vendor: m.Firmware.Vendor, Version: m.Firmware.Version, SetupMode: m.Firmware.SetupMode,
			Authorities: m.Firmware.Authorities, SBATLevel: m.Firmware.SBATLevel},
		CPU:    inventory.CPU{Model: m.CPU.Model, Arch: m.CPU.Arch, Count: m.CPU.Count},
		Memory: m.Memory, Hostname: m.Hostname, TPMVersion: m.TPMVersion,
		Errors: m.Errors,
	}
	if s := m.Firmware.Started; s != nil {
		facts.Firmware.Started = &hardware.Started{Entry: s.Entry, Description: s.Description, Network: s.Network, MAC: s.MAC}
	}
	if m.BMC != nil {
		facts.BMC = &hardware.BMC{}
		for _, n := range m.BMC.Networks {
			facts.BMC.Addresses = append(facts.BMC.Addresses, n.Addresses...)
			if n.MAC != "" {
				facts.BMC.MACs = append(facts.BMC.MACs, n.MAC)
			}
		}
	}
	facts.Disks = Disks(m.Disks)
	for _, n := range m.NICs {
		nic := inventory.NIC{Name: n.Name, MAC: n.MAC, Driver: n.Driver, Link: n.Link, Mbps: n.Mbps, Firmware: n.Firmware,
			Addresses: n.Addresses}
		if l := n.LLDP; l != nil {
			nic.LLDP = &hardware.LLDP{Chassis: l.Chassis, Port: l.Port, PortText: l.PortText, System: l.System, Address: l.Address}
		}
		facts.NICs = append(facts.NICs, nic)
	}
	return facts
}

// Disks translates an agent's disks.
func Disks(seen []wire.Disk) (disks []inventory.Disk) {
	for _, d := range seen {
		disks = append(disks, readDisk(d))
	}
	return disks
}

// readDisk translates an agent's look at a disk.
func readDisk(d wire.Disk) inventory.Disk {
	disk := inventory.Disk{
		Name: d.Name, Path: d.Path, Links: d.Links, Serial: d.Serial, WWN: d.WWN, Model: d.Model, Vendor: d.Vendor, Firmware: d.Firmware,
		Transport: d.Transport, Size: d.Size, SectorSize: d.SectorSize, Rotational: d.Rotational,
		Removable: d.Removable, ReadOnly: d.ReadOnly, Holders: d.Holders, Content: readContent(d.Content),
		Table: Table(d.Table),
	}
	for _, s := range d.Superblocks {
		disk.Superblocks = append(disk.Superblocks, inventory.Superblock{Type: s.Type, UUID: s.UUID})
	}
	return disk
}

// Table translates an agent's report of a partition table; nil without a report.
func Table(t *wire.Table) *inventory.Table {
	if t == nil {
		return nil
	}
	table := inventory.Table{Kind: t.Kind, Valid: t.Valid, GUID: t.GUID, Sector: t.Sector, Alone: t.Alone}
	for _, p := range t.Partitions {
		table.Partitions = append(table.Partitions, inventory.Partition{Number: p.Number, Type: p.Type, GUID: p.GUID,
			First: p.First, Last: p.Last, Label: p.Label, FSType: p.FSType, FSUUID: p.FSUUID})
	}
	return &table
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
