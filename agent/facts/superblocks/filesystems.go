package superblocks

import (
	"encoding/binary"
	"fmt"
	"strings"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// Features of an ext superblock that tell ext2, ext3 and ext4 apart.
const (
	extJournal    = 0x4                          // compatible: has_journal
	ext4Features  = 0x40 | 0x80 | 0x200 | 0x2000 // incompatible: extents, 64bit, flex_bg, csum_seed
	ext4ROCompat  = 0x8 | 0x10 | 0x20 | 0x40 | 0x400
	extSuperblock = 1024
)

// readExt reads ext2, ext3 and ext4 (Linux, Documentation/filesystems/ext4/super.rst). Free blocks and inodes, the
// times of the last mount and write, the mount count and the kilobytes written change with writes.
func readExt(s *section) []Superblock {
	b := s.read(extSuperblock, 1024)
	if b == nil || le.Uint16(b[0x38:]) != 0xef53 {
		return nil
	}
	kind := "ext2"
	switch compatible, incompatible, readOnly := le.Uint32(b[0x5c:]), le.Uint32(b[0x60:]), le.Uint32(b[0x64:]); {
	case incompatible&0x8 != 0:
		kind = "jbd" // an external journal
	case incompatible&ext4Features != 0 || readOnly&ext4ROCompat != 0:
		kind = "ext4"
	case compatible&extJournal != 0:
		kind = "ext3"
	}
	return []Superblock{{Type: kind, UUID: formatUUID(b[0x68:0x78]), At: extSuperblock,
		Counter: fmt.Sprintf("free %d/%d mounted %d times at %d written %d at %d", le.Uint32(b[0x0c:]), le.Uint32(b[0x10:]),
			le.Uint16(b[0x34:]), le.Uint32(b[0x2c:]), le.Uint64(b[0x178:]), le.Uint32(b[0x30:]))}}
}

// readXFS reads XFS (xfs_sb in Linux, fs/xfs/libxfs/xfs_format.h; big endian). The LSN of the last write of the
// superblock (version 5), and the free blocks and inodes as of the last unmount, change with writes.
func readXFS(s *section) []Superblock {
	b := s.read(0, 512)
	if b == nil || string(b[:4]) != "XFSB" {
		return nil
	}
	var lsn uint64
	if be.Uint16(b[100:])&0xf == 5 {
		lsn = be.Uint64(b[0xf0:])
	}
	return []Superblock{{Type: "xfs", UUID: formatUUID(b[32:48]),
		Counter: fmt.Sprintf("lsn %d free %d inodes %d/%d", lsn, be.Uint64(b[0x90:]), be.Uint64(b[0x88:]), be.Uint64(b[0x80:]))}}
}

// Btrfs keeps its superblock at 64 KiB, with copies (Linux, fs/btrfs/disk-io.h: btrfs_sb_offset).
const btrfsSuperblock = 64 << 10

// readBtrfs reads btrfs (struct btrfs_super_block). The generation is raised by each transaction.
func readBtrfs(s *section) []Superblock {
	b := s.read(btrfsSuperblock, 4096)
	if b == nil || string(b[0x40:0x48]) != "_BHRfS_M" {
		return nil
	}
	return []Superblock{{Type: "btrfs", UUID: formatUUID(b[0x20:0x30]), At: btrfsSuperblock,
		Counter: fmt.Sprintf("generation %d used %d", le.Uint64(b[0x48:]), le.Uint64(b[0x78:]))}}
}

// mftBytes is how much of an NTFS's master file table is covered: the records of the first 1,024 files.
const mftBytes = 1 << 20

// readNTFS reads NTFS (Linux, fs/ntfs3/ntfs.h: NTFS_BOOT). There is no write counter: the boot sector never changes. A
// new file takes a record of the master file table, whose first MiB is covered.
func readNTFS(s *section) []Superblock {
	b := s.read(0, 512)
	if b == nil || string(b[3:11]) != "NTFS    " || b[510] != 0x55 || b[511] != 0xaa {
		return nil
	}
	cluster := int64(le.Uint16(b[0x0b:])) * int64(b[0x0d])
	if b[0x0d] > 0x80 { // a power of two, as a negative number
		cluster = int64(le.Uint16(b[0x0b:])) << min(256-int(b[0x0d]), 31)
	}
	found := Superblock{Type: "ntfs", UUID: fmt.Sprintf("%016X", le.Uint64(b[0x48:]))}
	if table := le.Uint64(b[0x30:]); cluster > 0 && table < uint64(s.size/cluster) {
		found.Covers = s.list(int64(table)*cluster, mftBytes)
	}
	return []Superblock{found}
}

// readFAT reads FAT12, FAT16 and FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", 1.03). Only FAT32 counts
// something: the free clusters, in the FSInfo sector, as far as its writer cared. The first tables lie in the first
// MiB.
func readFAT(s *section) []Superblock {
	b := s.read(0, 512)
	if b == nil || b[510] != 0x55 || b[511] != 0xaa || b[0] != 0xeb && b[0] != 0xe9 {
		return nil
	}
	sector := int64(le.Uint16(b[0x0b:]))
	var id uint32
	switch {
	case sector < 512 || sector > 4096 || sector&(sector-1) != 0:
		return nil
	case strings.HasPrefix(string(b[0x52:0x57]), "FAT32"):
		id = le.Uint32(b[0x43:])
	case strings.HasPrefix(string(b[0x36:0x39]), "FAT"):
		id = le.Uint32(b[0x27:])
	default:
		return nil
	}
	found := Superblock{Type: "vfat", UUID: fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)}
	if info := s.read(int64(le.Uint16(b[0x30:]))*sector, 512); info != nil && string(info[:4]) == "RRaA" {
		found.Counter = fmt.Sprintf("free %d next %d", le.Uint32(info[0x1e8:]), le.Uint32(info[0x1ec:]))
	}
	return []Superblock{found}
}

// pageSizes are those of the machines that swap is made on: the magic ends the first page.
var pageSizes = []int64{4096, 8192, 16384, 65536}

// readSwap reads a swap area (Linux, include/linux/swap.h: union swap_header).
func readSwap(s *section) []Superblock {
	for _, page := range pageSizes {
		magic := string(s.read(page-10, 10))
		if magic != "SWAPSPACE2" && magic != "SWAP-SPACE" {
			continue
		}
		b := s.read(1024, 64)
		return []Superblock{{Type: "swap", UUID: formatUUID(b[12:28])}}
	}
	return nil
}
