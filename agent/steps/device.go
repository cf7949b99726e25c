package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/steps/erase"
	"github.com/gitmetal/ingot/agent/wire"
)

// BlockDevices opens the machine's own disks. Held is set for a step that stops what holds them: a disk in use is opened.
type BlockDevices struct {
	Root facts.Root
	Held bool
}

// FindPath gives the path of the only disk whose serial, WWN, path and size match the reference.
func (b BlockDevices) FindPath(ref wire.DiskRef) (string, error) {
	name, err := b.findName(ref)
	return b.devicePath(name), err
}

func (b BlockDevices) devicePath(name string) string {
	return filepath.Join(string(b.Root), "dev", name)
}

func (b BlockDevices) findName(ref wire.DiskRef) (name string, err error) {
	entries, err := os.ReadDir(filepath.Join(string(b.Root), "sys/block"))
	if err != nil {
		return "", fmt.Errorf("list disks: %w", err)
	}
	var names, others []string
	for _, entry := range entries {
		disk, ok := b.Root.DescribeDisk(entry.Name())
		if !ok {
			continue
		}
		if difference := findDifference(disk, ref); difference != "" {
			others = append(others, disk.Name+" ("+difference+")")
			continue
		}
		names = append(names, disk.Name)
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", fmt.Errorf("no disk is the one of this job: %s; nothing was written", strings.Join(others, ", "))
	default:
		return "", fmt.Errorf("%d disks are the one of this job: %s; nothing was written", len(names),
			strings.Join(names, ", "))
	}
}

// Open implements Opener: Open opens the disk that FindPath finds. The kernel must give the disk exclusively at that
// moment: a disk that is mounted, or part of a larger device, is refused.
func (b BlockDevices) Open(_ context.Context, ref wire.DiskRef) (Device, error) {
	name, err := b.findName(ref)
	if err != nil {
		return nil, err
	}
	path := b.devicePath(name)
	exclusive, err := os.OpenFile(path, os.O_RDWR|syscall.O_EXCL, 0)
	switch {
	case errors.Is(err, syscall.EBUSY) && b.Held:
	case errors.Is(err, syscall.EBUSY):
		return nil, fmt.Errorf("%s is in use; nothing was written", path)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w; nothing was written", path, err)
	}
	// The exclusive descriptor is closed again, because the installer mounts a partition of the disk.
	defer exclusive.Close()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w; nothing was written", path, err)
	}
	return &blockDevice{File: file, root: b.Root, name: name}, nil
}

type blockDevice struct {
	*os.File
	root facts.Root
	name string
}

// Descriptor gives the descriptor of a device of the kernel; false for an image file in a lab.
func (d *blockDevice) Descriptor() (descriptor erase.Descriptor, takes bool) {
	info, err := d.Stat()
	return erase.Descriptor(d.Fd()), err == nil && info.Mode()&os.ModeDevice != 0
}

// Path implements Device.
func (d *blockDevice) Path() string { return d.Name() }

// Disk implements Device. The kernel's description of a name counts only while the open descriptor has that name and
// size.
func (d *blockDevice) Disk() (wire.Disk, error) {
	disk, ok := d.root.DescribeDisk(d.name)
	if !ok {
		return wire.Disk{}, errors.New("it is gone")
	}
	if err := d.checkName(); err != nil {
		return wire.Disk{}, err
	}
	size, err := d.Seek(0, io.SeekEnd)
	if err != nil {
		return wire.Disk{}, fmt.Errorf("ask for the size: %w", err)
	}
	if uint64(size) != disk.Size {
		return wire.Disk{}, fmt.Errorf("the open disk has %d bytes, the kernel says %d", size, disk.Size)
	}
	return d.root.Inspect(disk, d), nil
}

// checkName checks that the descriptor is the device of its name: the device's number must be sysfs's number for the
// name.
func (d *blockDevice) checkName() error {
	opened, err := d.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(d.Name())
	if err != nil {
		return err
	}
	if !os.SameFile(opened, named) {
		return errors.New("its name belongs to another disk now")
	}
	status, ok := opened.Sys().(*syscall.Stat_t)
	if !ok || opened.Mode()&os.ModeDevice == 0 {
		return nil // an image file in a lab
	}
	have := fmt.Sprintf("%d:%d", unix.Major(status.Rdev), unix.Minor(status.Rdev))
	if want := d.root.DeviceNumber(d.name); have != want {
		return fmt.Errorf("device %s is open, its name stands for %s", have, want)
	}
	return nil
}
