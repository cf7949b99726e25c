package facts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/siderolabs/go-blockdevice/v2/blkid"

	"github.com/gitmetal/ingot/agent/wire"
)

// What is read to say what a disk holds.
const (
	edge    = 16 << 20 // head and tail
	samples = 256      // spread evenly over the rest
	sample  = 1 << 20
)

// LookAt says what a disk holds, read through open, a descriptor of it. A disk in use is not blank, whatever it holds.
func (r Root) LookAt(disk wire.Disk, open io.ReaderAt) wire.Content {
	content := Look(open, int64(disk.Size))
	switch {
	case content.Blank && len(disk.Holders) > 0:
		return wire.Content{Unreadable: "in use by " + strings.Join(disk.Holders, ", ")}
	case content.Signature != "":
		content.Summary = summary(r.device(disk.Name))
	}
	return content
}

func (r Root) device(name string) string { return filepath.Join(string(r), "dev", name) }

// lookAt opens a disk for reading and says what it holds.
func (r Root) lookAt(disk wire.Disk) wire.Content {
	file, err := os.Open(r.device(disk.Name))
	if err != nil {
		return wire.Content{Unreadable: err.Error()}
	}
	defer file.Close()
	return r.LookAt(disk, file)
}

// Look reads a disk of size bytes. It is Blank when the first and last 16 MiB and 256 samples of 1 MiB, spread evenly between them, are zero;
// a disk of up to 288 MiB is read whole. Else it has a Signature: the first 16 hex digits of the SHA-256 over every MiB of those regions that is
// not all zero, in order, each behind its offset as 8 bytes, big endian. The regions depend on nothing but the size, so a disk that is only
// read keeps its signature. What cannot be read is Unreadable, never Blank.
func Look(disk io.ReaderAt, size int64) wire.Content {
	hash := sha256.New()
	blank := true
	buffer := make([]byte, sample)
	zeros := make([]byte, sample)
	for _, region := range regions(size) {
		for offset := region[0]; offset < region[1]; offset += sample {
			part := buffer[:min(sample, region[1]-offset)]
			if n, err := disk.ReadAt(part, offset); n < len(part) {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return wire.Content{Unreadable: fmt.Sprintf("byte %d: %v", offset, err)}
			}
			if bytes.Equal(part, zeros[:len(part)]) {
				continue
			}
			blank = false
			_ = binary.Write(hash, binary.BigEndian, offset)
			hash.Write(part)
		}
	}
	if blank {
		return wire.Content{Blank: true, Summary: "blank"}
	}
	return wire.Content{Signature: hex.EncodeToString(hash.Sum(nil)[:8])}
}

// regions are what Look reads, as [from, to) in bytes, ascending.
func regions(size int64) [][2]int64 {
	if size <= 2*edge+samples*sample {
		return [][2]int64{{0, size}}
	}
	list := [][2]int64{{0, edge}}
	step := (size - 2*edge) / samples
	for i := range int64(samples) {
		from := (edge + i*step) &^ 4095 // aligned, so that disks with large sectors read well
		list = append(list, [2]int64{max(from, edge), max(from, edge) + sample})
	}
	return append(list, [2]int64{size - edge, size})
}

// unknown is what people read of content that has no name.
const unknown = "data that names nothing known"

// summary says in words what is on a device: "gpt: EFI-SYSTEM vfat, boot ext". It is for people only: nothing is decided by it.
func summary(path string) string {
	info, err := blkid.ProbePath(path)
	if err != nil {
		return unknown
	}
	var parts []string
	for _, part := range info.Parts {
		if name := strings.TrimSpace(label(part) + " " + part.Name); name != "" {
			parts = append(parts, printable(name))
		}
	}
	switch {
	case info.Name == "":
		return unknown
	case len(parts) == 0:
		return info.Name
	default:
		return clip(info.Name+": "+strings.Join(parts, ", "), maxSummary)
	}
}

// maxSummary is the length of a summary in bytes.
const maxSummary = 200

func label(part blkid.NestedProbeResult) string {
	switch {
	case part.PartitionLabel != nil && *part.PartitionLabel != "":
		return *part.PartitionLabel
	case part.Label != nil:
		return *part.Label
	default:
		return ""
	}
}

// printable keeps what a stranger wrote on a disk from steering a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
