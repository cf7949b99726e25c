package volumes

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Find gives the only partition with a name: a number from 1, or label:, uuid: (of the file system), partlabel:, partuuid:
// with the value.
func (s *System) Find(name string) (*Volume, error) {
	kind, value, named := strings.Cut(name, ":")
	if !named {
		kind, value = "number", name
	}
	var found []*Volume
	for _, v := range s.Volumes {
		have, known := map[string]string{"number": strconv.Itoa(v.Number), "label": v.FSLabel, "uuid": v.FSUUID, "partlabel": v.Label, "partuuid": v.GUID}[kind]
		if !known {
			return nil, fmt.Errorf("%q names no partition: want a number, or label:, uuid:, partlabel: or partuuid: with the value", name)
		}
		if have != "" && (have == value || strings.EqualFold(have, value) && strings.HasSuffix(kind, "uuid")) {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d partitions are %s: the disk has %s", len(found), name, s.List())
	}
	return found[0], nil
}

// List lists the partitions for people.
func (s *System) List() string {
	var names []string
	for _, v := range s.Volumes {
		names = append(names, v.String())
	}
	if len(names) == 0 {
		return "no partitions"
	}
	return strings.Join(names, ", ")
}

// labels are where file systems have their label: the offset from the beginning of the partition, and the bytes. ext: Linux,
// Documentation/filesystems/ext4/super.rst; XFS: xfs_sb; btrfs: struct btrfs_super_block; FAT12 and FAT16: Microsoft, "FAT:
// General Overview of On-Disk Format". FAT32 has its label at 71.
var labels = map[string]struct{ at, size int64 }{
	"ext2": {1024 + 120, 16}, "ext3": {1024 + 120, 16}, "ext4": {1024 + 120, 16}, "xfs": {108, 12}, "btrfs": {64<<10 + 0x12b, 256},
	"vfat": {43, 11},
}

// readLabel reads the label of the file system that begins at a byte of a disk; "" for none.
func readLabel(disk io.ReaderAt, at int64, kind string) string {
	place, known := labels[kind]
	if !known {
		return ""
	}
	if kind == "vfat" {
		mark := make([]byte, 5)
		if _, err := disk.ReadAt(mark, at+82); err == nil && string(mark) == "FAT32" {
			place.at = 71
		}
	}
	text := make([]byte, place.size)
	if _, err := disk.ReadAt(text, at+place.at); err != nil {
		return ""
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	return strings.TrimRight(string(text), " ")
}
