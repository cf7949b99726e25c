// Package superblocks finds the superblocks of file systems, volumes and array members in the bytes of a disk or of a
// partition, with their write counters: the members that change when something was written. FindAll finds them. The
// package reads only; nothing is mounted, assembled or activated.
//
// Each reader is for one format, names the source of its offsets, and believes nothing: the bytes may be anybody's.
package superblocks

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Extent is a range of bytes, from the beginning of what was searched.
type Extent struct{ From, Size int64 }

// Superblock is what one reader found.
type Superblock struct {
	Type string // as blkid names it
	UUID string // as blkid writes it
	// Counter changes when the file system was written to: "" where the format has none in its superblock.
	Counter string
	At      int64 // of the superblock
	// Covers are ranges whose bytes tell that something was written where the superblock does not.
	Covers []Extent
	// Inside are ranges that hold a file system of their own: of an array, or of a logical volume.
	Inside []Extent
}

// String is the superblock in one line, for a digest.
func (s Superblock) String() string {
	return fmt.Sprintf("%s %s %s @%d", s.Type, s.UUID, s.Counter, s.At)
}

// readers are tried in this order. The first ones hold others: an array or a volume may begin with the superblock of
// what it holds.
var readers = []func(*section) []Superblock{readMD, readLVM, readLUKS, readZFS, readExt, readXFS, readBtrfs, readNTFS,
	readFAT, readSwap}

// FindAll finds the superblocks in size bytes of a disk, from byte start on. An error means that the disk could not be
// read. What is there may carry several: the traces of earlier file systems remain.
func FindAll(disk io.ReaderAt, start, size int64) ([]Superblock, error) {
	s := &section{disk: disk, start: start, size: size}
	var found []Superblock
	for _, read := range readers {
		found = append(found, read(s)...)
		if s.err != nil {
			return nil, s.err
		}
	}
	return found, nil
}

// edgeBytes are read at once at both ends of a section: nearly all superblocks are there.
const edgeBytes = 1 << 20

// section is a part of a disk. The first error of a read stays, and later reads give nothing.
type section struct {
	disk        io.ReaderAt
	start, size int64
	head, tail  []byte // of at most edgeBytes; nil before the first use
	err         error
}

// read gives n bytes, nil where the section has not so many. The bytes are not to be changed.
func (s *section) read(at, n int64) []byte {
	if s.err != nil || at < 0 || n <= 0 || at > s.size-n {
		return nil
	}
	edge := min(edgeBytes, s.size)
	switch tail := s.size - edge; {
	case at+n <= edge:
		if s.head == nil {
			s.head = s.fetch(0, edge)
		}
		return cut(s.head, at, n)
	case at >= tail:
		if s.tail == nil {
			s.tail = s.fetch(tail, edge)
		}
		return cut(s.tail, at-tail, n)
	default:
		return s.fetch(at, n)
	}
}

// cut gives n bytes of what was fetched; nil where nothing was.
func cut(data []byte, at, n int64) []byte {
	if data == nil {
		return nil
	}
	return data[at : at+n : at+n]
}

// fetch reads n bytes of the disk.
func (s *section) fetch(at, n int64) []byte {
	data := make([]byte, n)
	got, err := s.disk.ReadAt(data, s.start+at)
	if int64(got) == n {
		return data
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.err = fmt.Errorf("byte %d: %w", s.start+at, err)
	return nil
}

// has reports whether the section has a text at an offset.
func (s *section) has(at int64, text string) bool {
	return string(s.read(at, int64(len(text)))) == text
}

// clip gives a range as far as it lies in the section; false for a range that does not begin there.
func (s *section) clip(from, size int64) (Extent, bool) {
	if from < 0 || size <= 0 || from >= s.size {
		return Extent{}, false
	}
	return Extent{from, min(size, s.size-from)}, true
}

// list gives a range as a list, empty where the range is not in the section.
func (s *section) list(from, size int64) []Extent {
	if e, ok := s.clip(from, size); ok {
		return []Extent{e}
	}
	return nil
}

// formatUUID writes 16 bytes as a UUID, "" for zeros.
func formatUUID(b []byte) string {
	if strings.Trim(string(b), "\x00") == "" {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// cutText is a text that ends at the first zero byte, without unprintable bytes.
func cutText(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return hex.EncodeToString([]byte(text))
		}
	}
	return strings.TrimSpace(text)
}
