package execution

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// MountRAM mounts a file system of at most a number of bytes, in RAM; it is Tools.Mount of a real machine. What a
// killed process still holds open is freed with its last descriptor.
func MountRAM(dir string, size uint64) (unmount func() error, err error) {
	if err := unix.Mount("results", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0777", size)); err != nil {
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	return func() error { return unix.Unmount(dir, unix.MNT_DETACH) }, nil
}
