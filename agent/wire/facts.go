package wire

// Facts is the machine as this boot's agent sees it.
type Facts struct {
	System   System   `json:"system"`
	Firmware Firmware `json:"firmware"`
	CPU      CPU      `json:"cpu"`
	Memory   uint64   `json:"memory"` // bytes
	Disks    []Disk   `json:"disks"`
	NICs     []NIC    `json:"nics"`
	// Hostname is the ramdisk's, as the network gave it.
	Hostname   string      `json:"hostname,omitempty"`
	TPMVersion string      `json:"tpmVersion,omitempty"` // version: 1.2 or 2.0; "" without a TPM
	BMC        *BMC        `json:"bmc,omitempty"`        // as found in-band; nil without
	PCI        []PCIDevice `json:"pci,omitempty"`
	Errors     []string    `json:"errors,omitempty"` // names of the parts that could not be read, with reasons
}

// System is the machine as SMBIOS describes it.
type System struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Serial       string `json:"serial,omitempty"`
	UUID         string `json:"uuid,omitempty"` // lower case, with dashes
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
}

// Started is the boot entry that started the machine.
type Started struct {
	Entry       string `json:"entry"`                 // Boot0003
	Description string `json:"description,omitempty"` // as the firmware calls it
	Network     bool   `json:"network,omitempty"`     // PXE or HTTP
	MAC         string `json:"mac,omitempty"`         // of the network card, lower case with colons
}

// BMC is the machine's BMC as found in-band, over IPMI.
type BMC struct {
	Networks []BMCNetwork `json:"networks"`
}

// PCIDevice is one function of a PCI device. The numbers are hex, as in /sys/bus/pci/devices.
type PCIDevice struct {
	Address string `json:"address"` // 0000:01:00.0
	Class   string `json:"class"`   // 6 digits
	Vendor  string `json:"vendor"`  // 4 digits
	Device  string `json:"device"`  // 4 digits
	Driver  string `json:"driver,omitempty"`
}

// LLDP is what a switch says of itself and of the port that a network card is connected to.
type LLDP struct {
	Chassis  string `json:"chassis"`            // usually a MAC
	Port     string `json:"port"`               // usually the name of the port
	PortText string `json:"portText,omitempty"` // the port's description
	System   string `json:"system,omitempty"`   // the name of the switch
	Address  string `json:"address,omitempty"`  // its first management address
}

// CPU counts and names the processors.
type CPU struct {
	Model string `json:"model,omitempty"`
	Arch  string `json:"arch,omitempty"` // GOARCH
	Count int    `json:"count"`          // logical
}

// Disk is one block device that could hold an operating system.
type Disk struct {
	Name string `json:"name"`           // kernel name, for people only: it changes between boots
	Path string `json:"path,omitempty"` // /dev/disk/by-path/…, the preferred link
	// Links are all links of the whole disk in /dev/disk/by-id and /dev/disk/by-path, with their directory, sorted. A
	// link that several disks claim is no link of any disk.
	Links      []string `json:"links,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	WWN        string   `json:"wwn,omitempty"` // lower case hex without 0x, or an nvme eui./uuid. name
	Model      string   `json:"model,omitempty"`
	Vendor     string   `json:"vendor,omitempty"`
	Firmware   string   `json:"firmware,omitempty"`  // revision
	Transport  string   `json:"transport,omitempty"` // virtio, sata, sas, nvme, usb…
	Size       uint64   `json:"size"`                // bytes
	SectorSize int      `json:"sectorSize,omitempty"`
	Rotational bool     `json:"rotational"`
	Removable  bool     `json:"removable"`
	ReadOnly   bool     `json:"readOnly"`
	Holders    []string `json:"holders,omitempty"` // mounts, LVM, RAID, multipath that use it
	Content    Content  `json:"content"`
	// Table is the partition table; nil in the report of an agent before protocol 2, and where the disk is unreadable.
	Table *Table `json:"table,omitempty"`
	// Superblocks are those of the whole disk, beside or instead of a partition table.
	Superblocks []Superblock `json:"superblocks,omitempty"`
}

// Kinds of Table.
const (
	TableNone = "none"
	TableMBR  = "mbr"
	TableGPT  = "gpt"
)

// Table is the partition table of a disk, as it was read from the disk itself.
type Table struct {
	Kind string `json:"kind"`
	// Valid says that the table may be believed: of a GPT, the protective MBR, the primary header and its entry array
	// are intact. Without Valid, the other members of a GPT are the backup's.
	Valid bool `json:"valid"`
	// GUID is the disk GUID of a GPT, lower case with dashes; of an MBR its 8 hex digits, if they are not 0.
	GUID       string      `json:"guid,omitempty"`
	Sector     int         `json:"sector,omitempty"` // bytes of the table's sectors
	Partitions []Partition `json:"partitions,omitempty"`
	// Alone says that the first MiB of the disk holds nothing but the table: without a table, zeros.
	Alone bool `json:"alone,omitempty"`
}

// Partition is one entry of a Table.
type Partition struct {
	Number int    `json:"number"`         // from 1
	Type   string `json:"type"`           // GUID of a GPT, two hex digits of an MBR
	GUID   string `json:"guid,omitempty"` // lower case, with dashes; "" in an MBR
	First  uint64 `json:"first"`          // sector
	Last   uint64 `json:"last"`           // sector, inclusive
	Label  string `json:"label,omitempty"`
	FSType string `json:"fsType,omitempty"` // of the first superblock that was found in it
	FSUUID string `json:"fsUUID,omitempty"`
}

// Superblock says that a file system, a volume or a member of an array begins or ends here.
type Superblock struct {
	Type string `json:"type"`           // as blkid names it: ext4, LVM2_member, linux_raid_member…
	UUID string `json:"uuid,omitempty"` // as blkid writes it
}

// Content is the content of a disk at the agent's look. Exactly one of Blank, Signature and Unreadable is set.
type Content struct {
	// Blank: zeros in the first and last 16 MiB, in 4 KiB at every MiB of the first 2 GiB, and in 2,048 × 4 KiB evenly
	// over the rest; no signature, no holder, no reservation
	Blank bool `json:"blank,omitempty"`
	// Signature is "v2:" and 16 hex digits over what was read; ingot 4176809 has only the digits, over other bytes.
	Signature  string `json:"signature,omitempty"`
	Unreadable string `json:"unreadable,omitempty"` // why nothing could be said; never treated as blank
	Summary    string `json:"summary,omitempty"`    // for people: "gpt: EFI-SYSTEM vfat, boot ext4, root ext4"
}

// NIC is one network interface.
type NIC struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"` // lower case, colons; the permanent address when known
	Driver string `json:"driver,omitempty"`
	Link   bool   `json:"link"`
	Mbps   int    `json:"mbps,omitempty"`
	// Firmware is the version of the card's firmware, as its driver tells it.
	Firmware string `json:"firmware,omitempty"`
	LLDP     *LLDP  `json:"lldp,omitempty"` // nil where no neighbour was heard
	// Addresses are the card's IPv4 and IPv6 addresses in the ramdisk, or those of the bond above, without those that
	// reach no further than the link.
	Addresses []string `json:"addresses,omitempty"`
}
