package partitions

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gitmetal/ingot/agent/wire"
)

// linuxData is the type of a partition with a Linux file system (UAPI group, Discoverable Partitions Specification).
const linuxData = "0fc63daf-8483-4772-8e79-3d69d8477de4"

const (
	alignment = 1 << 20 // of a new partition, in bytes
	maxName   = 36      // characters of a partition's name
)

// Addition is a partition to be added.
type Addition struct {
	Name  string // at most 36 characters
	Bytes int64  // a multiple of 1 MiB
	Data  []byte // in front of the partition
}

// PlaceAtEnd gives the first byte of a partition at the end of a disk, whose table is in the first bytes of the disk; size
// is the disk's, in bytes. The error says why there is no room.
func PlaceAtEnd(head []byte, size int64, sector int, add Addition) (int64, error) {
	for _, sector := range sectorsOf(sector) {
		if primary, ok := parseGPT(head, 1, sector); ok {
			at, _, err := primary.place(size, add)
			return at, err
		}
	}
	return 0, ErrNoGPT
}

// newGUID makes the GUID of a partition (RFC 9562, version 4), in the byte order of a GPT.
func newGUID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails
	id[7], id[8] = id[7]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func sectorsOf(sector int) []int {
	if sector == 0 {
		return sectorSizes
	}
	return []int{sector}
}

// place finds the place of a partition at the end of the disk, and an entry that is free.
func (g gpt) place(size int64, add Addition) (at int64, entry int, err error) {
	sector := int64(g.sector)
	array := (int64(g.arrayBytes()) + sector - 1) / sector * sector
	at = (size/sector*sector - sector - array - add.Bytes) / alignment * alignment
	for _, p := range g.table().Partitions {
		if int64(p.Last) >= at/sector {
			return 0, 0, fmt.Errorf("the last %d MiB of the disk of %d bytes are not free for %s: partition %d ends there",
				add.Bytes>>20, size, add.Name, p.Number)
		}
	}
	for i := range int(g.count) {
		if isZero(g.entries[i*int(g.entrySize):][:16]) {
			return at, i, nil
		}
	}
	return 0, 0, fmt.Errorf("the partition table of %d entries is full", g.count)
}

// AddAtEnd adds a partition with data at the end of a disk with an intact GPT, whose backup moves to the end of the disk, and
// gives the table as it was read back. The data is written first, then the backup, so that one of the two copies is intact
// at any moment.
func AddAtEnd(disk Disk, size int64, sector int, add Addition) (wire.Table, error) {
	if int64(len(add.Data)) > add.Bytes || utf8.RuneCountInString(add.Name) > maxName {
		return wire.Table{}, fmt.Errorf("a partition of %d bytes cannot take %d bytes and the name %q", add.Bytes, len(add.Data), add.Name)
	}
	kind, err := parseGUID(linuxData)
	if err != nil {
		return wire.Table{}, err
	}
	primary, table, err := readPrimary(disk, size, sector)
	if err != nil {
		return wire.Table{}, err
	}
	at, free, err := primary.place(size, add)
	if err != nil {
		return wire.Table{}, err
	}
	if _, err := disk.WriteAt(add.Data, at); err != nil {
		return wire.Table{}, fmt.Errorf("write the partition %s: %w", add.Name, err)
	}
	if err := disk.Sync(); err != nil {
		return wire.Table{}, fmt.Errorf("write the partition %s: %w", add.Name, err)
	}
	id := newGUID()
	primary.entries = bytes.Clone(primary.entries)
	entry := primary.entries[free*int(primary.entrySize):][:primary.entrySize]
	copy(entry, kind[:])
	copy(entry[16:], id[:])
	binary.LittleEndian.PutUint64(entry[32:], uint64(at/int64(primary.sector)))
	binary.LittleEndian.PutUint64(entry[40:], uint64((at+add.Bytes)/int64(primary.sector))-1)
	for i, unit := range utf16.Encode([]rune(add.Name)) {
		binary.LittleEndian.PutUint16(entry[56+2*i:], unit)
	}
	binary.LittleEndian.PutUint32(primary.header[atArrayCRC:], crc32.ChecksumIEEE(primary.entries))
	parts, err := layOut(primary, table, size, [16]byte(primary.header[atDiskGUID:atDiskGUID+16]))
	if err != nil {
		return wire.Table{}, err
	}
	main := len(parts) - 1 // the primary header, behind its entries
	entries := part{int64(primary.entriesAt) * int64(primary.sector), primary.entries}
	return writeParts(disk, size, table.Sector, append(parts[:main:main], entries, parts[main]))
}
