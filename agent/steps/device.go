package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

// BlockDevices opens the machine's own disks.
type BlockDevices struct{ Root facts.Root }

// Open implements Opener: the one disk whose serial, WWN, path and size match the reference. The kernel must give it exclusively at that
// moment: a disk that is mounted, or part of something, is refused.
func (b BlockDevices) Open(ctx context.Context, ref wire.DiskRef) (Device, error) {
	entries, err := os.ReadDir(filepath.Join(string(b.Root), "sys/block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var names, why []string
	for _, entry := range entries {
		disk, ok := b.Root.Describe(entry.Name())
		if !ok {
			continue
		}
		if difference := differs(disk, ref); difference != "" {
			why = append(why, disk.Name+" ("+difference+")")
			continue
		}
		names = append(names, disk.Name)
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("%d disks are the one of this job, want 1: %s; nothing was written", len(names), strings.Join(append(names, why...), ", "))
	}
	path := filepath.Join(string(b.Root), "dev", names[0])
	exclusive, err := os.OpenFile(path, os.O_RDWR|syscall.O_EXCL, 0)
	if errors.Is(err, syscall.EBUSY) {
		return nil, fmt.Errorf("%s is in use; nothing was written", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	// The installer opens the disk too, so it is not kept exclusively.
	defer exclusive.Close()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &blockDevice{File: file, root: b.Root, name: names[0]}, ctx.Err()
}

type blockDevice struct {
	*os.File
	root facts.Root
	name string
}

// Path implements Device.
func (d *blockDevice) Path() string { return d.Name() }

// Disk implements Device. It checks that the name still belongs to what was opened.
func (d *blockDevice) Disk() (wire.Disk, error) {
	disk, ok := d.root.Describe(d.name)
	if !ok {
		return wire.Disk{}, errors.New("the disk is gone")
	}
	opened, err := d.Stat()
	if err != nil {
		return wire.Disk{}, err
	}
	named, err := os.Stat(d.Name())
	if err != nil {
		return wire.Disk{}, err
	}
	if !os.SameFile(opened, named) {
		return wire.Disk{}, errors.New("the name belongs to another disk now")
	}
	size, err := d.Seek(0, 2)
	if err != nil {
		return wire.Disk{}, fmt.Errorf("ask for the size: %w", err)
	}
	if uint64(size) != disk.Size {
		return wire.Disk{}, fmt.Errorf("the open disk has %d bytes, the kernel says %d", size, disk.Size)
	}
	disk.Content = facts.Look(d, size)
	return disk, nil
}
