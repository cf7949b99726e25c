package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Facts is the machine as the agent of one boot saw it.
type Facts struct {
	At       time.Time `json:"at"`
	Epoch    uint64    `json:"epoch"` // of the boot that looked
	System   System    `json:"system"`
	Firmware Firmware  `json:"firmware"`
	CPU      CPU       `json:"cpu"`
	Memory   uint64    `json:"memory"` // bytes
	Disks    []Disk    `json:"disks"`
	NICs     []NIC     `json:"nics"`
	Errors   []string  `json:"errors,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// System is a machine's identity as SMBIOS, or the BMC, reports it.
type System struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Serial       string `json:"serial,omitempty"`
	UUID         string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Firmware is how the machine was started.
type Firmware struct {
	UEFI       bool   `json:"uefi"`
	SecureBoot bool   `json:"secureBoot"`
	Vendor     string `json:"vendor,omitempty"`
	Version    string `json:"version,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// CPU counts and names the processors.
type CPU struct {
	Model string `json:"model,omitempty"`
	Arch  string `json:"arch,omitempty"`
	Count int    `json:"count"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// NIC is one network interface.
type NIC struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"`
	Driver string `json:"driver,omitempty"`
	Link   bool   `json:"link"`
	Mbps   int    `json:"mbps,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Disk is one block device of the agent's report.
type Disk struct {
	Name       string   `json:"name"`
	Path       string   `json:"path,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	WWN        string   `json:"wwn,omitempty"`
	Model      string   `json:"model,omitempty"`
	Vendor     string   `json:"vendor,omitempty"`
	Transport  string   `json:"transport,omitempty"`
	Size       uint64   `json:"size"`
	SectorSize int      `json:"sectorSize,omitempty"`
	Rotational bool     `json:"rotational"`
	Removable  bool     `json:"removable,omitempty"`
	ReadOnly   bool     `json:"readOnly,omitempty"`
	Holders    []string `json:"holders,omitempty"`
	Content    Content  `json:"content"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Content is the content of a disk. Exactly one of Blank, Signature and Unreadable is set.
type Content struct {
	Blank      bool   `json:"blank,omitempty"`
	Signature  string `json:"signature,omitempty"`
	Unreadable string `json:"unreadable,omitempty"`
	Summary    string `json:"summary,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// DiskID is what remains the same about a disk between boots.
type DiskID struct {
	Serial string `json:"serial,omitempty"`
	WWN    string `json:"wwn,omitempty"`
	Path   string `json:"path,omitempty"`
	Size   uint64 `json:"size,omitempty"` // bytes; 0 for a disk without a look
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// ID is the identity of the disk by itself; DistinctDisks compares with the other disks of the machine.
func (d Disk) ID() DiskID {
	return DiskID{Serial: d.Serial, WWN: d.WWN, Path: d.Path, Size: d.Size}.Named()
}

// Label is the name of a disk for people and consents: WWN, else serial, else path and size. Placeholders do not count.
// The label is "" without a name.
func (d DiskID) Label() string {
	switch wwn, serial := d.Names(); {
	case wwn != "":
		return wwn
	case serial != "":
		return serial
	case d.Path != "":
		return fmt.Sprintf("%s+%d", d.Path, d.Size)
	default:
		return ""
	}
}

// Zero reports whether nothing is known of the disk.
func (d DiskID) Zero() bool {
	d.Unknown = ""
	return d == DiskID{}
}

// IsSameDisk reports whether two identities are of one disk: all that is known of both agrees, and both share a WWN, a
// serial, or path and size. Placeholders are unknown.
func (d DiskID) IsSameDisk(o DiskID) bool {
	shared := false
	wwn, serial := d.Names()
	otherWWN, otherSerial := o.Names()
	for _, pair := range [][2]string{{wwn, otherWWN}, {serial, otherSerial}} {
		if pair[0] == "" || pair[1] == "" {
			continue
		}
		if pair[0] != pair[1] {
			return false
		}
		shared = true
	}
	if d.Size != 0 && o.Size != 0 && d.Size != o.Size {
		return false
	}
	return shared || (d.Path != "" && d.Path == o.Path && d.Size != 0 && d.Size == o.Size)
}

// Sees reports whether a machine reported a disk. A path says nothing about another machine's disks, nor does a name of
// several disks of the machine.
func (f *Facts) Sees(disk DiskID) bool {
	if wwn, serial := disk.Names(); wwn == "" && serial == "" {
		return false
	}
	return slices.ContainsFunc(f.Volumes(), func(d DiskID) bool {
		return d.IsSameDisk(disk) && d.Size == disk.Size && (d.WWN != "" || d.Serial != "")
	})
}
