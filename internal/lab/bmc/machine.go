package bmc

import "context"

// Machine is the hardware behind a BMC. It is Off until Start succeeds and On until the channel that Start gave
// delivers its one Exit. The BMC never calls two of its methods at a time for one machine.
type Machine interface {
	// Start powers the machine on and returns once it runs. The channel delivers exactly one Exit, when the
	// machine is off again for whatever reason, and is then closed. The context bounds starting only; it does
	// not end the machine. Starting a machine that runs is an error.
	Start(ctx context.Context, boot Boot) (<-chan Exit, error)

	// Stop asks the machine to end and returns without waiting for it: the Exit tells. Graceful is the ACPI
	// power button, which the guest may ignore; Force cannot fail to end it. Stopping a machine that is off
	// does nothing and returns nil.
	Stop(ctx context.Context, how Stop) error
}

// Source is a device class the firmware boots from.
type Source string

// What a machine may be told to boot from. A source with nothing bootable falls through to the disk, as in firmware.
const (
	FromDisk Source = "disk"
	FromCD   Source = "cd"
	FromHTTP Source = "http" // UEFI HTTP boot of Boot.HTTPURL; network boot order when that is empty
	FromPXE  Source = "pxe"
)

// Boot is one pass through the firmware: what is attached, and which device comes first.
type Boot struct {
	From     Source
	MediaURL string // http(s) URL of the medium in the virtual CD; empty: no medium. Attached whatever From says.
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

// Why a machine ended. After Rebooted the BMC keeps the power on and starts the machine again with a fresh boot decision.
const (
	PoweredOff ExitCause = "powered-off" // the guest powered itself off, on its own or at a graceful stop
	Rebooted   ExitCause = "rebooted"    // the guest asked for a reset
	Stopped    ExitCause = "stopped"     // Stop(Force)
	PowerLost  ExitCause = "power-lost"  // the plug was pulled, or the machine died
)

// Exit is the end of one run of a machine.
type Exit struct {
	Cause ExitCause
	Err   error // set when the machine died unexpectedly; says where its log is
}

// Identity is what a BMC reports about its machine. Empty strings and zeros are left out of the documents.
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

// NIC is one host network interface as the BMC lists it.
type NIC struct {
	Name string // resource id, for example "1"
	MAC  string // aa:bb:cc:dd:ee:ff
}

// Disk is one drive as the BMC lists it.
type Disk struct {
	Name   string
	Serial string
	Model  string
	Bytes  int64
}
