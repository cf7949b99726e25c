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
	"github.com/gitmetal/ingot/agent/wire"
)

// BlockDevices opens the machine's own disks.
type BlockDevices struct{ Root facts.Root }

// Find gives the path of the one disk whose serial, WWN, path and size match the reference.
func (b BlockDevices) Find(ref wire.DiskRef) (string, error) {
	name, err := b.find(ref)
	return b.path(name), err
}

func (b BlockDevices) path(name string) string { return filepath.Join(string(b.Root), "dev", name) }

func (b BlockDevices) find(ref wire.DiskRef) (name string, err error) {
	entries, err := os.ReadDir(filepath.Join(string(b.Root), "sys/block"))
	if err != nil {
		return "", fmt.Errorf("list disks: %w", err)
	}
	var names, others []string
	for _, entry := range entries {
		disk, ok := b.Root.Describe(entry.Name())
		if !ok {
			continue
		}
		if difference := differs(disk, ref); difference != "" {
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
		return "", fmt.Errorf("%d disks are the one of this job: %s; nothing was written", len(names), strings.Join(names, ", "))
	}
}

// Open implements Opener: the disk that Find finds. The kernel must give it exclusively at that moment: a disk that is mounted, or part of
// something, is refused.
func (b BlockDevices) Open(_ context.Context, ref wire.DiskRef) (Device, error) {
	name, err := b.find(ref)
	if err != nil {
		return nil, err
	}
	path := b.path(name)
	exclusive, err := os.OpenFile(path, os.O_RDWR|syscall.O_EXCL, 0)
	if errors.Is(err, syscall.EBUSY) {
		return nil, fmt.Errorf("%s is in use; nothing was written", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w; nothing was written", path, err)
	}
	// The installer mounts a partition of the disk, so it cannot be kept exclusively.
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

// Path implements Device.
func (d *blockDevice) Path() string { return d.Name() }

// Disk implements Device. What the kernel says of a name counts only while the name is what is open, and has its size.
func (d *blockDevice) Disk() (wire.Disk, error) {
	disk, ok := d.root.Describe(d.name)
	if !ok {
		return wire.Disk{}, errors.New("it is gone")
	}
	if err := d.named(); err != nil {
		return wire.Disk{}, err
	}
	size, err := d.Seek(0, io.SeekEnd)
	if err != nil {
		return wire.Disk{}, fmt.Errorf("ask for the size: %w", err)
	}
	if uint64(size) != disk.Size {
		return wire.Disk{}, fmt.Errorf("the open disk has %d bytes, the kernel says %d", size, disk.Size)
	}
	disk.Content = d.root.LookAt(disk, d)
	return disk, nil
}

// named checks that the descriptor is what its name stands for: the device's number is the one that sysfs describes under the name.
func (d *blockDevice) named() error {
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
	if want := d.root.Number(d.name); have != want {
		return fmt.Errorf("device %s is open, its name stands for %s", have, want)
	}
	return nil
}
