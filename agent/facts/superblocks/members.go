package superblocks

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// An md superblock (Linux, include/uapi/linux/raid/md_p.h).
const (
	mdMagic = 0xa92b4efc
	// version 0.90: in the last 64 KiB that begin at a multiple of 64 KiB
	md090Align = 64 << 10
)

// readMD reads the superblocks of md arrays: 0.90 and 1.0 at the end, 1.1 at the beginning, 1.2 at 4 KiB. The events
// are raised when an array becomes dirty or clean, or a member fails.
func readMD(s *section) []Superblock {
	var found []Superblock
	if at := s.size&^(md090Align-1) - md090Align; at >= 0 {
		if b := s.read(at, 4096); b != nil && le.Uint32(b) == mdMagic && le.Uint32(b[4:]) == 0 {
			uuid := append(append([]byte(nil), b[0x14:0x18]...), b[0x34:0x40]...)
			found = append(found, Superblock{Type: "linux_raid_member", UUID: formatUUID(uuid), At: at,
				Counter: fmt.Sprintf("events %d at %d", le.Uint64(b[0x9c:]), le.Uint32(b[0x80:]))})
		}
	}
	for _, at := range []int64{((s.size>>9 - 16) &^ 7) << 9, 0, 4096} {
		b := s.read(at, 256)
		if b == nil || le.Uint32(b) != mdMagic || le.Uint32(b[4:]) != 1 || le.Uint64(b[0x90:]) != uint64(at>>9) {
			continue
		}
		member := Superblock{Type: "linux_raid_member", UUID: formatUUID(b[16:32]), At: at,
			Counter: fmt.Sprintf("events %d at %d", le.Uint64(b[0xc8:]), le.Uint64(b[0xc0:]))}
		offset, size := le.Uint64(b[0x80:]), le.Uint64(b[0x88:])
		if offset > 0 && offset < uint64(s.size>>9) && size > 0 {
			member.Inside = s.list(int64(offset)<<9, int64(min(size, uint64(s.size>>9)))<<9)
		}
		found = append(found, member)
	}
	return found
}

// LUKS (LUKS1 On-Disk Format Specification 1.2.3; LUKS2 1.1.3).
const (
	luksMagic     = "LUKS\xba\xbe"
	luksSecondary = "SKUL\xba\xbe"
	luksJSON      = 4096
	maxLUKSJSON   = 4 << 20
)

// luksSecondaries are where the second header of LUKS2 may begin.
var luksSecondaries = []int64{16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20}

// readLUKS reads LUKS1 and LUKS2. The header does not change with what is written to the volume; the first MiB of the
// volume, which is encrypted, does with its superblock.
func readLUKS(s *section) []Superblock {
	at := int64(0)
	if !s.has(0, luksMagic) {
		at = -1
		for _, candidate := range luksSecondaries {
			if s.has(candidate, luksSecondary) {
				at = candidate
				break
			}
		}
	}
	b := s.read(at, 512)
	if b == nil {
		return nil
	}
	found := Superblock{Type: "crypto_LUKS", UUID: cutText(b[168:208]), At: at}
	switch version := be.Uint16(b[6:]); {
	case version == 1 && at == 0:
		found.Covers = s.coverVolume(int64(be.Uint32(b[104:])) << 9)
	case version == 2:
		found.Counter = fmt.Sprintf("sequence %d", be.Uint64(b[16:]))
		found.Covers = s.coverVolume(s.readSegment(at, be.Uint64(b[8:])))
	default:
		return nil
	}
	return []Superblock{found}
}

// coverVolume covers the beginning and the end of an encrypted volume that begins at a byte.
func (s *section) coverVolume(from int64) []Extent {
	if from <= 0 || from >= s.size {
		return nil
	}
	const most, tail = 1 << 20, 64 << 10
	return append(s.list(from, most), s.list(max(from, s.size-tail), tail)...)
}

// readSegment gives the offset of the first segment that the JSON of a LUKS2 header names; 0 where it names none.
func (s *section) readSegment(header int64, size uint64) int64 {
	if size <= luksJSON || size > maxLUKSJSON {
		return 0
	}
	text := s.read(header+luksJSON, int64(size)-luksJSON)
	for i, c := range text {
		if c == 0 {
			text = text[:i]
			break
		}
	}
	var metadata struct {
		Segments map[string]struct {
			Offset string `json:"offset"`
		} `json:"segments"`
	}
	if json.Unmarshal(text, &metadata) != nil {
		return 0
	}
	offset, err := strconv.ParseInt(metadata.Segments["0"].Offset, 10, 64)
	if err != nil {
		return 0
	}
	return offset
}

// ZFS (OpenZFS, include/sys/vdev_impl.h and uberblock_impl.h): four labels of 256 KiB, two at each end.
const (
	zfsLabel     = 256 << 10
	zfsPairs     = 16 << 10  // name-value pairs of the label
	zfsRing      = 128 << 10 // uberblocks
	zfsStep      = 1 << 10   // the least size of an uberblock
	zfsUberblock = 0x00bab10c
)

// readZFS reads the labels of a member of a ZFS pool. The highest transaction group of the uberblocks is raised by
// every write.
func readZFS(s *section) []Superblock {
	end := s.size &^ (zfsLabel - 1)
	for _, at := range []int64{0, zfsLabel, end - 2*zfsLabel, end - zfsLabel} {
		ring := s.read(at+zfsRing, zfsLabel-zfsRing)
		group, written, ok := newestUberblock(ring)
		if !ok {
			continue
		}
		return []Superblock{{Type: "zfs_member", UUID: readPoolGUID(s.read(at+zfsPairs, zfsRing-zfsPairs)), At: at,
			Counter: fmt.Sprintf("txg %d at %d", group, written)}}
	}
	return nil
}

// newestUberblock gives transaction group and time of the newest uberblock in a ring.
func newestUberblock(ring []byte) (group, written uint64, ok bool) {
	for at := 0; at+40 <= len(ring); at += zfsStep {
		order := func(b []byte) uint64 { return le.Uint64(b) }
		if be.Uint64(ring[at:]) == zfsUberblock {
			order = func(b []byte) uint64 { return be.Uint64(b) }
		} else if le.Uint64(ring[at:]) != zfsUberblock {
			continue
		}
		if txg := order(ring[at+16:]); !ok || txg > group {
			group, written, ok = txg, order(ring[at+32:]), true
		}
	}
	return group, written, ok
}

// readPoolGUID reads pool_guid from the XDR of a label's pairs: name, type 8 (uint64), one element, value (RFC 4506;
// OpenZFS, nvpair.c). The value is written in decimal digits, as blkid does.
func readPoolGUID(pairs []byte) string {
	const name = "\x00\x00\x00\x09pool_guid\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01"
	for i := 0; i+len(name)+8 <= len(pairs); i += 4 {
		if string(pairs[i:i+len(name)]) == name {
			return strconv.FormatUint(be.Uint64(pairs[i+len(name):]), 10)
		}
	}
	return ""
}
