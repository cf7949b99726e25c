package plugincheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// Form of the disk of a step.
const (
	diskSize   = 64 << 20 // bytes, of which a file system keeps only what is written
	diskSector = 512
	diskSerial = "INGOT-STEP-TEST"
)

// fileDisk is an empty disk in a file. It gives leave to itself.
type fileDisk struct {
	dir     string
	file    *os.File
	written bool
}

func (d *fileDisk) ref() wire.DiskRef {
	return wire.DiskRef{Serial: diskSerial, Size: diskSize, Content: wire.ContentBlank}
}

// describe says what became of the disk; "" without one.
func (d *fileDisk) describe() string {
	switch {
	case d.file == nil:
		return ""
	case d.written:
		return "; it wrote to the disk"
	default:
		return "; it wrote nothing to the disk"
	}
}

// Open implements steps.Opener.
func (d *fileDisk) Open(context.Context, wire.DiskRef) (steps.Device, error) {
	file, err := os.CreateTemp(d.dir, "disk-")
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(diskSize); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	d.file = file
	return openDisk{file}, nil
}

// AskLeave implements steps.Leave.
func (d *fileDisk) AskLeave(context.Context, []wire.Disk) (bool, error) { return true, nil }

// openDisk is the open file.
type openDisk struct{ *os.File }

// Path implements steps.Device.
func (d openDisk) Path() string { return d.Name() }

// Disk implements steps.Device.
func (d openDisk) Disk() (wire.Disk, error) {
	disk := wire.Disk{Name: "file", Serial: diskSerial, Size: diskSize, SectorSize: diskSector}
	bytes := bufio.NewReader(io.NewSectionReader(d, 0, diskSize))
	for {
		switch b, err := bytes.ReadByte(); {
		case errors.Is(err, io.EOF):
			disk.Content.Blank = true
			return disk, nil
		case err != nil:
			return disk, fmt.Errorf("read the disk: %w", err)
		case b != 0:
			disk.Content.Signature = "written"
			return disk, nil
		}
	}
}
