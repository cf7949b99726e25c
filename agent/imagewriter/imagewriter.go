// Package imagewriter writes the image of a disk as it is, for systems that are not made for coreos-installer. Open looks at
// an image before anything is written; the result is an installer for steps.InstallSystem, with CheckDisk as its check.
package imagewriter

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gitmetal/ingot/agent/facts/partitions"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/steps/diskimage"
	"github.com/gitmetal/ingot/agent/wire"
)

// ImageWriter is a steps.Installer that writes the bytes of an image itself: raw, raw compressed with zstd, xz or gzip, or qcow2.
// The first MiB is written last, once the rest is on the disk and the image's digest is right.
type ImageWriter struct {
	// Reread makes the kernel read the partition table of a device anew; nil: nobody mounts the partitions.
	Reread func(device string) error
	// Drive is the name of a partition for a config drive at the end of the disk; "" for none.
	Drive string

	head  []byte           // of the disk
	whole *diskimage.QCOW2 // nil for an image that is read as a stream
	file  *os.File         // in RAM, of whole
}

// Memory is where an ImageWriter keeps a qcow2 image, which cannot be read as a stream.
type Memory struct {
	Dir   string // in RAM
	Bytes uint64 // of the machine's memory; an image larger than half of it is refused
}

// Open looks at an image before anything is written: its format, and whether a disk can start from it. A qcow2 image is
// fetched whole, and verified. The caller calls Close.
func Open(ctx context.Context, image wire.Image, images steps.Images, memory Memory,
	report func(wire.Progress)) (*ImageWriter, error) {
	body, err := images.Image(ctx, image.SHA256, 0)
	if err != nil {
		return nil, fmt.Errorf("look at the image: %w; nothing was written", err)
	}
	defer body.Close()
	w := &ImageWriter{head: make([]byte, diskimage.HeadBytes)}
	disk, err := diskimage.Open(bufio.NewReaderSize(io.LimitReader(body, image.Size), diskimage.HeadBytes))
	switch {
	case errors.Is(err, diskimage.ErrQCOW2):
		err = w.fetchWhole(ctx, steps.Download{Image: image, Images: images, Report: report, Patience: steps.Patience}, memory)
	case err == nil:
		_, err = io.ReadFull(disk, w.head)
		err = errors.Join(err, disk.Close())
	}
	if err == nil {
		err = diskimage.CheckHead(w.head, 0)
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("the image cannot be written: %w; nothing was written", err)
	}
	return w, nil
}

// Close removes what was fetched, which is in RAM.
func (w *ImageWriter) Close() {
	if w.file != nil {
		_, _ = w.file.Close(), os.Remove(w.file.Name())
	}
}

// fetchWhole fetches a qcow2 image into memory, and verifies it.
func (w *ImageWriter) fetchWhole(ctx context.Context, download steps.Download, memory Memory) (err error) {
	if size := uint64(download.Image.Size); size > memory.Bytes/2 {
		return fmt.Errorf("it is a qcow2 file of %d bytes, more than half of this machine's memory of %d: make it raw with "+
			"`qemu-img convert -O raw`, and compress that with zstd", size, memory.Bytes)
	}
	if w.file, err = os.CreateTemp(memory.Dir, "ingot-image-"); err != nil {
		return fmt.Errorf("keep the image in memory: %w", err)
	}
	hash := sha256.New()
	taken := io.MultiWriter(hash, w.file)
	report := newShare(download)
	err = download.Copy(ctx, func(chunk []byte) error {
		if _, err := taken.Write(chunk); err != nil {
			return fmt.Errorf("keep the image in memory: %w", err)
		}
		report(len(chunk))
		return nil
	})
	if err == nil {
		err = checkSum(hash.Sum(nil), download.Image)
	}
	if err != nil {
		return err
	}
	if w.whole, err = diskimage.OpenQCOW2(w.file, download.Image.Size); err != nil {
		return err
	}
	if _, err = w.whole.ReadAt(w.head, 0); errors.Is(err, io.EOF) {
		err = nil // a short disk: the head is compared with zeros
	}
	return err
}

// newShare reports how much of an image was fetched.
func newShare(download steps.Download) func(n int) {
	var done uint64
	return func(n int) {
		done += uint64(n)
		download.Report(wire.Progress{Done: done, Total: uint64(download.Image.Size)})
	}
}

// CheckDisk says why a disk cannot start from the image, or nil.
func (w *ImageWriter) CheckDisk(disk wire.Disk) error {
	if w.whole != nil && uint64(w.whole.Size()) > disk.Size {
		return fmt.Errorf("the image is that of a disk with %d bytes, and this disk has %d", w.whole.Size(), disk.Size)
	}
	if err := diskimage.CheckHead(w.head, disk.SectorSize); err != nil || w.Drive == "" {
		return err
	}
	if disk.SectorSize > driveSector {
		return fmt.Errorf("a config drive is read in blocks of %d bytes, and this disk has sectors of %d: leave configDrive out, and put "+
			"the files into the system with inject-files", driveSector, disk.SectorSize)
	}
	_, err := partitions.PlaceAtEnd(w.head, int64(disk.Size), disk.SectorSize, newDrive(w.Drive, nil))
	if errors.Is(err, partitions.ErrNoGPT) {
		return errors.New("a config drive is a partition, and the image has no GPT: use an image with a GPT, or leave configDrive out")
	}
	return err
}

// driveBytes is the size of the partition with a config drive.
const driveBytes = 64 << 20

// driveSector is the size of the blocks of ISO 9660: Linux mounts no such file system from a disk with larger sectors.
const driveSector = 2048

func newDrive(name string, data []byte) partitions.Addition {
	return partitions.Addition{Name: name, Bytes: driveBytes, Data: data}
}

// Install implements steps.Installer.
func (w *ImageWriter) Install(ctx context.Context, disk steps.Wiped, job wire.Install, images steps.Images,
	report func(wire.Progress)) error {
	to := diskimage.NewWriter(disk.Device(), disk.Size())
	var err error
	if w.whole != nil {
		err = to.CopyFrom(ctx, io.NewSectionReader(w.whole, 0, w.whole.Size()))
	} else {
		err = copyStream(ctx, to, steps.Download{Image: job.Image, Images: images, Report: report, Patience: steps.Patience})
	}
	if err == nil {
		err = to.Finish(w.head)
	}
	if err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	report(wire.Progress{Lines: []string{fmt.Sprintf("the image is written and verified: %d bytes", to.Size())}})
	if job.Drive != "" {
		_, err := partitions.AddAtEnd(disk.Device(), disk.Size(), disk.Sector(), newDrive(job.Drive, job.Ignition))
		if err != nil {
			return fmt.Errorf("config drive: %w", err)
		}
	}
	if w.Reread != nil {
		return w.Reread(disk.Path())
	}
	return nil
}

// copyStream writes an image that is read as a stream. A nil error means that the digest over the whole image was right.
func copyStream(ctx context.Context, disk *diskimage.Writer, download steps.Download) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hash, report := sha256.New(), newShare(download)
	from, to := io.Pipe()
	fetched := make(chan error, 1)
	go func() {
		err := download.Copy(ctx, func(chunk []byte) error {
			hash.Write(chunk)
			_, err := to.Write(chunk) // an error is the disk's, below
			report(len(chunk))
			return err
		})
		_ = to.CloseWithError(err) // nil: the end
		fetched <- err
	}()
	stream := bufio.NewReaderSize(from, 256<<10)
	err := disk.CopyStream(ctx, stream)
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // the digest is over all bytes
	}
	_ = from.CloseWithError(err)
	if fetchErr := <-fetched; fetchErr != nil {
		return fetchErr // the cause of the other
	}
	if err != nil {
		return err
	}
	return checkSum(hash.Sum(nil), download.Image)
}

// checkSum compares the digest of an image with the job's.
func checkSum(sum []byte, image wire.Image) error {
	if have := hex.EncodeToString(sum); have != image.SHA256 {
		return fmt.Errorf("the image's sha256 is %s, the job says %s: nothing on the disk starts", have, image.SHA256)
	}
	return nil
}
