package bmc

import "context"

// Machine is the hardware behind a BMC. A machine is off until Start succeeds, and on until the channel of Start
// delivers its Exit. The BMC never calls two methods of a machine at the same time.
type Machine interface {
	// Start powers the machine on and returns once it runs. The channel delivers exactly one Exit, when the machine is
	// off again for any reason, and is then closed. The context bounds the start only and does not end the machine.
	// Starting a running machine is an error.
	Start(ctx context.Context, boot Boot) (<-chan Exit, error)

	// Stop asks the machine to end and returns at once: the Exit reports the end. Graceful is the ACPI power button,
	// which the guest may ignore; Force always ends the machine. Stopping a machine that is off does nothing and
	// returns nil.
	Stop(ctx context.Context, how Stop) error
}

// Source is a device class from which the firmware boots.
type Source string

// Boot sources. A source without a bootable system falls through to the disk, as in firmware.
const (
	FromDisk Source = "disk"
	FromCD   Source = "cd"
	FromHTTP Source = "http" // UEFI HTTP boot of Boot.HTTPURL; network boot order if HTTPURL is empty
	FromPXE  Source = "pxe"
)

// Boot is a pass through the firmware: the attached devices, and the first boot source.
type Boot struct {
	From     Source
	MediaURL string // http(s) URL of the medium in the virtual CD; empty: no medium. Attached for every From.
	HTTPURL  string // boot URI for FromHTTP
}

// Stop says how hard to end a machine.
type Stop string

// The two ways to power a machine off.
const (
	Graceful Stop = "graceful"
	Force    Stop = "force"
)

// ExitCause says why a machine ended.
type ExitCause string

// Causes. After Rebooted the BMC keeps the power on and starts the machine again with a new boot decision.
const (
	PoweredOff ExitCause = "powered-off" // the guest powered itself off, on its own or at a graceful stop
	Rebooted   ExitCause = "rebooted"    // the guest asked for a reset
	Stopped    ExitCause = "stopped"     // Stop(Force)
	PowerLost  ExitCause = "power-lost"  // the plug was pulled, or the machine died
)

// Exit is the end of a machine's run.
type Exit struct {
	Cause ExitCause
	Err   error // set when the machine died unexpectedly; says where its log is
}

// Identity is what a BMC reports about its machine. Empty strings and zeros are omitted from the documents.
type Identity struct {
	Manufacturer string
	Model        string
	Serial       string
	SKU          string
	UUID         string // 8-4-4-4-12 hex, lower case
	BIOSVersion  string
	Processors   int // sockets
	Cores        int // over all sockets
	MemoryMiB    int
	SecureBoot   bool // Secure Boot is enforced
	NICs         []NIC
	Disks        []Disk
}

// NIC is a host network interface as the BMC lists it.
type NIC struct {
	Name string // resource id, for example "1"
	MAC  string // aa:bb:cc:dd:ee:ff
}

// Disk is a drive as the BMC lists it.
type Disk struct {
	Name   string
	Serial string
	Model  string
	Bytes  int64
}
