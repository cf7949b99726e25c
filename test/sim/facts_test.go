package sim

import (
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/agent/wire"
)

// facts is the machine as its agent sees it.
func (a *agent) facts() wire.Facts {
	m := a.m
	facts := wire.Facts{
		System:   wire.System{Manufacturer: "Acme", Product: "X", Serial: m.serial, UUID: m.uuid},
		Firmware: wire.Firmware{UEFI: true, SecureBoot: true}, CPU: wire.CPU{Count: 8, Arch: "amd64"}, Memory: 64 << 30,
		NICs: []wire.NIC{{Name: "eno1", MAC: m.mac, Link: true}},
	}
	for i, d := range m.disks {
		facts.Disks = append(facts.Disks, m.describe(d, i))
	}
	if m.secondFirst {
		slices.Reverse(facts.Disks)
	}
	return facts
}

// describe is a disk as a look of the agent finds it.
func (m *machine) describe(d *disk, i int) wire.Disk {
	name := i
	if m.secondFirst {
		name = len(m.disks) - 1 - i
	}
	return wire.Disk{Name: "vd" + string(rune('a'+name)), Path: fmt.Sprintf("/dev/disk/by-path/pci-%d", i),
		Serial: d.serial, Model: d.model, Transport: "sata", Size: uint64(d.size), SectorSize: 512,
		Content: d.content(), Table: d.table(), Links: []string{fmt.Sprintf("/dev/disk/by-path/pci-%d", i), "/dev/disk/by-id/ata-" + d.serial}}
}
