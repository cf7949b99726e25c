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
	"strconv"

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
	// protocol is the version that the agent in the image speaks.
	protocol int
	areas    []area // in the order of a start
}

// OpenISO finds the overlay region of an image: exactly a single sector starts with wire.OverlayMagic, and
// wire.OverlaySize bytes follow. The whole image is read. The caller closes the ISO. An image of another protocol is
// opened too, for the machines that run from it: ask WhyUnusable before a machine boots.
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
	found, err := findSectors(io.TeeReader(file, sum))
	switch {
	case err != nil:
		return nil, err
	case len(found.regions) != 1:
		return nil, fmt.Errorf("%d overlay regions, want 1: make one with `ingot ramdisk build` of this version",
			len(found.regions))
	case found.regions[0]+wire.OverlaySize > found.size:
		return nil, fmt.Errorf("the image ends within its overlay region, at byte %d: make it again with `ingot "+
			"ramdisk build`", found.size)
	case len(found.protocols) > 1:
		return nil, fmt.Errorf("the image names %d protocols, want 1: make it again with `ingot ramdisk build`",
			len(found.protocols))
	}
	iso := &ISO{file: file, size: found.size, region: found.regions[0], protocol: 1}
	if len(found.protocols) == 1 {
		iso.protocol = found.protocols[0]
	}
	sum.Sum(iso.digest[:0])
	iso.areas = findAreas(file, iso.region)
	return iso, nil
}

// WhyUnusable says in one line why no machine boots from the image, or "".
func (i *ISO) WhyUnusable() string {
	if i.protocol == wire.Version {
		return ""
	}
	return fmt.Sprintf("the ramdisk speaks protocol %d, this daemon %d: run `ingot ramdisk build` of this version and "+
		"restart the daemon", i.protocol, wire.Version)
}

// sectors are what an image has at the starts of its sectors.
type sectors struct {
	regions   []int64 // offsets of the sectors that start with wire.OverlayMagic
	protocols []int
	size      int64 // of the image
}

// findSectors reads an image to its end.
func findSectors(r io.Reader) (found sectors, err error) {
	magic, named := []byte(wire.OverlayMagic), []byte(wire.ProtocolMagic)
	buffer := make([]byte, 512*sector)
	for {
		n, err := io.ReadFull(r, buffer)
		for at := 0; at < n; at += sector {
			if bytes.HasPrefix(buffer[at:n], magic) {
				found.regions = append(found.regions, found.size+int64(at))
			}
			if rest, is := bytes.CutPrefix(buffer[at:min(at+sector, n)], named); is {
				text, _, _ := bytes.Cut(rest, []byte("\n"))
				protocol, err := strconv.Atoi(string(text))
				if err != nil {
					return found, fmt.Errorf("the image names protocol %q: make it again with `ingot ramdisk build`", text)
				}
				found.protocols = append(found.protocols, protocol)
			}
		}
		found.size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
}

// medium is the base image with a boot's bytes, exactly wire.OverlaySize, in the overlay region.
type medium struct {
	iso     *ISO
	overlay []byte
}

// lay gives the image with overlay in its region.
func (i *ISO) lay(overlay []byte) image {
	return image{content: medium{iso: i, overlay: overlay}, size: i.size, areas: i.areas}
}

// Copy writes the whole image with files in its overlay region: a medium for people to attach.
func (i *ISO) Copy(to io.Writer, files []File) error {
	overlay, err := packOverlay(files)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(medium{iso: i, overlay: overlay}, 0, i.size))
	return err
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
