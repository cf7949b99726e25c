package partitions_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/siderolabs/go-blockdevice/v2/partitioning/gpt"

	"github.com/gitmetal/ingot/agent/facts/partitions"
	"github.com/gitmetal/ingot/agent/wire"
)

const (
	mib  = 1 << 20
	mark = "0a1b2c3d-4e5f-8677-8899-aabbccddeeff"
)

// sgdisk runs gdisk's tool on a file; it reads files with sectors of 512 bytes.
func sgdisk(t *testing.T, arguments ...string) string {
	t.Helper()
	path, err := exec.LookPath("sgdisk")
	if err != nil {
		path = "/usr/sbin/sgdisk"
	}
	out, err := exec.CommandContext(t.Context(), path, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("sgdisk %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// image is a file with a GPT with two partitions, made by gdisk (512) or by go-blockdevice (4096). The disk is larger than
// the image, as after an install.
func image(t *testing.T, sector int) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 16*mib); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if sector == 512 {
		sgdisk(t, "--disk-guid=00000000-0000-4000-a000-000000000001", "--new=1:2048:+2M", "--change-name=1:boot", "--new=2:0:+4M", path)
	} else {
		device, err := gpt.DeviceFromFile(file, gpt.WithFileSectorSize(uint(sector)))
		if err != nil {
			t.Fatal(err)
		}
		table, err := gpt.New(device)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"boot", "root"} {
			if _, _, err := table.AllocatePartition(2*mib, name, [16]byte{0x0f, 0xc6, 0x3d, 0xaf}); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.Write(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(path, 64*mib); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file *os.File, sector int) wire.Table {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := partitions.ReadTable(file, info.Size(), sector)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSetGUID(t *testing.T) {
	t.Parallel()
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			t.Parallel()
			file := image(t, sector)
			before := read(t, file, sector)
			if before.Kind != wire.TableGPT || !before.Valid || len(before.Partitions) != 2 || before.Partitions[0].Label != "boot" {
				t.Fatalf("ReadTable = %+v, want two partitions", before)
			}
			for range 2 { // SetGUID may be repeated
				got, err := partitions.SetGUID(file, 64*mib, sector, mark)
				if err != nil || got.GUID != mark || !got.Valid || !slices.Equal(got.Partitions, before.Partitions) {
					t.Fatalf("SetGUID = %+v, %v, want GUID %s, and the partitions %+v", got, err, mark, before.Partitions)
				}
			}
			if sector == 512 {
				out := sgdisk(t, "--verify", "--print", file.Name())
				if !strings.Contains(out, "No problems found") || !strings.Contains(out, strings.ToUpper(mark)) {
					t.Errorf("sgdisk says %s", out)
				}
			}
			// the backup alone, at the end of the disk, has the same
			if _, err := file.WriteAt(make([]byte, mib), 0); err != nil {
				t.Fatal(err)
			}
			backup := read(t, file, sector)
			if backup.Valid || backup.GUID != mark || !slices.Equal(backup.Partitions, before.Partitions) || !backup.Alone {
				t.Errorf("ReadTable(primary wiped) = %+v, want the backup with GUID %s, not valid", backup, mark)
			}
			if _, err := partitions.SetGUID(file, 64*mib, sector, mark); !errors.Is(err, partitions.ErrNoGPT) {
				t.Errorf("SetGUID(primary wiped) = %v, want ErrNoGPT", err)
			}
		})
	}
}

// dying is a disk whose writes end after a number, as when the power goes.
type dying struct {
	*os.File
	left int
}

func (d *dying) WriteAt(p []byte, at int64) (int, error) {
	if d.left--; d.left < 0 {
		return 0, errors.New("the power went")
	}
	return d.File.WriteAt(p, at)
}

// One of the two copies is intact whenever the power goes, and the other one says which GUID is meant.
func TestSetGUIDDies(t *testing.T) {
	t.Parallel()
	for writes := range 3 {
		file := image(t, 512)
		before := read(t, file, 512)
		if _, err := partitions.SetGUID(&dying{file, writes}, 64*mib, 512, mark); err == nil {
			t.Fatalf("SetGUID(power gone after %d writes) = nil, want an error", writes)
		}
		got := read(t, file, 512)
		if !got.Valid || got.GUID != before.GUID || !slices.Equal(got.Partitions, before.Partitions) {
			t.Errorf("the table after %d writes = %+v, want the earlier one", writes, got)
		}
	}
}

// TestReadsBothSectorSizes reads a GPT of gdisk and one of go-blockdevice, and the backup alone where it is known.
func TestReadsBothSectorSizes(t *testing.T) {
	t.Parallel()
	for _, sector := range []int{512, 4096} {
		got := read(t, image(t, sector), sector)
		if got.Kind != wire.TableGPT || !got.Valid || got.Sector != sector || len(got.Partitions) != 2 ||
			got.Partitions[0].Label != "boot" || got.Partitions[0].First == 0 || got.Partitions[1].First <= got.Partitions[0].Last {
			t.Errorf("ReadTable(sectors of %d) = %+v, want boot and another partition behind it", sector, got)
		}
	}
}

func TestReadTable(t *testing.T) {
	t.Parallel()
	write := func(at int64, data ...byte) func(*testing.T, *os.File) {
		return func(t *testing.T, file *os.File) {
			t.Helper()
			if _, err := file.WriteAt(data, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	const size = 64 * mib
	all := func(steps ...func(*testing.T, *os.File)) func(*testing.T, *os.File) {
		return func(t *testing.T, file *os.File) {
			for _, step := range steps {
				step(t, file)
			}
		}
	}
	filled := func(t *testing.T, file *os.File) { // the backup is at the end of the disk
		t.Helper()
		sgdisk(t, "--move-second-header", file.Name())
	}
	for name, c := range map[string]struct {
		sector int // of the disk
		change func(*testing.T, *os.File)
		kind   string
		valid  bool
		parts  int
		alone  bool
	}{
		"intact":                     {512, filled, "gpt", true, 2, true},
		"of unknown sectors":         {0, filled, "gpt", true, 2, true},
		"a GPT of 512 on a 4Kn disk": {4096, filled, "gpt", false, 2, false},
		"a damaged primary header":   {512, all(filled, write(512+60, 0xff)), "gpt", false, 2, false},
		"a damaged primary array":    {512, all(filled, write(1024+60, 0xff)), "gpt", false, 2, false},
		"md 1.2 over the array":      {512, all(filled, write(4096, 0xfc, 0x4e, 0x2b, 0xa9)), "gpt", false, 2, false},
		"a damaged backup":           {512, all(filled, write(size-512+60, 0xff)), "gpt", true, 2, true},
		"both headers damaged":       {512, all(filled, write(512+60, 0xff), write(size-512+60, 0xff)), "gpt", false, 0, false},
		"no protective MBR":          {512, all(filled, write(510, 0, 0)), "gpt", false, 2, false},
		"boot code":                  {512, all(filled, write(0, 0xeb)), "gpt", true, 2, false},
		"data behind the table":      {512, all(filled, write(20<<10, 1)), "gpt", true, 2, false},
		"an empty table":             {512, func(t *testing.T, file *os.File) { sgdisk(t, "--clear", file.Name()) }, "gpt", true, 0, true},
		"zapped":                     {512, func(t *testing.T, file *os.File) { sgdisk(t, "--zap-all", file.Name()) }, "none", true, 0, true},
		"an MBR":                     {512, func(t *testing.T, file *os.File) { sgdisk(t, "--zap-all", file.Name()); mbr(t, file) }, "mbr", true, 4, true},
		"the boot sector of a vfat":  {512, func(t *testing.T, file *os.File) { sgdisk(t, "--zap-all", file.Name()); bootSector(t, file) }, "none", true, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := image(t, 512)
			c.change(t, file)
			got := read(t, file, c.sector)
			if got.Kind != c.kind || got.Valid != c.valid || len(got.Partitions) != c.parts || got.Alone != c.alone {
				t.Errorf("ReadTable = %+v, want %s, valid %t, %d partitions, alone %t", got, c.kind, c.valid, c.parts, c.alone)
			}
		})
	}
}

// mbr writes an MBR with a primary partition, and an extended one with two logical ones.
func mbr(t *testing.T, file *os.File) {
	t.Helper()
	entry := func(kind byte, first, count uint32) []byte {
		return []byte{0, 0, 0, 0, kind, 0, 0, 0, byte(first), byte(first >> 8), byte(first >> 16), 0, byte(count), byte(count >> 8), byte(count >> 16), 0}
	}
	sector := func(entries ...[]byte) []byte {
		data := make([]byte, 512)
		copy(data[446:], slices.Concat(entries...))
		data[510], data[511] = 0x55, 0xaa
		return data
	}
	const base = 8192
	for at, data := range map[int64][]byte{
		0:                    sector(entry(0x83, 2048, 4096), entry(0x05, base, 65536)),
		base * 512:           sector(entry(0x83, 2048, 4096), entry(0x05, 16384, 8192)),
		(base + 16384) * 512: sector(entry(0x82, 2048, 4096)),
	} {
		if _, err := file.WriteAt(data, at); err != nil {
			t.Fatal(err)
		}
	}
}

func bootSector(t *testing.T, file *os.File) {
	t.Helper()
	data := make([]byte, 512)
	copy(data, "\xeb\x58\x90mkfs.fat")
	copy(data[0x52:], "FAT32")
	data[510], data[511] = 0x55, 0xaa
	if _, err := file.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
}

func TestSetGUIDRefuses(t *testing.T) {
	t.Parallel()
	file := image(t, 512)
	for _, guid := range []string{"", "x", strings.ToUpper(mark), mark[:35], mark + "0"} {
		if _, err := partitions.SetGUID(file, 64*mib, 512, guid); err == nil || errors.Is(err, partitions.ErrNoGPT) {
			t.Errorf("SetGUID(%q) = %v, want a refusal", guid, err)
		}
	}
	// a disk on which a partition ends where the backup belongs
	sgdisk(t, "--new=3:0:0", file.Name())
	if _, err := partitions.SetGUID(file, 7*mib, 512, mark); err == nil {
		t.Error("SetGUID(a disk smaller than its partitions) = nil, want an error")
	}
}

// memory is a disk of bytes.
type memory []byte

func (m memory) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at > int64(len(m)) {
		return 0, errors.New("beyond the end")
	}
	n := copy(p, m[at:])
	if n < len(p) {
		return n, errors.New("beyond the end")
	}
	return n, nil
}

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }
func (m memory) Sync() error                             { return nil }

// FuzzReadTable reads any bytes at the head of a disk, at its end, and as the first EBR.
func FuzzReadTable(f *testing.F) {
	f.Add([]byte("EFI PART\x00\x00\x01\x00\x5c"), uint16(512), uint8(1))
	f.Add(append(make([]byte, 446), "\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x10\x00\x00\x00"...), uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, which uint8) {
		disk := make(memory, 2*mib)
		disk[510], disk[511] = 0x55, 0xaa
		disk[450] = []byte{0xee, 0x05, 0x83, 0}[which%4]
		disk[454], disk[458] = 2, 16
		if which&4 != 0 {
			copy(disk[int(at)+mib:], data)
		} else {
			copy(disk[at:], data)
		}
		copy(disk[len(disk)-min(len(data), 512):], data)
		table, err := partitions.ReadTable(disk, int64(len(disk)), []int{0, 512, 4096}[which%3])
		if err != nil {
			t.Fatalf("ReadTable = %v, want a table of any bytes", err)
		}
		if _, err := partitions.SetGUID(disk, int64(len(disk)), 0, mark); err == nil && !table.Valid && which%3 == 0 {
			t.Fatalf("SetGUID changed %+v", table)
		}
	})
}

// A partition with data goes to the end of the disk, is seen by sgdisk, and the mark can be set behind it.
func TestAddAtEnd(t *testing.T) {
	t.Parallel()
	for _, sector := range []int{512, 4096} {
		file := image(t, sector)
		before := read(t, file, sector)
		add := partitions.Addition{Name: "cidata", Bytes: 8 * mib, Data: []byte("the drive")}
		after, err := partitions.AddAtEnd(file, 64*mib, sector, add)
		if err != nil || !after.Valid || len(after.Partitions) != 3 || after.GUID != before.GUID || !slices.Equal(after.Partitions[:2], before.Partitions) {
			t.Fatalf("AddAtEnd(sectors of %d) = %+v, %v", sector, after, err)
		}
		added, data := after.Partitions[2], make([]byte, len(add.Data))
		_, err = file.ReadAt(data, int64(added.First)*int64(sector))
		if err != nil || string(data) != "the drive" || added.Label != "cidata" || int64(added.Last-added.First+1)*int64(sector) != 8*mib ||
			added.First%uint64(mib/sector) != 0 || added.Last < uint64(62*mib/sector) {
			t.Errorf("partition %+v holds %q: %v", added, data, err)
		}
		if sector == 512 {
			if out := sgdisk(t, "--verify", "--print", file.Name()); !strings.Contains(out, "No problems found") || !strings.Contains(out, "cidata") {
				t.Errorf("sgdisk says %s", out)
			}
		}
		if marked, err := partitions.SetGUID(file, 64*mib, sector, mark); err != nil || !slices.Equal(marked.Partitions, after.Partitions) {
			t.Errorf("the mark behind: %+v, %v", marked, err)
		}
		add.Bytes = 62 * mib
		if _, err := partitions.AddAtEnd(file, 64*mib, sector, add); err == nil || !strings.Contains(err.Error(), "not free for cidata") {
			t.Errorf("a partition without room: %v", err)
		}
	}
}

// One of the two copies is intact whenever the power goes while a partition is added.
func TestAddAtEndDies(t *testing.T) {
	t.Parallel()
	for writes := range 5 {
		file := image(t, 512)
		before := read(t, file, 512)
		add := partitions.Addition{Name: "cidata", Bytes: 8 * mib, Data: []byte("the drive")}
		if _, err := partitions.AddAtEnd(&dying{file, writes}, 64*mib, 512, add); err == nil {
			t.Fatalf("AddAtEnd(power gone after %d writes) = nil, want an error", writes)
		}
		got := read(t, file, 512)
		if intact := got.Valid && slices.Equal(got.Partitions, before.Partitions); !intact && (writes < 4 || got.Valid || len(got.Partitions) != 3) {
			t.Errorf("after %d writes: %+v", writes, got)
		}
	}
}
