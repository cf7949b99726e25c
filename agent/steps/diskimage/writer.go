package diskimage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Disk is a disk that a Writer writes to. Sync returns when everything written before is on the disk.
type Disk interface {
	io.WriterAt
	Sync() error
}

// firstBytes is the head of a disk that is written last: the partition table and every boot sector are there, so that a
// disk without its head starts nothing.
const firstBytes = 1 << 20

// Writer writes the bytes of an image to a disk, in order, and holds the first MiB back until Finish.
type Writer struct {
	disk  Disk
	limit int64 // bytes of the disk
	head  []byte
	at    int64
}

// NewWriter writes to a disk of size bytes whose head holds zeros.
func NewWriter(disk Disk, size int64) *Writer { return &Writer{disk: disk, limit: size} }

// Size is how many bytes of the image were taken.
func (w *Writer) Size() int64 { return w.at }

// HeadBytes is how much of an image is read before anything is written: a GPT of 128 entries with sectors of 4096 bytes is
// within.
const HeadBytes = 32 << 10

// CopyStream writes an image whose format its first bytes tell.
func (w *Writer) CopyStream(ctx context.Context, stream *bufio.Reader) error {
	image, err := Open(stream)
	if err != nil {
		return err
	}
	defer image.Close()
	return w.CopyFrom(ctx, image)
}

// CopyFrom writes the bytes of the image to their places, but for the first MiB.
func (w *Writer) CopyFrom(ctx context.Context, from io.Reader) error {
	buffer := make([]byte, 4<<20)
	for {
		n, err := io.ReadFull(from, buffer)
		// ReadFull's own errors are the end. A reader of a format wraps the same error where the image was cut.
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		if err := errors.Join(ctx.Err(), w.write(buffer[:n])); err != nil || last {
			return err
		}
	}
}

// write writes the next bytes of the image.
func (w *Writer) write(data []byte) error {
	if w.at+int64(len(data)) > w.limit {
		return fmt.Errorf("the image is larger than the disk of %d bytes", w.limit)
	}
	if w.at < firstBytes {
		held := min(len(data), int(firstBytes-w.at))
		w.head = append(w.head, data[:held]...)
		data, w.at = data[held:], w.at+int64(held)
	}
	if len(data) == 0 {
		return nil
	}
	_, err := w.disk.WriteAt(data, w.at)
	w.at += int64(len(data))
	return err
}

// Finish writes the first MiB, once everything else is on the disk. Call it only when the image was verified. The image must
// begin with the bytes that were checked before the first write.
func (w *Writer) Finish(checked []byte) error {
	if !bytes.HasPrefix(w.head, checked) {
		return errors.New("the image begins with other bytes than those that were checked")
	}
	if err := w.disk.Sync(); err != nil {
		return err
	}
	if _, err := w.disk.WriteAt(w.head, 0); err != nil {
		return err
	}
	return w.disk.Sync()
}
