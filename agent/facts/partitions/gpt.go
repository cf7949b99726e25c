package partitions

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"github.com/gitmetal/ingot/agent/wire"
)

// The header of a GPT (UEFI 2.10, table 5-5), and the bounds that this reader sets.
const (
	gptSignature = "EFI PART"
	minHeader    = 92  // bytes of a header
	minEntry     = 128 // bytes of an entry, times a power of two
	maxEntries   = 1024
	maxArray     = 512 << 10 // bytes of the entry array
)

// Offsets in a header.
const (
	atHeaderSize  = 12
	atHeaderCRC   = 16
	atMyLBA       = 24
	atAlternate   = 32
	atFirstUsable = 40
	atLastUsable  = 48
	atDiskGUID    = 56
	atEntries     = 72
	atCount       = 80
	atEntrySize   = 84
	atArrayCRC    = 88
)

// gpt is one copy of a GPT, whose header is intact.
type gpt struct {
	header      []byte // HeaderSize bytes
	sector      int
	self        uint64
	alternate   uint64
	firstUsable uint64
	lastUsable  uint64
	entriesAt   uint64
	count       uint32
	entrySize   uint32
	entries     []byte // intact
}

// parseGPT parses the header at a sector of the disk's head, and the entry array that it names there.
func parseGPT(head []byte, self uint64, sector int) (gpt, bool) {
	from := int(self) * sector
	if len(head) < from+sector {
		return gpt{}, false
	}
	g, ok := parseHeader(head[from:from+sector], self, sector)
	if !ok || g.entriesAt < 2 || g.entriesAt > uint64(len(head)/sector) {
		return gpt{}, false
	}
	start := int(g.entriesAt) * sector
	end := start + g.arrayBytes()
	return g, end <= len(head) && g.takeEntries(head[start:end])
}

// parseHeader parses a header that must be its own at the sector self, with the right checksum.
func parseHeader(data []byte, self uint64, sector int) (gpt, bool) {
	if len(data) < minHeader || string(data[:8]) != gptSignature {
		return gpt{}, false
	}
	size := binary.LittleEndian.Uint32(data[atHeaderSize:])
	if size < minHeader || int(size) > len(data) {
		return gpt{}, false
	}
	header := append([]byte(nil), data[:size]...)
	sum := binary.LittleEndian.Uint32(header[atHeaderCRC:])
	binary.LittleEndian.PutUint32(header[atHeaderCRC:], 0)
	g := gpt{header: header, sector: sector,
		self:        binary.LittleEndian.Uint64(header[atMyLBA:]),
		alternate:   binary.LittleEndian.Uint64(header[atAlternate:]),
		firstUsable: binary.LittleEndian.Uint64(header[atFirstUsable:]),
		lastUsable:  binary.LittleEndian.Uint64(header[atLastUsable:]),
		entriesAt:   binary.LittleEndian.Uint64(header[atEntries:]),
		count:       binary.LittleEndian.Uint32(header[atCount:]),
		entrySize:   binary.LittleEndian.Uint32(header[atEntrySize:]),
	}
	fits := g.self == self && g.count > 0 && g.count <= maxEntries && g.entrySize >= minEntry &&
		g.entrySize%minEntry == 0 && uint64(g.count)*uint64(g.entrySize) <= maxArray
	return g, fits && crc32.ChecksumIEEE(header) == sum
}

func (g gpt) arrayBytes() int { return int(g.count) * int(g.entrySize) }

// takeEntries takes the entry array, if its checksum is the header's.
func (g *gpt) takeEntries(array []byte) bool {
	g.entries = array
	return crc32.ChecksumIEEE(array) == binary.LittleEndian.Uint32(g.header[atArrayCRC:])
}

// table gives the copy as a table that is not Valid yet.
func (g gpt) table() wire.Table {
	t := wire.Table{Kind: wire.TableGPT, GUID: formatGUID(g.header[atDiskGUID : atDiskGUID+16]), Sector: g.sector}
	for i := range int(g.count) {
		entry := g.entries[i*int(g.entrySize):]
		if isZero(entry[:16]) { // the type of an unused entry
			continue
		}
		t.Partitions = append(t.Partitions, wire.Partition{
			Number: i + 1, Type: formatGUID(entry), GUID: formatGUID(entry[16:]),
			First: binary.LittleEndian.Uint64(entry[32:]), Last: binary.LittleEndian.Uint64(entry[40:]),
			Label: readLabel(entry[56:128]),
		})
	}
	return t
}

// readLabel reads the UTF-16 name of a partition.
func readLabel(data []byte) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	name, _, _ := strings.Cut(string(utf16.Decode(units)), "\x00")
	return name
}

// isAlone reports whether the head of a disk holds nothing but the protective MBR and this copy. Boot code in the MBR
// is something else.
func (g gpt) isAlone(head []byte) bool {
	entries := int(g.entriesAt) * g.sector
	from, to := g.sector+len(g.header), entries+g.arrayBytes()
	return isZero(head[:bootCodeBytes]) && isZero(head[512:g.sector]) && from <= entries && isZero(head[from:entries]) &&
		isZero(head[to:])
}
