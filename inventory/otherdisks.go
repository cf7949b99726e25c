package inventory

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Translation is what is known of a Butane config after it was translated with a host's vars, and without its secrets.
type Translation struct {
	Findings []schemas.Finding
	// Room is how many bytes the Ignition config may still grow before it cannot be delivered; secrets are counted by their sealed length. Negative: it is too
	// large, which is a finding too.
	Room int
	// OtherDisks are sorted by device, each once.
	OtherDisks []OtherDisk
}

// OtherDisk is a block device, not known to be the root disk or a part of it, that Ignition writes to when the installed system starts for the first time.
type OtherDisk struct {
	// Device is as the config names it; UnknownDisks where what is written is not in the commit.
	Device string `json:"device"`
	// Does says what is done to the device, in words, sorted: "partition table wiped".
	Does []string `json:"does"`
}

// UnknownDisks stands for the device where a config comes from outside of the commit.
const UnknownDisks = "unknown disks"

// String is the device and what is done to it.
func (d OtherDisk) String() string { return d.Device + ": " + strings.Join(d.Does, "; ") }

// KernelNamed reports whether the device has a name that the kernel gives anew at each start, such as /dev/sdb: it may be any disk, the root disk too.
func (d OtherDisk) KernelNamed() bool {
	name, below := strings.CutPrefix(d.Device, "/dev/")
	return below && name != "" && !strings.Contains(name, "/")
}

// Equal reports whether the same is done to the same device.
func (d OtherDisk) Equal(other OtherDisk) bool {
	return d.Device == other.Device && slices.Equal(d.Does, other.Does)
}
