// Package volumes mounts the file systems of the system that an install wrote, for the steps behind the install. Open opens
// the disk and says what is on it; Find finds a partition by its name; System.Mount mounts one; System.Close unmounts all of
// them, whatever happened, and must be called. Do not mount a partition of a disk that Open did not open: Open compares the
// disk with the one that the operation wrote.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// mountable are the types of file systems that are mounted, as blkid names them.
var mountable = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"}

// TypeESP is the type of an EFI system partition (UEFI 2.10, 5.3.3).
const TypeESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

// Volume is a partition of the written disk.
type Volume struct {
	wire.Partition
	FSLabel string // of the file system
	node    string // device
	dir     string // where it is mounted; "" where it is not
	writing bool   // mounted for writing
}

// CanMount reports whether the partition has a file system that is mounted.
func (v *Volume) CanMount() bool { return slices.Contains(mountable, v.FSType) }

// String names a partition for people.
func (v *Volume) String() string {
	text := fmt.Sprintf("%d (", v.Number)
	for _, part := range []string{v.FSType, v.Label} {
		if part != "" {
			text += part + ", "
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "("), ", ") + ")"
}

// System is the written disk, open.
type System struct {
	Volumes []*Volume
	disk    *os.File // locked
	dir     string   // in RAM: the mount points are below
}

// Machine is where disks and mount points are.
type Machine struct {
	Disks steps.BlockDevices
	Dir   string // in RAM
}

// Open finds the disk that the operation wrote, and its partitions: its GUID must be mark, unless mark is "", for a disk
// without a GPT. Nothing of the disk may be in use. The caller calls Close, also after an error.
func Open(ctx context.Context, m Machine, ref wire.DiskRef, mark string) (*System, error) {
	s := &System{}
	path, err := m.Disks.FindPath(ref)
	if err != nil {
		return s, err
	}
	if s.disk, err = openLocked(ctx, path); err != nil {
		return s, err
	}
	disk, err := inspect(m.Disks.Root, s.disk)
	switch {
	case err != nil:
		return s, fmt.Errorf("look at disk %s: %w; nothing was written", path, err)
	case len(disk.Holders) > 0:
		return s, fmt.Errorf("%s is in use: %s; nothing was written", path, strings.Join(disk.Holders, ", "))
	case disk.Table == nil || !disk.Table.Valid:
		return s, fmt.Errorf("%s has no intact partition table; nothing was written", path)
	case mark != "" && disk.Table.GUID != mark:
		return s, fmt.Errorf("%s has the disk GUID %s, the install of this operation has %s; nothing was written", path,
			disk.Table.GUID, mark)
	}
	if s.dir, err = os.MkdirTemp(m.Dir, "ingot-system-"); err != nil {
		return s, fmt.Errorf("make the mount points: %w", err)
	}
	nodes, err := listNodes(disk.Name)
	if err != nil {
		return s, err
	}
	for _, p := range disk.Table.Partitions {
		v := &Volume{Partition: p, node: nodes[p.Number]}
		v.FSLabel = readLabel(s.disk, int64(p.First)*int64(disk.Table.Sector), p.FSType)
		s.Volumes = append(s.Volumes, v)
	}
	return s, nil
}

// openLocked opens a disk for reading, and keeps udev from it: udev has the kernel read the partitions of a disk anew after
// each writer, and their devices are gone meanwhile (systemd, "Locking Block Device Access"). The lock ends with the file.
func openLocked(ctx context.Context, path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w; nothing was written", path, err)
	}
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(int(file.Fd()), unix.LOCK_EX) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		return file, fmt.Errorf("%s is locked by another program: %w; nothing was written", path, ctx.Err())
	}
	if err != nil {
		err = fmt.Errorf("lock %s: %w; nothing was written", path, err)
	}
	return file, err
}

// inspect says what an open disk holds. The kernel's description of its name counts only while the descriptor has the name.
func inspect(root facts.Root, file *os.File) (wire.Disk, error) {
	disk, known := root.DescribeDisk(filepath.Base(file.Name()))
	var status unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &status); err != nil {
		return disk, err
	}
	have := fmt.Sprintf("%d:%d", unix.Major(status.Rdev), unix.Minor(status.Rdev))
	if want := root.DeviceNumber(filepath.Base(file.Name())); !known || have != want {
		return disk, fmt.Errorf("device %s is open, its name stands for %q", have, want)
	}
	return root.Inspect(disk, file), nil
}

// listNodes lists the devices of a disk's partitions by their numbers, as the kernel names them.
func listNodes(disk string) (map[int]string, error) {
	entries, err := os.ReadDir("/sys/class/block/" + disk)
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", disk, err)
	}
	nodes := map[int]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join("/sys/class/block", disk, entry.Name(), "partition"))
		if err != nil {
			continue // no partition
		}
		if number, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			nodes[number] = "/dev/" + entry.Name()
		}
	}
	return nodes, nil
}

// Mount mounts a partition, for reading only or for writing, and gives its directory. A partition that is mounted for reading
// is mounted for writing by the next call that asks for that. Devices and set-user-ID programs of the file system do not
// count.
func (s *System) Mount(v *Volume, writing bool) (dir string, err error) {
	const flags = unix.MS_NODEV | unix.MS_NOSUID
	switch {
	case v.dir != "" && (v.writing || !writing):
		return v.dir, nil
	case v.dir != "":
		if err := unix.Mount("", v.dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			return "", fmt.Errorf("mount partition %s for writing: %w", v, err)
		}
		v.writing = true
		return v.dir, nil
	case !v.CanMount():
		return "", fmt.Errorf("partition %s has no file system that can be mounted: LUKS, LVM, arrays and swap are not opened", v)
	case v.node == "":
		return "", fmt.Errorf("the kernel does not see partition %s", v)
	}
	dir = s.mountPoint(v)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the mount point of partition %s: %w", v, err)
	}
	how := uintptr(flags)
	if !writing {
		how |= unix.MS_RDONLY
	}
	if err := unix.Mount(v.node, dir, v.FSType, how, ""); err != nil {
		return "", fmt.Errorf("mount partition %s: %w", v, err)
	}
	v.dir, v.writing = dir, writing
	return dir, nil
}

// Close writes everything to the disk, and unmounts all partitions. An error means that the disk may not hold what was
// written.
func (s *System) Close() error {
	var failed []error
	for _, v := range slices.Backward(s.Volumes) {
		if v.dir == "" {
			continue
		}
		if v.writing {
			failed = append(failed, syncDir(v.dir))
		}
		if err := unix.Unmount(v.dir, 0); err != nil {
			failed = append(failed, fmt.Errorf("unmount partition %s: %w", v, err))
			continue
		}
		v.dir, v.writing = "", false
	}
	if s.dir != "" { // each directory for itself: what is mounted against expectation loses nothing
		for _, v := range s.Volumes {
			_ = os.Remove(s.mountPoint(v))
		}
		_ = os.Remove(s.dir)
	}
	if s.disk != nil {
		_ = s.disk.Close() // it was only read
	}
	return errors.Join(failed...)
}

func (s *System) mountPoint(v *Volume) string { return filepath.Join(s.dir, strconv.Itoa(v.Number)) }

// syncDir writes the file system with a directory to its disk.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Syncfs(int(file.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
