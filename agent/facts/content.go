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

	"github.com/siderolabs/go-blockdevice/v2/blkid"

	"github.com/gitmetal/ingot/agent/wire"
)

// What is read to say what a disk holds.
const (
	edge    = 16 << 20 // head and tail
	samples = 256      // spread evenly over the rest
	sample  = 1 << 20
)

// lookAt says what a disk holds.
func (r Root) lookAt(disk wire.Disk) wire.Content {
	file, err := os.Open(filepath.Join(string(r), "dev", disk.Name))
	if err != nil {
		return wire.Content{Unreadable: err.Error()}
	}
	defer file.Close()
	content := Look(file, int64(disk.Size))
	if content.Blank && len(disk.Holders) > 0 {
		return wire.Content{Unreadable: "in use by " + strings.Join(disk.Holders, ", ")}
	}
	if content.Signature != "" {
		content.Summary = summary(file.Name())
	}
	return content
}

// Look reads a disk of size bytes: Blank when the first and last 16 MiB and 256 samples of 1 MiB spread evenly between them are zero,
// else Signature: the first 16 hex digits of the SHA-256 over every part of those regions (at most 1 MiB each) that is not all zero, in
// order, each behind its offset as 8 bytes, big endian. Whatever reads a disk and writes nothing leaves its signature as it is. What cannot be read is Unreadable, never Blank.
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

// regions are what Look reads, as [from, to) in bytes, ascending and apart.
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

// summary says in words what is on a device: "gpt: EFI-SYSTEM vfat, boot ext4".
func summary(path string) string {
	info, err := blkid.ProbePath(path)
	if err != nil {
		return "data that names nothing known"
	}
	var parts []string
	for _, part := range info.Parts {
		name := ""
		if part.PartitionLabel != nil {
			name = *part.PartitionLabel + " "
		}
		parts = append(parts, strings.TrimSpace(name+part.Name))
	}
	switch {
	case info.Name == "" && len(parts) == 0:
		return "data that names nothing known"
	case len(parts) == 0:
		return info.Name
	default:
		return info.Name + ": " + strings.Join(parts, ", ")
	}
}
