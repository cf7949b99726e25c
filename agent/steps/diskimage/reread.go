package diskimage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// RereadPartitions makes the kernel read the partition table of a disk anew. No partition of the disk may be in use.
func RereadPartitions(device string) error {
	file, err := os.OpenFile(device, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("read the new partitions: %w", err)
	}
	defer file.Close()
	if err := unix.IoctlSetInt(int(file.Fd()), unix.BLKRRPART, 0); err != nil {
		return fmt.Errorf("read the new partitions of %s: %w", device, err)
	}
	return nil
}
