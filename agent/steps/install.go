// Package steps holds what the agent can do to a machine: write an operating system, run a script.
package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// Device is a disk that was opened for this install alone.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Disk is what the open descriptor is: its identity, and what it holds now.
	Disk() (wire.Disk, error)
	// Path names the device for the installer.
	Path() string
	Sync() error
	Close() error
}

// Opener opens the one disk that a reference names; an error when there is not exactly one.
type Opener interface {
	Open(ctx context.Context, ref wire.DiskRef) (Device, error)
}

// Images opens an image's bytes as the daemon serves them.
type Images interface {
	Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
}

// Installer writes an image with its configuration to a disk that has been verified and wiped. It returns only when the disk holds the
// whole image and the image's digest was right; else it fails.
type Installer interface {
	Install(ctx context.Context, disk Wiped, job wire.Install, images Images, report func(wire.Progress)) error
}

// Verified is a device that is the disk the job names, with the content it names. Only Verify makes one.
type Verified struct{ device Device }

// Wiped is a verified device whose head and tail are zero: nothing on it starts. Only Wipe makes one.
type Wiped struct{ device Device }

// Path names the device for the installer.
func (w Wiped) Path() string { return w.device.Path() }

// Write gives the device to installers that write themselves.
func (w Wiped) Write() io.WriterAt { return w.device }

// edge is how much of the head and the tail of a disk is wiped: partition tables, boot records, their backups and RAID superblocks lie there.
const edge = 4 << 20

// Install writes an operating system: open, verify, wipe, install; on any failure after the wipe the disk is wiped again, so that nothing
// partial starts. The device is held open all the time.
func Install(ctx context.Context, job wire.Install, with Tools, report func(wire.Progress)) error {
	if err := checkArguments(job.KernelArguments); err != nil {
		return err
	}
	device, err := with.Disks.Open(ctx, job.Disk)
	if err != nil {
		return err
	}
	defer device.Close()
	verified, err := Verify(device, job.Disk)
	if err != nil {
		return err
	}
	wiped, err := Wipe(verified)
	if err != nil {
		return err
	}
	if err := with.Installer.Install(ctx, wiped, job, with.Images, report); err != nil {
		if _, wipeErr := Wipe(verified); wipeErr != nil {
			return errors.Join(err, wipeErr)
		}
		return err
	}
	return device.Sync()
}

// Tools are the parts that differ between a real machine and a simulated one.
type Tools struct {
	Disks     Opener
	Images    Images
	Installer Installer
}

// Verify compares the open device with the reference, field by field, and what it holds with what the job expects.
func Verify(device Device, ref wire.DiskRef) (Verified, error) {
	disk, err := device.Disk()
	if err != nil {
		return Verified{}, fmt.Errorf("look at disk %s: %w", device.Path(), err)
	}
	if why := differs(disk, ref); why != "" {
		return Verified{}, fmt.Errorf("%s is not the disk of this job: %s; nothing was written", device.Path(), why)
	}
	if disk.ReadOnly || len(disk.Holders) > 0 {
		return Verified{}, fmt.Errorf("%s is read-only or in use (%s); nothing was written", device.Path(), strings.Join(disk.Holders, ", "))
	}
	switch ref.Content {
	case wire.ContentAny:
	case wire.ContentBlank:
		if !disk.Content.Blank {
			return Verified{}, fmt.Errorf("%s is not blank: %s%s; nothing was written", device.Path(), disk.Content.Summary, disk.Content.Unreadable)
		}
	case "":
		return Verified{}, errors.New("the job does not say what the disk may hold; nothing was written")
	default:
		if disk.Content.Signature != ref.Content {
			return Verified{}, fmt.Errorf("what is on %s changed since the consent: %s; nothing was written", device.Path(), disk.Content.Summary)
		}
	}
	return Verified{device}, nil
}

// differs says which field of the reference does not match. A reference without serial, WWN or path matches nothing.
func differs(disk wire.Disk, ref wire.DiskRef) string {
	if ref.Serial == "" && ref.WWN == "" && ref.Path == "" {
		return "the job names none"
	}
	for _, field := range [][3]string{{"serial", ref.Serial, disk.Serial}, {"wwn", ref.WWN, disk.WWN}, {"path", ref.Path, disk.Path}} {
		if field[1] != "" && !strings.EqualFold(field[1], field[2]) {
			return fmt.Sprintf("%s: want %s, have %q", field[0], field[1], field[2])
		}
	}
	if ref.Size != 0 && ref.Size != disk.Size {
		return fmt.Sprintf("size: want %d bytes, have %d", ref.Size, disk.Size)
	}
	return ""
}

// Wipe zeroes the head and the tail of a verified device and waits until that is on the disk.
func Wipe(v Verified) (Wiped, error) {
	disk, err := v.device.Disk()
	if err != nil {
		return Wiped{}, fmt.Errorf("look at disk %s: %w", v.device.Path(), err)
	}
	size := int64(disk.Size)
	zeros := make([]byte, min(edge, size))
	for _, offset := range []int64{0, size - int64(len(zeros))} {
		if _, err := v.device.WriteAt(zeros, offset); err != nil {
			return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
		}
	}
	if err := v.device.Sync(); err != nil {
		return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
	}
	return Wiped(v), nil
}

// argument is one kernel argument: printable ASCII without spaces and quotes, as the fleet's schema allows. The agent does not rely on the daemon for it.
var argument = regexp.MustCompile(`^[!#-&(-~]{1,512}$`)

func checkArguments(arguments []string) error {
	for _, a := range arguments {
		if !argument.MatchString(a) {
			return fmt.Errorf("kernel argument %q is not allowed; nothing was written", a)
		}
	}
	return nil
}
