package superblocks

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// LVM2 (lvm2, lib/format_text/layout.h): a label in one of the first four sectors, the physical volume's header behind
// it, and the metadata as text.
const (
	lvmLabels   = 4
	lvmLabel    = "LABELONE"
	lvmType     = "LVM2 001"
	lvmMetadata = " LVM2 x[5A%r0N*>"
	lvmSector   = 512
	maxLVMText  = 4 << 20
	maxVolumes  = 256 // logical volumes that are looked into
)

// readLVM reads a physical volume. The sequence number changes with the metadata only: what is written into a logical
// volume shows in the volume's own file system, so the volumes that begin on this disk are Inside.
func readLVM(s *section) []Superblock {
	for i := range int64(lvmLabels) {
		b := s.read(i*lvmSector, lvmSector)
		if b == nil || string(b[:8]) != lvmLabel || string(b[24:32]) != lvmType {
			continue
		}
		at := int64(le.Uint32(b[20:]))
		if at < 32 || at > lvmSector-40 {
			return nil
		}
		found := Superblock{Type: "LVM2_member", UUID: formatLVM(b[at : at+32]), At: i * lvmSector}
		data, metadata := readAreas(b[at+40:])
		for _, area := range metadata {
			if text := s.readLVMText(area); text != "" {
				found.Counter = "seqno " + numberAfter(text, "seqno")
				found.Inside = s.listVolumes(text, string(b[at:at+32]), data)
				break
			}
		}
		return []Superblock{found}
	}
	return nil
}

// formatLVM writes the id of a physical volume: groups of 6, 4, 4, 4, 4, 4, 6 characters.
func formatLVM(id []byte) string {
	text := cutText(id)
	if len(text) != 32 {
		return text
	}
	groups := []int{0, 6, 10, 14, 18, 22, 26, 32}
	var parts []string
	for i := 1; i < len(groups); i++ {
		parts = append(parts, text[groups[i-1]:groups[i]])
	}
	return strings.Join(parts, "-")
}

// readAreas reads the list of data areas, whose first begins the extents, and the list of metadata areas. Each list
// ends with zeros.
func readAreas(b []byte) (data int64, metadata []int64) {
	list := 0
	first := true
	for ; len(b) >= 16 && list < 2; b = b[16:] {
		offset := le.Uint64(b)
		switch {
		case offset == 0 || offset > math.MaxInt64:
			list++
		case list == 0 && first:
			data, first = int64(offset), false
		case list == 1:
			metadata = append(metadata, int64(offset))
		}
	}
	return data, metadata
}

// readLVMText reads the present metadata of an area. The text goes round in the area, behind its header.
func (s *section) readLVMText(area int64) string {
	b := s.read(area, lvmSector)
	if b == nil || string(b[4:20]) != lvmMetadata {
		return ""
	}
	size, offset, length := le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	if size > maxLVMText*16 || offset < lvmSector || offset >= size || length == 0 || length > maxLVMText ||
		length > size-lvmSector {
		return ""
	}
	before := min(length, size-offset)
	text := s.read(area+int64(offset), int64(before))
	if rest := length - before; rest > 0 {
		text = append(text, s.read(area+lvmSector, int64(rest))...)
	}
	return string(text)
}

// The parts of the metadata's text that are read: "pv0 {\n\t\t\tid = …" and "stripes = [\n\t\t\t\t\t\"pv0\", 0".
var (
	lvmPhysical = regexp.MustCompile(`(\w+) \{\s*id = "([-\w]+)"\s*device = `)
	lvmSegment  = regexp.MustCompile(`start_extent = 0\s+extent_count = ([0-9]+)\s[^}]*?stripes = \[\s*"(\w+)", ([0-9]+)`)
)

// listVolumes gives the ranges of this disk on which logical volumes begin.
func (s *section) listVolumes(text, id string, data int64) []Extent {
	name := ""
	for _, match := range lvmPhysical.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(match[2], "-", "") == id {
			name = match[1]
		}
	}
	extent, err := strconv.ParseInt(numberAfter(text, "extent_size"), 10, 64)
	if err != nil || name == "" || extent <= 0 || extent > s.size/lvmSector {
		return nil
	}
	var found []Extent
	for _, match := range lvmSegment.FindAllStringSubmatch(text, maxVolumes) {
		count, wrong := strconv.ParseInt(match[1], 10, 64)
		first, err := strconv.ParseInt(match[3], 10, 64)
		most := s.size / lvmSector / extent // extents of the disk
		if match[2] != name || err != nil || wrong != nil || first > most {
			continue
		}
		found = append(found, s.list(data+first*extent*lvmSector, min(count, most)*extent*lvmSector)...)
	}
	return found
}

// numberAfter gives the digits of the first "name = digits" in the text.
func numberAfter(text, name string) string {
	_, rest, found := strings.Cut(text, name+" = ")
	if !found {
		return ""
	}
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	return fmt.Sprintf("%.20s", rest[:end])
}
