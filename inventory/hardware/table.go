package hardware

import "github.com/gitmetal/ingot/inventory/format"

// Kinds of Table.
const (
	TableNone = "none"
	TableMBR  = "mbr"
	TableGPT  = "gpt"
)

// Table is the partition table of a disk, as an agent read it from the disk.
type Table struct {
	Kind string `json:"kind"`
	// Valid says that the table may be believed: of a GPT, the protective MBR, the primary header and its entry array
	// are intact. Without Valid, the other members of a GPT are the backup's.
	Valid bool `json:"valid,omitempty"`
	// GUID is the disk GUID, lower case with dashes; of an MBR its 8 hex digits.
	GUID       string      `json:"guid,omitempty"`
	Sector     int         `json:"sector,omitempty"` // bytes
	Partitions []Partition `json:"partitions,omitempty"`
	// Alone says that the first MiB holds nothing but the table: without a table, zeros.
	Alone bool `json:"alone,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Partition is one entry of a Table.
type Partition struct {
	Number int    `json:"number"`
	Type   string `json:"type"`
	GUID   string `json:"guid,omitempty"`
	First  uint64 `json:"first"` // sector
	Last   uint64 `json:"last"`  // sector, inclusive
	Label  string `json:"label,omitempty"`
	FSType string `json:"fsType,omitempty"`
	FSUUID string `json:"fsUUID,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Superblock says that the whole disk is a file system, a volume or a member of an array.
type Superblock struct {
	Type string `json:"type"` // as blkid names it
	UUID string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// WhyNotEmpty says why a disk may hold more than an interrupted install leaves, or "": an interrupted install leaves no
// partition table, or one without partitions, and nothing else in the first MiB. coreos-installer writes an empty GPT
// first, and the first MiB of the image last. A disk whose table is not known is not empty.
func (d Disk) WhyNotEmpty() string {
	switch t := d.Table; {
	case t == nil:
		return "its partition table was not read"
	case len(t.Partitions) > 0 && t.Valid:
		return "it has a partition table with partitions"
	case !t.Alone:
		return "its first MiB holds data"
	case len(d.Superblocks) > 0:
		return "it holds " + d.Superblocks[0].Type
	default:
		return ""
	}
}
