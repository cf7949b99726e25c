package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// DiskSize is the size of a simulated disk, in bytes.
const DiskSize = 16 << 20

// configOffset is where the simulated installer writes the Ignition config, beside the image.
const configOffset = 8 << 20

// systemMagic starts an image that a simulated machine can start.
const systemMagic = "INGOT-SIM-OS-1\n"

// NewImage makes an operating system image for simulated machines, of the given size in bytes: a GPT with one partition,
// and the magic in the place of the MBR's boot code.
func NewImage(size int) []byte {
	image := make([]byte, max(size, 2<<20))
	copy(image, systemMagic)
	binary.BigEndian.PutUint64(image[32:], uint64(len(image)))
	layTable(image)
	copy(image[len(image)-len(systemMagic):], systemMagic)
	return image
}

// Disk is a sparse disk in memory, safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	chunks [DiskSize / chunk][]byte // nil reads as zeros
	worn   bool
}

// chunk is the unit of a disk's memory, in bytes.
const chunk = 64 << 10

var zeros [chunk]byte

// NewDisk makes a blank disk.
func NewDisk() *Disk { return &Disk{} }

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(p) && offset < DiskSize {
		source := d.chunks[offset/chunk]
		if source == nil {
			source = zeros[:]
		}
		step := copy(p[n:], source[offset%chunk:])
		n, offset = n+step, offset+int64(step)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (d *Disk) WriteAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if offset+int64(len(p)) > DiskSize {
		return 0, errors.New("beyond the end of the disk")
	}
	for n := 0; n < len(p); {
		at := offset + int64(n)
		part := p[n:min(len(p), n+int(chunk-at%chunk))]
		d.writeChunk(part, at)
		n += len(part)
	}
	return len(p), nil
}

// WearOut has the disk acknowledge later writes to its last 64 KiB, and keep there what it has; false mends the disk.
func (d *Disk) WearOut(worn bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.worn = worn
}

// writeChunk writes within a chunk. Zeros over an absent chunk, or over a whole chunk, take no memory.
func (d *Disk) writeChunk(p []byte, at int64) {
	target := &d.chunks[at/chunk]
	if d.worn && at/chunk == int64(len(d.chunks)-1) {
		return
	}
	if bytes.Equal(p, zeros[:len(p)]) && (*target == nil || len(p) == chunk) {
		if len(p) == chunk {
			*target = nil
		}
		return
	}
	if *target == nil {
		*target = make([]byte, chunk)
	}
	copy((*target)[at%chunk:], p)
}

// Digest is different for different contents of the disk.
func (d *Disk) Digest() string {
	sum := sha256.New()
	_, _ = io.Copy(sum, io.NewSectionReader(d, 0, DiskSize)) // a Disk in memory has no read errors
	return hex.EncodeToString(sum.Sum(nil))
}

// inspect fills in what the disk holds.
func (d *Disk) inspect(disk wire.Disk) wire.Disk {
	disk = facts.InspectBytes(disk, d)
	if disk.Content.Signature != "" {
		disk.Content.Summary = "data"
	}
	return disk
}

// Bootable reports whether firmware would start a system from the disk: the image's first sector is there.
func (d *Disk) Bootable() bool {
	head := make([]byte, len(systemMagic))
	_, err := d.ReadAt(head, 0)
	return err == nil && string(head) == systemMagic
}

// readSystem checks that the whole image is on the disk, and gives the Ignition config beside the image.
func (d *Disk) readSystem() ([]byte, error) {
	if !d.Bootable() {
		return nil, errors.New("nothing on the disk starts")
	}
	size := make([]byte, 8)
	if _, err := d.ReadAt(size, 32); err != nil {
		return nil, err
	}
	tail := make([]byte, len(systemMagic))
	end := int64(binary.BigEndian.Uint64(size))
	if _, err := d.ReadAt(tail, end-int64(len(tail))); err != nil || string(tail) != systemMagic {
		return nil, errors.New("the system on the disk is a part only")
	}
	if _, err := d.ReadAt(size, configOffset); err != nil {
		return nil, err
	}
	config := make([]byte, min(binary.BigEndian.Uint64(size), DiskSize-configOffset-8))
	_, err := d.ReadAt(config, configOffset+8)
	return config, err
}

// opener opens the machine's disks by serial.
type opener struct{ m *Machine }

// Open implements steps.Opener.
func (o opener) Open(_ context.Context, ref wire.DiskRef) (steps.Device, error) {
	for number, d := range o.m.listDrives() {
		if d.serial == ref.Serial {
			return device{d.disk, o.m.describeDisk(number, d)}, nil
		}
	}
	return nil, fmt.Errorf("there is no disk %s", ref.Serial)
}

type device struct {
	memory
	described wire.Disk
}

type memory = *Disk

func (d device) Disk() (wire.Disk, error) {
	return d.inspect(d.described), nil
}
func (d device) Path() string { return "/dev/" + d.described.Name }
func (d device) Sync() error  { return nil }
func (d device) Close() error { return nil }

// installer writes as coreos-installer does: the first MiB last, the config beside the image.
type installer struct {
	m     *Machine
	plain *imagewriter.ImageWriter // nil for an install with Ignition
}

// first is the part that coreos-installer writes last.
const first = 1 << 20

// Install implements steps.Installer.
func (i installer) Install(ctx context.Context, disk steps.Wiped, job wire.Install, images steps.Images,
	report func(wire.Progress)) error {
	i.m.updateCounts(func(c *Counts) { c.Begun++ })
	if err := i.m.failureOfWrite(job); err != nil {
		return err
	}
	if i.plain != nil {
		return i.writePlain(ctx, disk, job, images, report)
	}
	if job.Image.Size > configOffset {
		return fmt.Errorf("the image has %d bytes, a simulated disk takes %d", job.Image.Size, configOffset)
	}
	var image []byte
	download := steps.Download{Image: job.Image, Images: images, Report: report, Patience: time.Minute}
	err := download.Copy(ctx, func(chunk []byte) error {
		image = append(image, chunk...)
		return nil
	})
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(image); hex.EncodeToString(sum[:]) != job.Image.SHA256 {
		return errors.New("the image's sha256 is not the one of the job")
	}
	if !json.Valid(job.Ignition) {
		return errors.New("the Ignition config is not JSON")
	}
	out := disk.Device()
	for offset := first; offset < len(image); offset += first {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := out.WriteAt(image[offset:min(offset+first, len(image))], int64(offset)); err != nil {
			return err
		}
		report(wire.Progress{Done: uint64(offset), Total: uint64(len(image))})
	}
	var config bytes.Buffer
	_ = binary.Write(&config, binary.BigEndian, uint64(len(job.Ignition)))
	config.Write(job.Ignition)
	if _, err := out.WriteAt(config.Bytes(), configOffset); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, err := out.WriteAt(image[:first], 0); err != nil {
		return err
	}
	report(wire.Progress{Done: uint64(len(image)), Total: uint64(len(image)), Lines: []string{"Install complete."}})
	i.m.updateCounts(func(c *Counts) { c.Installs++ })
	return nil
}

// writePlain has the agent write an image without an Ignition config. A simulated disk has no room for the partition of a
// config drive: the drive stands where the config of an install stands.
func (i installer) writePlain(ctx context.Context, disk steps.Wiped, job wire.Install, images steps.Images,
	report func(wire.Progress)) error {
	drive := make([]byte, 8, 8+len(job.Ignition)) // over the config of an earlier install
	binary.BigEndian.PutUint64(drive, uint64(len(job.Ignition)))
	if _, err := disk.Device().WriteAt(append(drive, job.Ignition...), configOffset); err != nil {
		return err
	}
	job.Drive, job.Ignition = "", nil
	if err := i.plain.Install(ctx, disk, job, images, report); err != nil {
		return err
	}
	i.m.updateCounts(func(c *Counts) { c.Installs++ })
	return nil
}
