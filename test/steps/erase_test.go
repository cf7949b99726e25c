//go:build e2e

package steps_test

import (
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// erasures is how many cases the guest that erases disks has.
const erasures = 15

// TestDisksAreErased boots the ramdisk with a program in place of the agent, which erases a disk of virtio and an NVMe drive of
// QEMU, reads them back whole, stops arrays, volumes, mounts and swap of the disks, and is killed in the middle of an erase.
func TestDisksAreErased(t *testing.T) {
	t.Parallel()
	console := bootGuest(t, "./eraseguest", []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 256 << 20},
		{Name: "1", Serial: "DATA0001", Bytes: 192 << 20}, {Name: "2", Serial: "NVME0001", Bytes: 192 << 20}}, "NVME0001")
	judgeCases(t, console, erasures)
}
