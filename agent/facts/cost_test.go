package facts_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

// drive is what a kind of disk needs for a byte and for a read, at the number of reads under way that a look has. The
// sources are in docs/safety.md.
type drive struct {
	name    string
	perByte time.Duration // for 1 MB
	perRead time.Duration // with 16 reads under way, in ascending order
}

var drives = []drive{
	{"hard disk, 7,200 rpm", 4 * time.Millisecond, 2 * time.Millisecond},
	{"SATA SSD", 2 * time.Millisecond, 40 * time.Microsecond},
	{"NVMe SSD", 330 * time.Microsecond, 10 * time.Microsecond},
}

// costs are the figures of docs/safety.md, as a table.
func costs(t *testing.T) string {
	t.Helper()
	const size = 16e12
	var out bytes.Buffer
	fmt.Fprintln(&out, "| 16 TB disk | reads | MB |", drives[0].name, "|", drives[1].name, "|", drives[2].name, "|")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|")
	for _, c := range []struct {
		name  string
		parts int
	}{{"blank", 0}, {"4 partitions", 4}, {"16 partitions", 16}} {
		d := disk(size, map[int64]byte{})
		if c.parts > 0 {
			layTable(d, c.parts)
		}
		got := facts.InspectBytes(wire.Disk{Size: size, SectorSize: 512}, d)
		if got.Content.Blank != (c.parts == 0) || len(got.Table.Partitions) != c.parts {
			t.Fatalf("InspectBytes(%s) = %+v, want %d partitions", c.name, got, c.parts)
		}
		fmt.Fprintf(&out, "| %s | %d | %d |", c.name, d.reads.Load(), d.bytes.Load()/1e6)
		for _, kind := range drives {
			took := time.Duration(d.bytes.Load())*kind.perByte/1e6 + time.Duration(d.reads.Load())*kind.perRead
			if took > 10*time.Second {
				t.Errorf("a look at a %s (%s) takes %s by its bytes and reads, want at most 10 s", kind.name, c.name, took)
			}
			fmt.Fprintf(&out, " %.1f s |", took.Seconds())
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

// Disks are read at the same time, so that the slowest one is what 24 of them take.
func TestALookIsBounded(t *testing.T) {
	t.Parallel()
	table := costs(t)
	page, err := os.ReadFile("../../docs/safety.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table) {
		t.Errorf("docs/safety.md does not have the figures of today:\n%s", table)
	}
}

// layTable writes a GPT with equal partitions to a sparse disk.
func layTable(d *sparse, count int) {
	for at, b := range gptBytes(d.size, 512, count) {
		d.data[at] = b
	}
	step := d.size / int64(count+1) &^ (mib - 1)
	for i := range count {
		var magic [2]byte
		binary.LittleEndian.PutUint16(magic[:], 0xef53)
		at := mib + int64(i)*step + 1024 + 0x38
		d.data[at], d.data[at+1] = magic[0], magic[1]
	}
}
