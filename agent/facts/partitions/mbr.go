package partitions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gitmetal/ingot/agent/wire"
)

// The MBR: 440 bytes of boot code, a disk signature, four entries of 16 bytes, 0x55 0xAA.
const (
	bootCodeBytes   = 440
	atMBRSignature  = 440
	atMBREntries    = 446
	mbrEntryBytes   = 16
	mbrSector       = 512
	typeProtective  = 0xee
	maxLogical      = 128 // logical partitions that are followed
	firstLogical    = 5
	activePartition = 0x80
)

// extendedTypes are those of a partition that holds logical ones.
var extendedTypes = []byte{0x05, 0x0f, 0x85}

type mbrEntry struct {
	status, kind byte
	first, count uint32
}

// parseEntries gives the four entries of an MBR or EBR; false where the sector is none. The boot sector of a file
// system ends in the same two bytes: there, the entries are code.
func parseEntries(sector []byte) (entries [4]mbrEntry, ok bool) {
	if len(sector) < mbrSector || sector[510] != 0x55 || sector[511] != 0xaa {
		return entries, false
	}
	for i := range entries {
		raw := sector[atMBREntries+i*mbrEntryBytes:]
		entries[i] = mbrEntry{raw[0], raw[4], binary.LittleEndian.Uint32(raw[8:]), binary.LittleEndian.Uint32(raw[12:])}
		if entries[i].status != 0 && entries[i].status != activePartition {
			return entries, false
		}
	}
	return entries, true
}

// isProtective reports whether the head begins with a protective MBR.
func isProtective(head []byte) bool {
	entries, ok := parseEntries(head)
	for _, e := range entries {
		if ok && e.kind == typeProtective {
			return true
		}
	}
	return false
}

// readMBR reads an MBR with its logical partitions.
func readMBR(disk io.ReaderAt, size int64, head []byte) (wire.Table, bool, error) {
	entries, ok := parseEntries(head)
	if !ok || isBootSector(head) {
		return wire.Table{}, false, nil
	}
	table := wire.Table{Kind: wire.TableMBR, Valid: true, Sector: mbrSector}
	if signature := binary.LittleEndian.Uint32(head[atMBRSignature:]); signature != 0 {
		table.GUID = fmt.Sprintf("%08x", signature)
	}
	for i, e := range entries {
		if e.kind == 0 || e.count == 0 {
			continue
		}
		table.Partitions = append(table.Partitions, e.partition(i+1, 0))
		if bytes.IndexByte(extendedTypes, e.kind) < 0 {
			continue
		}
		logical, err := readLogical(disk, size, uint64(e.first))
		if err != nil {
			return wire.Table{}, false, err
		}
		table.Partitions = append(table.Partitions, logical...)
	}
	table.Alone = isZero(head[:bootCodeBytes]) && isZero(head[mbrSector:])
	return table, true, nil
}

// isBootSector reports whether a sector is the boot sector of a file system, which also ends in 0x55 0xAA.
func isBootSector(sector []byte) bool {
	jump := sector[0] == 0xeb && sector[2] == 0x90 || sector[0] == 0xe9
	named := string(sector[3:7]) == "NTFS" || string(sector[3:8]) == "EXFAT" || string(sector[0x36:0x39]) == "FAT" ||
		string(sector[0x52:0x55]) == "FAT"
	return jump && named
}

func (e mbrEntry) partition(number int, base uint64) wire.Partition {
	first := base + uint64(e.first)
	return wire.Partition{Number: number, Type: fmt.Sprintf("%02x", e.kind), First: first,
		Last: first + uint64(e.count) - 1}
}

// readLogical follows the chain of EBRs of an extended partition. A chain that leaves the disk, or turns back, ends.
func readLogical(disk io.ReaderAt, size int64, base uint64) (found []wire.Partition, err error) {
	for at := base; len(found) < maxLogical && at < uint64(size)/mbrSector; {
		sector, err := readBytes(disk, int64(at)*mbrSector, mbrSector)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		entries, ok := parseEntries(sector)
		if !ok {
			return found, nil
		}
		if entries[0].kind != 0 && entries[0].count != 0 {
			found = append(found, entries[0].partition(firstLogical+len(found), at))
		}
		next := base + uint64(entries[1].first)
		if entries[1].kind == 0 || next <= at {
			return found, nil
		}
		at = next
	}
	return found, nil
}
