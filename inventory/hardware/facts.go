// Package hardware is the vocabulary of a machine's hardware, as an agent in the ramdisk or a BMC reports it: Facts, disks
// and their partition tables, network cards. Package inventory gives these types their names for everybody else; use
// inventory.Facts and not hardware.Facts. IdentifyDisks is the only way to name a disk.
package hardware

import (
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Facts is the machine as the agent of one boot saw it.
type Facts struct {
	At         time.Time `json:"at"`
	Epoch      uint64    `json:"epoch"` // of the boot that looked
	System     System    `json:"system"`
	Firmware   Firmware  `json:"firmware"`
	CPU        CPU       `json:"cpu"`
	Memory     uint64    `json:"memory"` // bytes
	Disks      []Disk    `json:"disks"`
	NICs       []NIC     `json:"nics"`
	Hostname   string    `json:"hostname,omitempty"`   // of the ramdisk, as the network gave it
	TPMVersion string    `json:"tpmVersion,omitempty"` // version: 1.2 or 2.0; "" without a TPM
	BMC        *BMC      `json:"bmc,omitempty"`        // as found in-band; nil without
	Errors     []string  `json:"errors,omitempty"`
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
	// SetupMode says that the firmware takes any keys: Secure Boot is not set up.
	SetupMode   bool     `json:"setupMode,omitempty"`
	Authorities []string `json:"authorities,omitempty"` // names of the certificates in db
	SBATLevel   string   `json:"sbatLevel,omitempty"`   // date of the revocations that shim enforces, such as 2023012900
	Started     *Started `json:"started,omitempty"`     // nil where the firmware does not say
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Started is the boot entry that started the machine.
type Started struct {
	Entry       string `json:"entry"`                 // Boot0003
	Description string `json:"description,omitempty"` // as the firmware calls it
	Network     bool   `json:"network,omitempty"`     // PXE or HTTP
	MAC         string `json:"mac,omitempty"`         // of the network card
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// BMC is the machine's BMC as found in-band.
type BMC struct {
	Addresses []string `json:"addresses,omitempty"` // IPv4 and IPv6, in the order of its channels
	MACs      []string `json:"macs,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// LLDP is what a switch says of itself and of the port that a network card is connected to.
type LLDP struct {
	Chassis  string `json:"chassis"`
	Port     string `json:"port"`
	PortText string `json:"portText,omitempty"` // the port's description
	System   string `json:"system,omitempty"`   // the name of the switch
	Address  string `json:"address,omitempty"`  // its first management address
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
	// Firmware is the version of the card's firmware, as its driver tells it.
	Firmware string `json:"firmware,omitempty"`
	LLDP     *LLDP  `json:"lldp,omitempty"` // nil where no neighbour was heard
	// Addresses are IPv4 and IPv6 addresses that the card had in the ramdisk. Nothing is decided by them.
	Addresses []string `json:"addresses,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Disk is one block device of the agent's report.
type Disk struct {
	Name       string   `json:"name"`
	Path       string   `json:"path,omitempty"`
	Links      []string `json:"links,omitempty"` // all by-id and by-path links, with their directory
	Serial     string   `json:"serial,omitempty"`
	WWN        string   `json:"wwn,omitempty"`
	Model      string   `json:"model,omitempty"`
	Vendor     string   `json:"vendor,omitempty"`
	Firmware   string   `json:"firmware,omitempty"` // revision
	Transport  string   `json:"transport,omitempty"`
	Size       uint64   `json:"size"`
	SectorSize int      `json:"sectorSize,omitempty"`
	Rotational bool     `json:"rotational"`
	Removable  bool     `json:"removable,omitempty"`
	ReadOnly   bool     `json:"readOnly,omitempty"`
	Holders    []string `json:"holders,omitempty"`
	Content    Content  `json:"content"`
	Table      *Table   `json:"table,omitempty"` // nil: not known
	// Superblocks are those of the whole disk.
	Superblocks []Superblock `json:"superblocks,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Blank is the word of a disk without content.
const Blank = "blank"

// Content is the content of a disk. Exactly one of Blank, Signature and Unreadable is set.
type Content struct {
	Blank      bool   `json:"blank,omitempty"`
	Signature  string `json:"signature,omitempty"`
	Unreadable string `json:"unreadable,omitempty"`
	Summary    string `json:"summary,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Word is the content as one word: blank, or the signature; "" for content that could not be read.
func (c Content) Word() string {
	switch {
	case c.Unreadable != "":
		return ""
	case c.Blank:
		return Blank
	default:
		return c.Signature
	}
}

// HasMAC reports whether a network card has an address.
func (f Facts) HasMAC(mac string) bool {
	return slices.ContainsFunc(f.NICs, func(nic NIC) bool { return strings.EqualFold(nic.MAC, mac) })
}
