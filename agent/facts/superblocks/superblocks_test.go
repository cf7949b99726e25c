package superblocks_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/facts/superblocks"
)

const (
	mib  = 1 << 20
	size = 64 * mib
)

// tool runs a program that scripts/setup.sh installs.
func tool(t *testing.T, argv ...string) string {
	t.Helper()
	path, err := exec.LookPath(argv[0])
	if err != nil {
		path = filepath.Join("/usr/sbin", argv[0])
	}
	out, err := exec.CommandContext(t.Context(), path, argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// place puts integers and bytes into a disk's image, little endian.
func place(disk []byte, values map[int]any) {
	for at, value := range values {
		switch v := value.(type) {
		case string:
			copy(disk[at:], v)
		case []byte:
			copy(disk[at:], v)
		default:
			var out bytes.Buffer
			_ = binary.Write(&out, binary.LittleEndian, v) // a buffer takes all
			copy(disk[at:], out.Bytes())
		}
	}
}

// md1 is a superblock of version 1 at a place, with the sum that mdadm wants (md_p.h; sb_csum as in super1.c).
func md1(disk []byte, at int, events uint64) {
	place(disk, map[int]any{
		at: uint32(0xa92b4efc), at + 4: uint32(1), at + 16: "ingot md set id!", at + 32: "host:data", at + 72: uint32(1),
		at + 80: uint64(size/512 - 4096), at + 92: uint32(2), at + 128: uint64(4096), at + 136: uint64(size/512 - 4096),
		at + 144: uint64(at / 512), at + 168: "ingot device id!", at + 192: uint64(1_700_000_000), at + 200: events, at + 220: uint32(2),
		at + 256: uint16(0), at + 258: uint16(1), at + 216: uint32(0),
	})
	var sum uint64
	for i := 0; i < 256+2*2; i += 4 {
		sum += uint64(binary.LittleEndian.Uint32(disk[at+i:]))
	}
	place(disk, map[int]any{at + 216: uint32(sum&0xffffffff) + uint32(sum>>32)})
}

// md090 is a superblock of version 0.90 in the last whole 64 KiB.
func md090(disk []byte, events uint64) {
	at := len(disk)&^(64<<10-1) - 64<<10
	place(disk, map[int]any{
		at: uint32(0xa92b4efc), at + 8: uint32(90), at + 0x14: "uid0", at + 0x34: "uid1uid2uid3", at + 0x1c: uint32(1),
		at + 0x20: uint32(size / 1024), at + 0x24: uint32(2), at + 0x28: uint32(2), at + 0x80: uint32(1_700_000_000), at + 0x9c: events,
	})
}

// zfs is a label with two uberblocks and a pool GUID.
func zfs(disk []byte, group uint64) {
	place(disk, map[int]any{
		16 << 10: "\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x00\x00\x00\x24\x00\x00\x00\x20\x00\x00\x00\x09pool_guid\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01\x01\x23\x45\x67\x89\xab\xcd\xef",
	})
	for i := range 8 {
		at := 128<<10 + i<<10
		place(disk, map[int]any{at: uint64(0x00bab10c), at + 8: uint64(5000), at + 16: group - uint64(i), at + 32: uint64(1_700_000_000)})
	}
}

const lvmID = "hkJ8gxw551Y0lLe2kN6CKS4hnx7mfuCh"

// lvm is a physical volume with one logical volume, which begins at the tenth extent of 64 KiB: labels and areas as in
// lvm2's layout.h, the text as vgcfgrestore 2.03.16 wrote it.
func lvm(disk []byte, seqno string) {
	text := `vgx {
id = "4TLd0l-5VOh-ghOO-sJWX-6mYV-Uil0-nwj2tM"
seqno = ` + seqno + `
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 128
max_lv = 0

physical_volumes {

pv0 {
id = "hkJ8gx-w551-Y0lL-e2kN-6CKS-4hnx-7mfuCh"
device = "/dev/loop0"

status = ["ALLOCATABLE"]
flags = []
dev_size = 131072
pe_start = 2048
pe_count = 900
}
}

logical_volumes {

lv0 {
id = "4TLd0l-5VOh-ghOO-sJWX-6mYV-Uil0-nwj2tN"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1

segment1 {
start_extent = 0
extent_count = 100

type = "striped"
stripe_count = 1

stripes = [
"pv0", 10
]
}
}
}

}
`
	const area, areaSize = 4096, mib - 4096
	place(disk, map[int]any{
		512: "LABELONE", 520: uint64(1), 532: uint32(32), 536: "LVM2 001",
		544: lvmID, 576: uint64(size), 584: uint64(mib), 592: uint64(0), 600: uint64(0), 608: uint64(0),
		616: uint64(area), 624: uint64(areaSize), 632: uint64(0),
		area + 4: " LVM2 x[5A%r0N*>", area + 20: uint32(1), area + 24: uint64(area), area + 32: uint64(areaSize),
		area + 40: uint64(512), area + 48: uint64(len(text)), area + 512: text,
	})
	const initial = 0xf597a6cf // lvm2, lib/misc/crc.h
	place(disk, map[int]any{528: ^crc32.Update(^uint32(initial), crc32.IEEETable, disk[532:1024])})
	place(disk, map[int]any{area: ^crc32.Update(^uint32(initial), crc32.IEEETable, disk[area+4:area+512])})
}

// Members that only a kernel with their drivers can make are laid by hand, and read by the real tools.
func TestMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lay     func(disk []byte, count uint64)
		kind    string
		inside  int64 // where a range begins that holds more; 0 for none
		confirm func(t *testing.T, path string) string
	}{
		"md 1.0":  {func(d []byte, n uint64) { md1(d, size-8192, n) }, "linux_raid_member", 4096 * 512, blkid},
		"md 1.1":  {func(d []byte, n uint64) { md1(d, 0, n) }, "linux_raid_member", 4096 * 512, blkid},
		"md 1.2":  {func(d []byte, n uint64) { md1(d, 4096, n) }, "linux_raid_member", 4096 * 512, blkid},
		"md 0.90": {md090, "linux_raid_member", 0, mdadm},
		"ZFS":     {func(d []byte, n uint64) { zfs(d, 100+n) }, "zfs_member", 0, blkidType},
		"LVM":     {func(d []byte, n uint64) { lvm(d, string(rune('1'+n))) }, "LVM2_member", mib + 10*64<<10, blkid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			find := func(count uint64) superblocks.Superblock {
				disk := make([]byte, size)
				c.lay(disk, count)
				found, err := superblocks.FindAll(bytes.NewReader(disk), 0, size)
				if err != nil || len(found) != 1 {
					t.Fatalf("FindAll = %+v, %v, want one", found, err)
				}
				return found[0]
			}
			disk := make([]byte, size)
			c.lay(disk, 1)
			path := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			got := find(1)
			if said := got.Type + " " + got.UUID; said != c.confirm(t, path) {
				t.Errorf("FindAll = %s, the tool says %s", said, c.confirm(t, path))
			}
			if (c.inside != 0) != (len(got.Inside) == 1) || c.inside != 0 && got.Inside[0].From != c.inside {
				t.Errorf("Inside = %+v, want %d", got.Inside, c.inside)
			}
			if got.Counter != find(1).Counter || got.Counter == find(2).Counter {
				t.Errorf("Counter = %q, and %q after a write, want them to differ", got.Counter, find(2).Counter)
			}
		})
	}
}

func blkid(t *testing.T, path string) string {
	t.Helper()
	return tool(t, "blkid", "-p", "-o", "value", "-s", "TYPE", path) + " " + tool(t, "blkid", "-p", "-o", "value", "-s", "UUID", path)
}

// mdadm gives type and UUID as mdadm reads an array of version 0.90, whose UUID it writes in words.
func mdadm(t *testing.T, path string) string {
	t.Helper()
	if out := tool(t, "mdadm", "--examine", path); !strings.Contains(out, "UUID : 30646975:31646975:32646975:33646975") || !strings.Contains(out, "Events : 1\n") {
		t.Errorf("mdadm says %s", out)
	}
	return "linux_raid_member 75696430-7569-6431-7569-643275696433"
}

// blkidType gives the type by blkid, and the GUID that was laid.
func blkidType(t *testing.T, path string) string {
	t.Helper()
	return tool(t, "blkid", "-p", "-o", "value", "-s", "TYPE", path) + " 81985529216486895"
}

// mdadm reads what was laid by hand, too: set and events.
func TestMdadmReadsOurArray(t *testing.T) {
	t.Parallel()
	disk := make([]byte, size)
	md1(disk, 4096, 42)
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	out := tool(t, "mdadm", "--examine", path)
	found, err := superblocks.FindAll(bytes.NewReader(disk), 0, size)
	if err != nil || len(found) != 1 || !strings.Contains(out, "Events : 42") || !strings.HasPrefix(found[0].Counter, "events 42 ") {
		t.Errorf("FindAll = %+v, %v, mdadm says %s", found, err, out)
	}
}

func TestUnreadableIsAnError(t *testing.T) {
	t.Parallel()
	if found, err := superblocks.FindAll(bytes.NewReader(make([]byte, mib)), 0, 2*mib); err == nil {
		t.Errorf("FindAll(a disk that ends early) = %+v, want an error", found)
	}
}

// FuzzFindAll reads any bytes where each of the readers looks.
func FuzzFindAll(f *testing.F) {
	seed := make([]byte, size)
	lvm(seed, "1")
	f.Add(seed[512:8192], uint32(512))
	md1(seed, 4096, 1)
	f.Add(seed[4096:8192], uint32(4096))
	zfs(seed, 7)
	f.Add(seed[16<<10:20<<10], uint32(16<<10))
	f.Add([]byte("LUKS\xba\xbe\x00\x02\x00\x00\x00\x00\x00\x00\x40\x00"), uint32(0))
	f.Add([]byte("\xeb\x52\x90NTFS    \x00\x02\x08"), uint32(0))
	f.Add([]byte("XFSB"), uint32(0))
	f.Add([]byte("_BHRfS_M"), uint32(64<<10+0x40))
	f.Add([]byte("\x53\xef"), uint32(1024+0x38))
	f.Add([]byte("SWAPSPACE2"), uint32(4086))
	f.Fuzz(func(t *testing.T, data []byte, at uint32) {
		disk := make([]byte, 4*mib)
		copy(disk[at%(4*mib):], data)
		copy(disk[4*mib-min(len(data), 64<<10):], data)
		found, err := superblocks.FindAll(bytes.NewReader(disk), 0, int64(len(disk)))
		if err != nil {
			t.Fatalf("FindAll = %v, want an answer to any bytes", err)
		}
		for _, s := range found {
			for _, e := range append(append([]superblocks.Extent{{From: s.At, Size: 1}}, s.Covers...), s.Inside...) {
				if e.From < 0 || e.Size <= 0 || e.From+e.Size > int64(len(disk)) {
					t.Fatalf("%+v leaves the disk: %+v", s, e)
				}
			}
		}
	})
}
