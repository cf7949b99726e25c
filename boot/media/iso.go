// Package media makes the ramdisk's ISO, and serves the ISO to BMCs with a boot's own files laid over a region of fixed
// size: there is no file per host and no copy per boot.
//
// Build makes the ISO file. OpenISO and NewServer give a Server; Server.Publish serves a boot's medium under Server.URL
// until Server.Withdraw. A medium carries a token: do not log its URL.
package media

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gitmetal/ingot/agent/wire"
)

// sector of an ISO 9660 image, in bytes (ECMA-119, 6.1.2).
const sector = 2048

// ISO is a base image with its overlay region. The ISO keeps its file open, so a build that replaces the file changes
// no boot under way.
type ISO struct {
	file   *os.File
	size   int64
	region int64 // offset of the region
	digest [sha256.Size]byte
}

// OpenISO finds the overlay region of an image: exactly a single sector starts with wire.OverlayMagic, and
// wire.OverlaySize bytes follow. The whole image is read. The caller closes the ISO.
func OpenISO(path string) (*ISO, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open ramdisk: %w: make one with `ingot ramdisk build`", err)
	}
	iso, err := inspectImage(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ramdisk %s: %w", path, err), file.Close())
	}
	return iso, nil
}

// Close ends all readers of the image.
func (i *ISO) Close() error { return i.file.Close() }

func inspectImage(file *os.File) (*ISO, error) {
	sum := sha256.New()
	found, size, err := findRegions(io.TeeReader(file, sum))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d overlay regions, want 1: make one with `ingot ramdisk build` of this version",
			len(found))
	}
	if found[0]+wire.OverlaySize > size {
		return nil, fmt.Errorf("the image ends within its overlay region, at byte %d: make it again with `ingot "+
			"ramdisk build`", size)
	}
	iso := &ISO{file: file, size: size, region: found[0]}
	sum.Sum(iso.digest[:0])
	return iso, nil
}

// findRegions gives the offsets of the sectors that start with the magic, and the image's size.
func findRegions(r io.Reader) (found []int64, size int64, err error) {
	magic := []byte(wire.OverlayMagic)
	buffer := make([]byte, 512*sector)
	for {
		n, err := io.ReadFull(r, buffer)
		for at := 0; at < n; at += sector {
			if bytes.HasPrefix(buffer[at:n], magic) {
				found = append(found, size+int64(at))
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, size, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// medium is the base image with a boot's bytes, exactly wire.OverlaySize, in the overlay region.
type medium struct {
	iso     *ISO
	overlay []byte
}

// openWith gives a reader of the image with overlay in its region.
func (i *ISO) openWith(overlay []byte) *io.SectionReader {
	return io.NewSectionReader(medium{iso: i, overlay: overlay}, 0, i.size)
}

// ReadAt implements io.ReaderAt.
func (m medium) ReadAt(p []byte, at int64) (int, error) {
	n, err := m.iso.file.ReadAt(p, at)
	start := max(at, m.iso.region)
	end := min(at+int64(n), m.iso.region+int64(len(m.overlay)))
	if start < end {
		copy(p[start-at:end-at], m.overlay[start-m.iso.region:])
	}
	return n, err
}
