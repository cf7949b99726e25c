package partitions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/gitmetal/ingot/agent/wire"
)

// Disk is a disk that SetGUID writes to. Sync returns when everything written before is on the disk.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// ErrNoGPT means that a disk has no intact GPT for its sector size, so that no GUID can be set.
var ErrNoGPT = errors.New("the disk has no intact GPT")

// SetGUID sets the disk GUID of an intact GPT in both headers, moves the backup to the end of the disk, and gives the
// table as it was read back. The backup is written first, so that one of the two copies is intact at any moment. The
// partitions stay as they are. sector is the disk's logical sector size, 0 for unknown. SetGUID may be repeated.
func SetGUID(disk Disk, size int64, sector int, guid string) (wire.Table, error) {
	id, err := parseGUID(guid)
	if err != nil {
		return wire.Table{}, err
	}
	primary, table, err := readPrimary(disk, size, sector)
	if err != nil {
		return wire.Table{}, err
	}
	parts, err := layOut(primary, table, size, id)
	if err != nil {
		return wire.Table{}, err
	}
	return writeParts(disk, size, table.Sector, parts)
}

// readPrimary reads the table of a disk with an intact GPT, and the primary copy.
func readPrimary(disk io.ReaderAt, size int64, sector int) (primary gpt, table wire.Table, err error) {
	table, err = ReadTable(disk, size, sector)
	if err != nil {
		return primary, table, err
	}
	if table.Kind != wire.TableGPT || !table.Valid {
		return primary, table, ErrNoGPT
	}
	head, err := readBytes(disk, 0, min(headBytes, size))
	if err != nil {
		return primary, table, err
	}
	primary, ok := parseGPT(head, 1, table.Sector)
	if !ok {
		return primary, table, ErrNoGPT
	}
	return primary, table, nil
}

// writeParts writes the pieces of a GPT in their order, and gives the table as it was read back.
func writeParts(disk Disk, size int64, sector int, parts []part) (wire.Table, error) {
	for _, part := range parts {
		if _, err := disk.WriteAt(part.data, part.at); err != nil {
			return wire.Table{}, fmt.Errorf("write the partition table: %w", err)
		}
		if err := disk.Sync(); err != nil {
			return wire.Table{}, fmt.Errorf("write the partition table: %w", err)
		}
	}
	return readBack(disk, size, sector, parts)
}

// part is a piece of a GPT at its place on the disk, in bytes.
type part struct {
	at   int64
	data []byte
}

// layOut gives the pieces to write, in their order: the backup's entry array, its header, the primary header.
func layOut(primary gpt, table wire.Table, size int64, id [16]byte) ([]part, error) {
	sector := int64(primary.sector)
	last := uint64(size/sector) - 1
	arraySectors := (uint64(primary.arrayBytes()) + uint64(sector) - 1) / uint64(sector)
	backupEntries := last - arraySectors
	for _, p := range table.Partitions {
		if p.Last >= backupEntries {
			return nil, fmt.Errorf("partition %d ends at sector %d, where the backup of the table belongs", p.Number,
				p.Last)
		}
	}
	array := make([]byte, arraySectors*uint64(sector))
	copy(array, primary.entries)
	backup := primary.encodeHeader(last, 1, backupEntries, id)
	binary.LittleEndian.PutUint64(backup[atLastUsable:], backupEntries-1)
	main := primary.encodeHeader(1, last, primary.entriesAt, id)
	binary.LittleEndian.PutUint64(main[atLastUsable:], backupEntries-1)
	return []part{
		{int64(backupEntries) * sector, array},
		{int64(last) * sector, primary.seal(backup)},
		{sector, primary.seal(main)},
	}, nil
}

// encodeHeader is the header with another place, GUID and entry array, without a checksum.
func (g gpt) encodeHeader(self, alternate, entries uint64, id [16]byte) []byte {
	header := bytes.Clone(g.header)
	binary.LittleEndian.PutUint64(header[atMyLBA:], self)
	binary.LittleEndian.PutUint64(header[atAlternate:], alternate)
	binary.LittleEndian.PutUint64(header[atEntries:], entries)
	copy(header[atDiskGUID:], id[:])
	return header
}

// seal puts the checksum into a header and fills the sector with zeros.
func (g gpt) seal(header []byte) []byte {
	binary.LittleEndian.PutUint32(header[atHeaderCRC:], 0)
	binary.LittleEndian.PutUint32(header[atHeaderCRC:], crc32.ChecksumIEEE(header))
	return append(header, make([]byte, g.sector-len(header))...)
}

// readBack reads what was written, and the table as every reader sees it.
func readBack(disk io.ReaderAt, size int64, sector int, parts []part) (wire.Table, error) {
	for _, part := range parts {
		have, err := readBytes(disk, part.at, int64(len(part.data)))
		if err != nil {
			return wire.Table{}, err
		}
		if !bytes.Equal(have, part.data) {
			return wire.Table{}, fmt.Errorf("the disk gives other bytes back at %d than were written", part.at)
		}
	}
	table, err := ReadTable(disk, size, sector)
	if err == nil && (table.Kind != wire.TableGPT || !table.Valid) {
		err = ErrNoGPT
	}
	return table, err
}
