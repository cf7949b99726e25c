package inventory

import (
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/inventory/hardware"
	"github.com/gitmetal/ingot/schemas"
)

// The hardware of a machine; package hardware has the types and what each says.
type (
	Facts       = hardware.Facts
	System      = hardware.System
	Firmware    = hardware.Firmware
	CPU         = hardware.CPU
	NIC         = hardware.NIC
	Disk        = hardware.Disk
	Content     = hardware.Content
	Table       = hardware.Table
	Partition   = hardware.Partition
	Superblock  = hardware.Superblock
	MachineDisk = hardware.MachineDisk
)

// DiskID is what remains the same about a disk between boots; package diskid has the rule.
type DiskID = diskid.ID

// Kinds of Table.
const (
	TableNone = hardware.TableNone
	TableMBR  = hardware.TableMBR
	TableGPT  = hardware.TableGPT
)

// IdentifyDisks gives the disks of one machine with what identifies each of them; see package hardware.
func IdentifyDisks(disks []Disk) []MachineDisk { return hardware.IdentifyDisks(disks) }

// MACKey is the address of a network card in one spelling; see package hardware.
func MACKey(mac string) (key string, fromMaker bool) { return hardware.MACKey(mac) }

// NamedDisk is the identity that hints give without a look: serial and WWN. It is zero without a serial and a WWN, or
// with placeholders.
func NamedDisk(hints *schemas.DiskHints) DiskID {
	if hints == nil {
		return DiskID{}
	}
	return diskid.Named(hints.WWN, hints.Serial)
}

// ErasedDisk is the identity of the disk of a receipt.
func ErasedDisk(r Erased) DiskID {
	disk := diskid.Named(r.WWN, r.Serial)
	disk.Size = r.Size
	return disk
}
