package facts_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siderolabs/go-blockdevice/v2/partitioning/gpt"

	"github.com/gitmetal/ingot/agent/facts"
)

const mib = 1 << 20

// sparse is a disk of which only some bytes are not zero. It counts what is read of it.
type sparse struct {
	size  int64
	data  map[int64]byte
	bad   int64 // reads that touch this byte fail; -1 for none
	bytes atomic.Int64
	reads atomic.Int64
}

func (s *sparse) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > s.size {
		return 0, io.EOF
	}
	if s.bad >= offset && s.bad < offset+int64(len(p)) {
		return 0, errors.New("medium error")
	}
	clear(p)
	for at, b := range s.data {
		if at >= offset && at < offset+int64(len(p)) {
			p[at-offset] = b
		}
	}
	s.bytes.Add(int64(len(p)))
	s.reads.Add(1)
	return len(p), nil
}

func disk(size int64, data map[int64]byte) *sparse { return &sparse{size: size, data: data, bad: -1} }

func TestLook(t *testing.T) {
	t.Parallel()
	const large = 100 << 30
	step := int64((large - 16*mib - 2048*mib) / 2048)
	cases := map[string]struct {
		size  int64
		at    int64
		blank bool
	}{
		"first byte":                    {large, 0, false},
		"last byte of the head":         {large, 16*mib - 1, false},
		"first byte of the tail":        {large, large - 16*mib, false},
		"last byte":                     {large, large - 1, false},
		"behind the head":               {large, 16 * mib, false},
		"first step's last byte":        {large, 17*mib + 4095, false},
		"behind a step's sample":        {large, 17*mib + 4096, true},
		"last step":                     {large, 2047 * mib, false},
		"first even sample":             {large, 2048 * mib, false},
		"second even sample":            {large, (2048*mib+step)&^4095 + 4095, false},
		"behind the second":             {large, (2048*mib+step)&^4095 + 4096, true},
		"last even sample":              {large, (2048*mib + 2047*step) &^ 4095, false},
		"small disk, anywhere":          {64 * mib, 33 * mib, false},
		"smaller than the head":         {mib + 512, mib + 511, false},
		"largest disk that is read all": {288 * mib, 150*mib + 7, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := facts.ReadContent(disk(c.size, nil), c.size); !got.Blank || got.Signature != "" || got.Unreadable != "" {
				t.Errorf("Look(zeros) = %+v, want blank", got)
			}
			got := facts.ReadContent(disk(c.size, map[int64]byte{c.at: 1}), c.size)
			if got.Blank != c.blank || strings.HasPrefix(got.Signature, "v2:") == c.blank || got.Unreadable != "" {
				t.Errorf("Look(byte %d set) = %+v, want blank %v", c.at, got, c.blank)
			}
		})
	}
}

// The signature is part of consents that people wrote into their fleets: one version may never change.
func TestLookSignatureIsAsDocumented(t *testing.T) {
	t.Parallel()
	d := disk(4*mib, map[int64]byte{510: 0x55, 511: 0xaa, 3*mib + 1: 7})
	hash := sha256.New()
	hash.Write([]byte("ingot content v2\n"))
	for _, offset := range []int64{0, 3 * mib} {
		part := make([]byte, mib)
		if _, err := d.ReadAt(part, offset); err != nil {
			t.Fatal(err)
		}
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(offset)))
		hash.Write(binary.BigEndian.AppendUint64(nil, mib))
		sum := sha256.Sum256(part)
		hash.Write(sum[:])
	}
	want := "v2:" + hex.EncodeToString(hash.Sum(nil))[:16]
	for range 2 {
		if got := facts.ReadContent(d, d.size); got.Signature != want {
			t.Errorf("Look = %+v, want signature %s", got, want)
		}
	}
	if golden := "v2:6f02bd3d928d42c7"; want != golden {
		t.Errorf("signature = %s, want %s as ever", want, golden)
	}
	d.data[3*mib+1] = 8
	if got := facts.ReadContent(d, d.size); got.Signature == want || got.Signature == "" {
		t.Errorf("Look after a change = %+v, want another signature", got)
	}
}

func TestLookUnreadableIsNotBlank(t *testing.T) {
	t.Parallel()
	d := disk(64*mib, nil)
	d.bad = 40 * mib
	if got := facts.ReadContent(d, d.size); got.Blank || got.Signature != "" || !strings.Contains(got.Unreadable, "medium error") {
		t.Errorf("Look(broken disk) = %+v, want unreadable", got)
	}
	short := disk(32*mib, nil)
	if got := facts.ReadContent(short, 64*mib); got.Blank || got.Unreadable == "" {
		t.Errorf("Look(a disk shorter than said) = %+v, want unreadable", got)
	}
}

func TestSummaryNamesPartitions(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"sys/block/sda/size": "16384", "dev/sda": strings.Repeat("\x00", 8*mib)})
	partition(t, filepath.Join(string(root), "dev/sda"), "EFI-SYSTEM", "bo\x1b[31mot", "root")
	disks, err := root.ListDisks(t.Context())
	if err != nil || len(disks) != 1 {
		t.Fatalf("Disks = %+v, %v, want one", disks, err)
	}
	if got, want := disks[0].Content.Summary, "gpt: EFI-SYSTEM, bo?[31mot, root"; got != want {
		t.Errorf("Summary = %q, want %q", got, want)
	}
}

// partition writes a GPT with partitions of 1 MiB.
func partition(t *testing.T, path string, names ...string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := gpt.DeviceFromFile(file, gpt.WithFileSectorSize(512))
	if err != nil {
		t.Fatal(err)
	}
	table, err := gpt.New(device)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, _, err := table.AllocatePartition(mib, name, [16]byte{0x0f, 0xc6, 0x3d, 0xaf}); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Write(); err != nil {
		t.Fatal(err)
	}
}
