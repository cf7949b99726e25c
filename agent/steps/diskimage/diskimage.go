// Package diskimage reads the image of a disk as the bytes of the disk: raw, or compressed with zstd, xz or gzip, and
// qcow2. Open reads a stream; OpenQCOW2 reads a whole file. CheckHead says whether the first bytes of a disk can be the
// start of a system. What is read is not trusted: every size has a limit. The digest is the caller's to check.
package diskimage

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// The first bytes of each format: RFC 8878 3.1.1, the .xz file format 2.1.1.1, RFC 1952 2.3.1 (deflate), and QEMU's
// docs/interop/qcow2.txt.
var (
	magicZstd  = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicXZ    = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	magicGzip  = []byte{0x1f, 0x8b, 8}
	magicQCOW2 = []byte{'Q', 'F', 'I', 0xfb}
)

// headMagic is how many bytes tell the format.
const headMagic = 6

// maxWindow is the most memory that a compressed image may ask for.
const maxWindow = 512 << 20

// IsQCOW2 reports whether a file with these first bytes is a qcow2 image. Such an image cannot be read as a stream.
func IsQCOW2(head []byte) bool { return bytes.HasPrefix(head, magicQCOW2) }

// ErrQCOW2 means that a stream is a qcow2 image.
var ErrQCOW2 = errors.New("the image is a qcow2 file")

// Open gives the bytes of the disk in a stream, whose format is known by its first bytes. The reader ends with io.EOF only
// at the end of a whole stream. For a qcow2 image Open gives ErrQCOW2, and stream is still whole.
func Open(stream *bufio.Reader) (io.ReadCloser, error) {
	head, err := stream.Peek(headMagic)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case IsQCOW2(head):
		return nil, ErrQCOW2
	case bytes.HasPrefix(head, magicZstd):
		// one goroutine: the agent has the disk to wait for
		r, err := zstd.NewReader(stream, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("read the image as zstd: %w", err)
		}
		return named{"zstd", r.IOReadCloser()}, nil
	case bytes.HasPrefix(head, magicXZ):
		if size := xzDictionary(stream); size > maxWindow {
			return nil, fmt.Errorf("the xz image needs a dictionary of %d bytes, at most %d: compress the image with zstd", size, maxWindow)
		}
		r, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(stream) // the least: a block asks for what it needs
		if err != nil {
			return nil, fmt.Errorf("read the image as xz: %w", err)
		}
		return named{"xz", io.NopCloser(r)}, nil
	case bytes.HasPrefix(head, magicGzip):
		r, err := gzip.NewReader(stream)
		if err != nil {
			return nil, fmt.Errorf("read the image as gzip: %w", err)
		}
		return named{"gzip", r}, nil
	default:
		return io.NopCloser(stream), nil
	}
}

// xzDictionary is the size in bytes of the dictionary of an xz image's first block, which is taken for that of all blocks
// (the .xz file format 2.1.1 and 3.1); 0 where the block cannot be read: the reader of the image says why.
func xzDictionary(stream *bufio.Reader) int64 {
	const flags, filters, longest, filterLZMA2 = 13, 14, 64, 0x21
	head, _ := stream.Peek(longest) // a shorter stream is read again by the reader
	if len(head) <= filters {
		return 0
	}
	rest := head[filters:]
	for _, size := range []byte{0x40, 0x80} { // both sizes of the block, where they are written
		if head[flags]&size != 0 {
			_, n := binary.Uvarint(rest)
			rest = rest[max(n, 0):]
		}
	}
	if len(rest) < 3 || rest[0] != filterLZMA2 {
		return 0
	}
	size, err := lzma.DecodeDictCap(rest[2])
	if err != nil {
		return 0
	}
	return size
}

// named says in an error how the image was read.
type named struct {
	format string
	io.ReadCloser
}

func (n named) Read(p []byte) (int, error) {
	read, err := n.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read the image as %s: %w", n.format, err)
	}
	return read, err
}

// gptSignature begins the header of a GPT, in the second sector (UEFI 2.10, table 5-5).
const gptSignature = "EFI PART"

// mbrSector is the size of a sector with a partition table or boot code, which ends in 0x55 0xAA.
const mbrSector = 512

// CheckHead says why the first bytes of an image cannot start a system from a disk with sectors of the given size in
// bytes, 0 for unknown: nil for a GPT made for such sectors, for an MBR, and for a boot sector. head is at least 8 KiB.
func CheckHead(head []byte, sector int) error {
	switch made := GPTSector(head); {
	case made != 0 && sector != 0 && made != sector:
		return fmt.Errorf("the image is made for disks with sectors of %d bytes, and this disk has sectors of %d: use an image "+
			"that is made for such disks", made, sector)
	case made != 0:
		return nil
	case len(head) >= mbrSector && head[510] == 0x55 && head[511] == 0xaa:
		return nil
	default:
		return errors.New("the image has neither a partition table nor a boot sector: it is not the image of a disk")
	}
}

// GPTSector is the size of the sectors that the GPT in the first bytes of an image is made for; 0 without a GPT.
func GPTSector(head []byte) int {
	for _, sector := range []int{512, 4096} {
		if len(head) >= sector+len(gptSignature) && string(head[sector:sector+len(gptSignature)]) == gptSignature {
			return sector
		}
	}
	return 0
}
