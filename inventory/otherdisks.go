package inventory

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Translation is the result of translating a Butane config with a host's vars, and without secrets.
type Translation struct {
	Findings []schemas.Finding
	// Room is how many bytes the Ignition config may still grow and be delivered; secrets count by their sealed length.
	// Negative: the config is too large, which is a finding too.
	Room int
	// OtherDisks are sorted by device, without repetition.
	OtherDisks []OtherDisk
}

// OtherDisk is a block device, not known to be the root disk or a part of the root disk, that Ignition writes to at the
// first start of the installed system.
type OtherDisk struct {
	// Device is the device as the config names it, or UnknownDisks where the written content is not in the commit.
	Device string `json:"device"`
	// Does says what is done to the device, in words, sorted: "partition table wiped".
	Does []string `json:"does"`
}

// UnknownDisks stands for the device where a config comes from outside of the commit.
const UnknownDisks = "unknown disks"

// String is the device and the writes.
func (d OtherDisk) String() string { return d.Device + ": " + strings.Join(d.Does, "; ") }

// KernelNamed reports whether the device has a name that the kernel assigns at each start, such as /dev/sdb: it may be
// any disk, the root disk too.
func (d OtherDisk) KernelNamed() bool {
	name, inDev := strings.CutPrefix(d.Device, "/dev/")
	return inDev && name != "" && !strings.Contains(name, "/")
}

// Equal reports whether device and writes are the same.
func (d OtherDisk) Equal(other OtherDisk) bool {
	return d.Device == other.Device && slices.Equal(d.Does, other.Does)
}
