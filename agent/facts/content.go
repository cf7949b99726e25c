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

// How much of a disk is read.
const (
	edgeBytes   = 16 << 20 // head and tail
	sampleCount = 256      // spread evenly over the rest
	sampleBytes = 1 << 20
)

// ReadContentOf says what a disk holds, read through an open descriptor. A disk in use is never blank.
func (r Root) ReadContentOf(disk wire.Disk, open io.ReaderAt) wire.Content {
	content := ReadContent(open, int64(disk.Size))
	switch {
	case content.Blank && len(disk.Holders) > 0:
		return wire.Content{Unreadable: "in use by " + strings.Join(disk.Holders, ", ")}
	case content.Signature != "":
		content.Summary = summarize(r.devicePath(disk.Name))
	}
	return content
}

func (r Root) devicePath(name string) string { return filepath.Join(string(r), "dev", name) }

// openContent opens a disk for reading and says what the disk holds.
func (r Root) openContent(disk wire.Disk) wire.Content {
	file, err := os.Open(r.devicePath(disk.Name))
	if err != nil {
		return wire.Content{Unreadable: err.Error()}
	}
	defer file.Close()
	return r.ReadContentOf(disk, file)
}

// ReadContent reads a disk of size bytes. The disk is Blank when the first and last 16 MiB and 256 samples of 1 MiB,
// spread evenly between, are zero; a disk of up to 288 MiB is read whole. Otherwise the disk has a Signature: the first
// 16 hex digits of the SHA-256 over every MiB of those regions that is not all zero, in order, each behind its offset
// as 8 bytes, big endian. The regions depend only on the size, so reading does not change the signature. Unreadable
// bytes make the disk Unreadable, never Blank.
func ReadContent(disk io.ReaderAt, size int64) wire.Content {
	hash := sha256.New()
	blank := true
	buffer := make([]byte, sampleBytes)
	zeros := make([]byte, sampleBytes)
	for _, region := range contentRegions(size) {
		for offset := region[0]; offset < region[1]; offset += sampleBytes {
			part := buffer[:min(sampleBytes, region[1]-offset)]
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

// contentRegions are the regions read by ReadContent, as [from, to) in bytes, ascending.
func contentRegions(size int64) [][2]int64 {
	if size <= 2*edgeBytes+sampleCount*sampleBytes {
		return [][2]int64{{0, size}}
	}
	list := [][2]int64{{0, edgeBytes}}
	step := (size - 2*edgeBytes) / sampleCount
	for i := range int64(sampleCount) {
		from := (edgeBytes + i*step) &^ 4095 // aligned for disks with large sectors
		list = append(list, [2]int64{max(from, edgeBytes), max(from, edgeBytes) + sampleBytes})
	}
	return append(list, [2]int64{size - edgeBytes, size})
}

// unknownContent is shown for content without a known name.
const unknownContent = "data that names nothing known"

// summarize names the content of a device: "gpt: EFI-SYSTEM vfat, boot ext". The summary is for people only: no
// decision uses it.
func summarize(path string) string {
	info, err := blkid.ProbePath(path)
	if err != nil {
		return unknownContent
	}
	var parts []string
	for _, part := range info.Parts {
		if name := strings.TrimSpace(partitionLabel(part) + " " + part.Name); name != "" {
			parts = append(parts, replaceUnprintable(name))
		}
	}
	switch {
	case info.Name == "":
		return unknownContent
	case len(parts) == 0:
		return info.Name
	default:
		return clipText(info.Name+": "+strings.Join(parts, ", "), maxSummary)
	}
}

// maxSummary is the length of a summary in bytes.
const maxSummary = 200

func partitionLabel(part blkid.NestedProbeResult) string {
	switch {
	case part.PartitionLabel != nil && *part.PartitionLabel != "":
		return *part.PartitionLabel
	case part.Label != nil:
		return *part.Label
	default:
		return ""
	}
}

// replaceUnprintable keeps text from a disk from steering a terminal.
func replaceUnprintable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

func clipText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
