// Package media makes the ramdisk's ISO once, and serves it to BMCs with one boot's own files laid over a region of fixed size: no file
// per host, no copy per boot.
package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gitmetal/ingot/agent/wire"
)

// sector of an ISO 9660 image, in bytes (ECMA-119, 6.1.2).
const sector = 2048

// ISO is a base image with its overlay region.
type ISO struct {
	path   string
	size   int64
	region int64 // offset of the region
}

// OpenISO finds the overlay region of an image: exactly one sector starts with wire.OverlayMagic, and wire.OverlaySize bytes follow.
func OpenISO(path string) (*ISO, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open ramdisk: %w: make one with `ingot ramdisk build`", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open ramdisk: %w", err)
	}
	found, err := findRegions(file)
	if err != nil {
		return nil, fmt.Errorf("read ramdisk %s: %w", path, err)
	}
	if len(found) != 1 || found[0]+wire.OverlaySize > info.Size() {
		return nil, fmt.Errorf("%s has %d overlay regions, want 1: it was not made by `ingot ramdisk build` of this version", path, len(found))
	}
	return &ISO{path: path, size: info.Size(), region: found[0]}, nil
}

func findRegions(r io.Reader) ([]int64, error) {
	var found []int64
	magic := []byte(wire.OverlayMagic)
	buffer := make([]byte, 512*sector)
	for offset := int64(0); ; {
		n, err := io.ReadFull(r, buffer)
		for at := 0; at+len(magic) <= n; at += sector {
			if bytes.Equal(buffer[at:at+len(magic)], magic) {
				found = append(found, offset+int64(at))
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// medium is the base image with one boot's bytes in its region. It is an io.ReadSeekCloser with a file of its own.
type medium struct {
	base    *os.File
	iso     *ISO
	overlay []byte // exactly wire.OverlaySize
	at      int64
}

// open gives one reader of the image with overlay in its region.
func (i *ISO) open(overlay []byte) (*medium, error) {
	file, err := os.Open(i.path)
	if err != nil {
		return nil, err
	}
	return &medium{base: file, iso: i, overlay: overlay}, nil
}

// Read implements io.Reader.
func (m *medium) Read(p []byte) (int, error) {
	if m.at >= m.iso.size {
		return 0, io.EOF
	}
	end := m.iso.region + int64(len(m.overlay))
	var n int
	var err error
	switch {
	case m.at >= m.iso.region && m.at < end:
		n = copy(p, m.overlay[m.at-m.iso.region:])
	case m.at < m.iso.region:
		n, err = m.base.ReadAt(p[:min(int64(len(p)), m.iso.region-m.at)], m.at)
	default:
		n, err = m.base.ReadAt(p[:min(int64(len(p)), m.iso.size-m.at)], m.at)
	}
	m.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (m *medium) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.at
	case io.SeekEnd:
		offset += m.iso.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	m.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (m *medium) Close() error { return m.base.Close() }
