// Package partitions reads the partition table of a disk, GPT or MBR, from the bytes of the disk, and sets the disk
// GUID of a GPT. ReadTable reads, SetGUID writes. The kernel and other tools fall back to the backup of a GPT without a
// word; ReadTable says so. Do not decide anything about a table that is not Valid.
//
// Sources: UEFI 2.10, 5.2 (protective MBR) and 5.3 (GPT); for the MBR the layout that fdisk(8) and the kernel share.
package partitions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gitmetal/ingot/agent/wire"
)

// headBytes is the part of a disk before its first partition, as every current tool aligns it.
const headBytes = 1 << 20

// sectorSizes are tried where the disk does not say how large its sectors are, as for the file of an image.
var sectorSizes = []int{512, 4096}

// ReadTable reads the partition table of a disk of size bytes. sector is the disk's logical sector size, 0 for unknown.
// A GPT for another sector size than the disk's is not Valid: firmware and kernel do not see it. An error means that
// the disk could not be read. The partitions have no file systems yet.
func ReadTable(disk io.ReaderAt, size int64, sector int) (wire.Table, error) {
	head, err := readBytes(disk, 0, min(headBytes, size))
	if err != nil {
		return wire.Table{}, err
	}
	sectors := sectorSizes
	if sector > 512 {
		sectors = []int{sector, 512}
	} else if sector == 512 {
		sectors = []int{512, 4096}
	}
	for _, s := range sectors {
		primary, ok := parseGPT(head, 1, s)
		if !ok {
			continue
		}
		table := primary.table()
		table.Valid = isProtective(head) && (sector == 0 || s == sector) && primary.alternate < uint64(size)/uint64(s)
		table.Alone = table.Valid && primary.isAlone(head)
		return table, nil
	}
	return readWithoutPrimary(disk, size, head, sectors)
}

// readWithoutPrimary reads the table of a disk without an intact primary GPT: the backup GPT, an MBR, or none.
func readWithoutPrimary(disk io.ReaderAt, size int64, head []byte, sectors []int) (wire.Table, error) {
	alone := isZero(head)
	for _, s := range sectors {
		backup, ok, err := readBackup(disk, size, s)
		if err != nil {
			return wire.Table{}, err
		}
		if ok {
			table := backup.table()
			table.Alone = alone
			return table, nil
		}
	}
	if isProtective(head) || hasSignature(head, sectors) {
		return wire.Table{Kind: wire.TableGPT}, nil // there was one, and both copies are damaged
	}
	if table, ok, err := readMBR(disk, size, head); err != nil || ok {
		return table, err
	}
	return wire.Table{Kind: wire.TableNone, Valid: true, Alone: alone}, nil
}

// readBackup reads the backup GPT in the last sector of a disk.
func readBackup(disk io.ReaderAt, size int64, sector int) (gpt, bool, error) {
	last := size/int64(sector) - 1
	if last < 2 {
		return gpt{}, false, nil
	}
	header, err := readBytes(disk, last*int64(sector), int64(sector))
	if err != nil {
		return gpt{}, false, err
	}
	g, ok := parseHeader(header, uint64(last), sector)
	if !ok || g.entriesAt >= uint64(last) || g.entriesAt < 2 {
		return gpt{}, false, nil
	}
	array, err := readBytes(disk, int64(g.entriesAt)*int64(sector), int64(g.arrayBytes()))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return gpt{}, false, nil
	}
	if err != nil {
		return gpt{}, false, err
	}
	return g, g.takeEntries(array), nil
}

// hasSignature reports whether a primary header begins where one should, intact or not.
func hasSignature(head []byte, sectors []int) bool {
	for _, s := range sectors {
		if len(head) >= s+8 && string(head[s:s+8]) == gptSignature {
			return true
		}
	}
	return false
}

// readBytes reads n bytes; io.ErrUnexpectedEOF where the disk ends before.
func readBytes(disk io.ReaderAt, at, n int64) ([]byte, error) {
	data := make([]byte, n)
	got, err := disk.ReadAt(data, at)
	switch {
	case got == len(data):
		return data, nil
	case err == nil || errors.Is(err, io.EOF):
		return nil, fmt.Errorf("byte %d: %w", at, io.ErrUnexpectedEOF)
	default:
		return nil, fmt.Errorf("byte %d: %w", at, err)
	}
}

func isZero(data []byte) bool { return len(bytes.Trim(data, "\x00")) == 0 }

// formatGUID writes a GUID of a GPT: its first three parts are little endian (UEFI 2.10, appendix A).
func formatGUID(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

// parseGUID is the inverse of formatGUID.
func parseGUID(text string) ([16]byte, error) {
	var a uint32
	var b, c uint16
	var d, e []byte
	var out [16]byte
	if n, err := fmt.Sscanf(text, "%08x-%04x-%04x-%4x-%12x", &a, &b, &c, &d, &e); err != nil || n != 5 ||
		len(d) != 2 || len(e) != 6 {
		return out, fmt.Errorf("%q is no GUID", text)
	}
	binary.LittleEndian.PutUint32(out[:], a)
	binary.LittleEndian.PutUint16(out[4:], b)
	binary.LittleEndian.PutUint16(out[6:], c)
	copy(out[8:], d)
	copy(out[10:], e)
	if formatGUID(out[:]) != text {
		return out, fmt.Errorf("%q is no GUID in lower case", text)
	}
	return out, nil
}
