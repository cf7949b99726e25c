// Package steps holds what the agent can do to a machine: write an operating system, run a script.
package steps

import (
	"context"
	"encoding/json"
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
type Verified struct {
	device Device
	size   int64
}

// Wiped is a verified device whose head and tail are zero: nothing on it starts. Only Wipe makes one.
type Wiped struct{ device Device }

// Path names the device for the installer.
func (w Wiped) Path() string { return w.device.Path() }

// Write gives the device to installers that write themselves.
func (w Wiped) Write() io.WriterAt { return w.device }

// edge is how many bytes of the head and of the tail of a disk are wiped: partition tables, boot records, their backups and RAID superblocks lie there.
const edge = 4 << 20

// Untouched is a failure before the first write.
type Untouched struct{ Err error }

func (u Untouched) Error() string { return u.Err.Error() }
func (u Untouched) Unwrap() error { return u.Err }

// Install writes an operating system: open, verify, wipe, install. When it fails before the wipe, it is Untouched; after it, the disk is
// wiped again, so that nothing partial starts. The device is held open all the time. A ctx that ends while the disk is being verified is heeded; the
// installer heeds it while it writes.
func Install(ctx context.Context, job wire.Install, with Tools, report func(wire.Progress)) error {
	if err := check(job); err != nil {
		return Untouched{err}
	}
	device, err := with.Disks.Open(ctx, job.Disk)
	if err != nil {
		return Untouched{err}
	}
	defer func() { _ = device.Close() }() // every write was synced
	verified, err := Verify(device, job.Disk)
	if err != nil {
		return Untouched{err}
	}
	if ctx.Err() != nil {
		return Untouched{fmt.Errorf("%w; nothing was written", ctx.Err())}
	}
	if err := write(ctx, verified, job, with, report); err != nil {
		_, again := Wipe(verified)
		return errors.Join(err, again)
	}
	return nil
}

// write is the part of an install that changes the disk.
func write(ctx context.Context, verified Verified, job wire.Install, with Tools, report func(wire.Progress)) error {
	wiped, err := Wipe(verified)
	if err != nil {
		return err
	}
	if err := with.Installer.Install(ctx, wiped, job, with.Images, report); err != nil {
		return err
	}
	if err := verified.device.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", verified.device.Path(), err)
	}
	return nil
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
		return Verified{}, fmt.Errorf("look at disk %s: %w; nothing was written", device.Path(), err)
	}
	if why := differs(disk, ref); why != "" {
		return Verified{}, fmt.Errorf("%s is not the disk of this job: %s; nothing was written", device.Path(), why)
	}
	if why := unfit(disk, ref.Content); why != "" {
		return Verified{}, fmt.Errorf("%s %s; nothing was written", device.Path(), why)
	}
	return Verified{device, int64(disk.Size)}, nil
}

// unfit says why a disk may not be written, "" when it may: content is what the job expects on it.
func unfit(disk wire.Disk, content string) string {
	switch {
	case disk.ReadOnly:
		return "is read-only"
	case len(disk.Holders) > 0:
		return "is in use: " + strings.Join(disk.Holders, ", ")
	case disk.Size < 2*edge:
		return fmt.Sprintf("has only %d bytes", disk.Size)
	}
	switch content {
	case wire.ContentAny:
		return ""
	case "":
		return "may not be written: the job does not say what may be on it"
	case wire.ContentBlank:
		if disk.Content.Blank && disk.Content.Unreadable == "" {
			return ""
		}
		return "is not blank: " + inWords(disk.Content)
	default:
		if disk.Content.Signature == content {
			return ""
		}
		return fmt.Sprintf("does not hold what the consent is for any more: want content %s, have %s", content, inWords(disk.Content))
	}
}

func inWords(c wire.Content) string {
	switch {
	case c.Unreadable != "":
		return "it cannot be read: " + c.Unreadable
	case c.Blank:
		return "blank"
	default:
		return strings.TrimSpace(c.Signature + " " + c.Summary)
	}
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
	zeros := make([]byte, edge)
	for _, offset := range []int64{0, v.size - edge} {
		if _, err := v.device.WriteAt(zeros, offset); err != nil {
			return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
		}
	}
	if err := v.device.Sync(); err != nil {
		return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
	}
	return Wiped{v.device}, nil
}

// Grammars that the agent does not rely on the daemon for.
var (
	argument = regexp.MustCompile(`^[!#-&(-~]{1,512}$`) // one kernel argument: printable ASCII without spaces and quotes, as in the fleet's schema
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check is what can be said of a job before a disk is touched.
func check(job wire.Install) error {
	for _, a := range job.KernelArguments {
		if !argument.MatchString(a) {
			return fmt.Errorf("kernel argument %q is not allowed; nothing was written", a)
		}
	}
	switch {
	case !digest.MatchString(job.Image.SHA256):
		return fmt.Errorf("the job's image has no sha256 but %q; nothing was written", job.Image.SHA256)
	case job.Image.Size <= 0:
		return fmt.Errorf("the job's image has %d bytes; nothing was written", job.Image.Size)
	case !json.Valid(job.Ignition):
		return errors.New("the job's Ignition config is not JSON; nothing was written")
	}
	return nil
}
