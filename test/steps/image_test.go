//go:build e2e

package steps_test

import (
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// writes is how many cases the guest that writes images has.
const writes = 7

// TestImagesAreWritten boots the ramdisk with a program in place of the agent, which writes images to a disk of virtio, reads them
// back, and is killed in the middle of a write.
func TestImagesAreWritten(t *testing.T) {
	t.Parallel()
	console := bootGuest(t, "./imageguest", []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 64 << 20},
		{Name: "1", Serial: "DATA0001", Bytes: 96 << 20}})
	judgeCases(t, console, writes)
}
