// Package steps holds the steps that the agent runs on a machine: InstallSystem writes an operating system, RunScript
// runs a script, WithDisks lets a script write to disks. The agent itself writes to a disk only through Wiped, which needs
// Verified: do not write to a Device directly.
package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/steps/holders"
	"github.com/gitmetal/ingot/agent/wire"
)

// Device is a disk that was opened for a single install.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Disk gives the identity and the present content of the open descriptor.
	Disk() (wire.Disk, error)
	// Path names the device for the installer.
	Path() string
	Sync() error
	Close() error
}

// Opener opens the only disk that matches a reference; an error if there is not exactly one match.
type Opener interface {
	Open(ctx context.Context, ref wire.DiskRef) (Device, error)
}

// Images opens an image's bytes, as served by the daemon.
type Images interface {
	Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
}

// Installer writes an image with its configuration to a verified and wiped disk. Install returns nil only if the disk
// holds the whole image and the image's digest was right.
type Installer interface {
	Install(ctx context.Context, disk Wiped, job wire.Install, images Images, report func(wire.Progress)) error
}

// Verified is a device that was verified to be the job's disk, with the expected content. Only VerifyDisk makes a
// Verified.
type Verified struct {
	device Device
	size   int64
	sector int // bytes; 0 for unknown
}

// Wiped is a verified device with zeros in head and tail: nothing on the disk starts. Only WipeEdges makes a Wiped.
type Wiped struct {
	device Device
	size   int64 // bytes
	sector int   // bytes; 0 for unknown
}

// Path names the device for the installer.
func (w Wiped) Path() string { return w.device.Path() }

// Device gives the device to installers that write themselves.
func (w Wiped) Device() Device { return w.device }

// Size is how large the device is, in bytes.
func (w Wiped) Size() int64 { return w.size }

// Sector is how large the sectors of the device are, in bytes; 0 for unknown.
func (w Wiped) Sector() int { return w.sector }

// edgeBytes is how many bytes of a disk's head and tail are wiped: partition tables, boot records, their backups and
// RAID superblocks are there.
const edgeBytes = 4 << 20

// Leave asks the daemon whether the step may write. AskLeave puts one question with what the open disks show: true
// gives leave for the first write now; false means that nothing is decided, and the step looks at the disks and asks
// again; an error is a refusal, or the end of ctx.
type Leave interface {
	AskLeave(ctx context.Context, disks []wire.Disk) (given bool, err error)
}

// InstallSystem writes an operating system: open all disks, verify them, ask for leave, wipe, install, mark. Before leave
// nothing is written; after a failure behind the wipe the disk is wiped again, so that no partial system starts. The
// disks stay open for the whole time. A ctx that ends before leave stops the install; during the write, the installer
// watches ctx.
func InstallSystem(ctx context.Context, job wire.Install, with Tools, report func(wire.Progress)) error {
	if err := checkJob(job); err != nil {
		return err
	}
	disks, err := openDisks(ctx, job.Refs(), with.Disks)
	defer disks.close()
	if err != nil {
		return err
	}
	leave := with.Leave
	if with.Check != nil {
		leave = checkedLeave{leave, with.Check}
	}
	given, err := disks.awaitLeave(ctx, leave, nil)
	if err != nil {
		return err
	}
	verified := given.root
	if err := wipeAndInstall(ctx, verified, job, with, report); err != nil {
		_, again := WipeEdges(verified)
		return errors.Join(err, again)
	}
	return nil
}

// wipeAndInstall is the part of an install that changes the disk.
func wipeAndInstall(ctx context.Context, verified Verified, job wire.Install, with Tools,
	report func(wire.Progress)) error {
	wiped, err := WipeEdges(verified)
	if err != nil {
		return err
	}
	if err := with.Installer.Install(ctx, wiped, job, with.Images, report); err != nil {
		return err
	}
	if err := verified.device.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", verified.device.Path(), err)
	}
	return setMark(verified, job.Mark, with.NoteTable)
}

// Tools are the parts that differ between a real and a simulated machine.
type Tools struct {
	Disks     Opener
	Leave     Leave
	Images    Images
	Installer Installer
	// Check says why the image cannot start from the disk for the system, before leave is asked for; nil: it can from every
	// disk.
	Check func(wire.Disk) error
	// NoteTable is given the partition table of the installed disk, read back with the mark; nil: nobody asks.
	NoteTable func(wire.Table)
}

// checkedLeave asks for leave only for a disk that passes the check.
type checkedLeave struct {
	Leave
	check func(wire.Disk) error
}

// AskLeave implements Leave.
func (c checkedLeave) AskLeave(ctx context.Context, disks []wire.Disk) (bool, error) {
	if err := c.check(disks[0]); err != nil {
		return false, err
	}
	return c.Leave.AskLeave(ctx, disks)
}

// VerifyDisk compares the open device with the reference, field by field. disk is what the device shows.
func VerifyDisk(device Device, ref wire.DiskRef) (verified Verified, disk wire.Disk, err error) {
	return verifyHeld(device, ref, nil)
}

// verifyHeld is VerifyDisk for a disk that may be held by what is stopped before the first write.
func verifyHeld(device Device, ref wire.DiskRef, stops []holders.Holder) (verified Verified, disk wire.Disk, err error) {
	disk, err = device.Disk()
	if err != nil {
		return Verified{}, disk, fmt.Errorf("look at disk %s: %w; nothing was written", device.Path(), err)
	}
	if why := findDifference(disk, ref); why != "" {
		return Verified{}, disk, fmt.Errorf("%s is not the disk of this job: %s; nothing was written", device.Path(), why)
	}
	if why := explainUnfit(disk, stops); why != "" {
		return Verified{}, disk, fmt.Errorf("%s %s; nothing was written", device.Path(), why)
	}
	return Verified{device, int64(disk.Size), disk.SectorSize}, disk, nil
}

// explainUnfit says why a disk may not be written, whatever its content, or "".
func explainUnfit(disk wire.Disk, stops []holders.Holder) string {
	held := holders.Besides(disk.Holders, stops)
	switch {
	case disk.ReadOnly:
		return "is read-only"
	case len(held) > 0:
		return "is in use: " + strings.Join(held, ", ")
	case disk.Size < 2*edgeBytes:
		return fmt.Sprintf("has only %d bytes", disk.Size)
	default:
		return ""
	}
}

// explainContent says why a disk does not hold the content that the job expects, or "".
func explainContent(disk wire.Disk, content string) string {
	switch content {
	case wire.ContentAny:
		return ""
	case "":
		return "may not be written: the job does not say what may be on it"
	case wire.ContentBlank:
		if disk.Content.Blank && disk.Content.Unreadable == "" {
			return ""
		}
		return "is not blank: " + describeContent(disk.Content)
	default:
		if disk.Content.Signature == content {
			return ""
		}
		return fmt.Sprintf("does not hold what the consent is for any more: want content %s, have %s", content,
			describeContent(disk.Content))
	}
}

func describeContent(c wire.Content) string {
	switch {
	case c.Unreadable != "":
		return "it cannot be read: " + c.Unreadable
	case c.Blank:
		return "blank"
	default:
		return strings.TrimSpace(c.Signature + " " + c.Summary)
	}
}

// findDifference names the field of the reference that does not match, or "". A reference without serial, WWN and path
// matches no disk.
func findDifference(disk wire.Disk, ref wire.DiskRef) string {
	if ref.Serial == "" && ref.WWN == "" && ref.Path == "" {
		return "the job names none"
	}
	path := disk.Path
	if slices.ContainsFunc(disk.Links, func(link string) bool { return strings.EqualFold(link, ref.Path) }) {
		path = ref.Path // another spelling of the disk's path
	}
	for _, field := range [][3]string{{"serial", ref.Serial, disk.Serial}, {"wwn", ref.WWN, disk.WWN},
		{"path", ref.Path, path}} {
		if field[1] != "" && !strings.EqualFold(field[1], field[2]) {
			return fmt.Sprintf("%s: want %s, have %q", field[0], field[1], field[2])
		}
	}
	if ref.Size != 0 && ref.Size != disk.Size {
		return fmt.Sprintf("size: want %d bytes, have %d", ref.Size, disk.Size)
	}
	return ""
}

// WipeEdges zeroes the head and the tail of a verified device and syncs the device.
func WipeEdges(v Verified) (Wiped, error) {
	zeros := make([]byte, edgeBytes)
	for _, offset := range []int64{0, v.size - edgeBytes} {
		if _, err := v.device.WriteAt(zeros, offset); err != nil {
			return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
		}
	}
	if err := v.device.Sync(); err != nil {
		return Wiped{}, fmt.Errorf("wipe %s: %w", v.device.Path(), err)
	}
	return Wiped(v), nil
}

// Grammars that the agent checks itself, without trusting the daemon.
var (
	// a kernel argument: printable ASCII without spaces and quotes, as in the fleet's schema
	argument = regexp.MustCompile(`^[!#-&(-~]{1,512}$`)
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// checkJob checks a job before a disk is touched.
func checkJob(job wire.Install) error {
	options := wire.InstallerOptions{}
	if job.Options != nil {
		options = *job.Options
	}
	all := slices.Concat(job.KernelArguments, options.DeleteKernelArguments, options.Consoles)
	if options.Platform != "" {
		all = append(all, options.Platform)
	}
	for _, a := range all {
		if !argument.MatchString(a) {
			return fmt.Errorf("kernel argument %q is not allowed; nothing was written", a)
		}
	}
	switch {
	case !digest.MatchString(job.Image.SHA256):
		return fmt.Errorf("the job's image has no sha256 but %q; nothing was written", job.Image.SHA256)
	case job.Image.Size <= 0:
		return fmt.Errorf("the job's image has %d bytes; nothing was written", job.Image.Size)
	case job.Plain && (len(job.Ignition) > 0 != (job.Drive != "") || len(all) > 0):
		return errors.New("the job's image takes neither an Ignition config nor kernel arguments; nothing was written")
	case job.Drive != "" && (!job.Plain || len(job.Drive) > 36 || len(job.Ignition) > wire.MaxInline):
		return errors.New("the job's config drive cannot be written; nothing was written")
	case !job.Plain && !json.Valid(job.Ignition):
		return errors.New("the job's Ignition config is not JSON; nothing was written")
	}
	return nil
}
