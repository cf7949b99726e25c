package discovery_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
)

func TestBoundKeepsPlainFacts(t *testing.T) {
	t.Parallel()
	facts := machine("SNA", uuidA, "04:32:01:aa:bb:01").Facts
	facts.At = start
	facts.Disks = []inventory.Disk{{Serial: "S1", Size: 1 << 40, Links: []string{"/dev/disk/by-id/x"}, Table: &inventory.Table{Kind: "gpt"}}}
	if diff := cmp.Diff(facts, discovery.Bound(facts)); diff != "" {
		t.Errorf("Bound() changed plain facts (-want +got):\n%s", diff)
	}
}

// TestBound: whatever a stranger sends, the facts fit, print, keep their names, and say what was left out.
func TestBound(t *testing.T) {
	t.Parallel()
	many := func(disks, partitions int) inventory.Facts {
		facts := machine("SNA", uuidA).Facts
		for i := range disks {
			disk := inventory.Disk{Serial: fmt.Sprint("S", i), Links: []string{strings.Repeat("l", 200)}, Table: &inventory.Table{}}
			for n := range partitions {
				disk.Table.Partitions = append(disk.Table.Partitions, inventory.Partition{Number: n, Label: "p"})
			}
			facts.Disks = append(facts.Disks, disk)
		}
		return facts
	}
	long := machine(strings.Repeat("é", 1<<20), uuidA).Facts
	hostile := machine("\x1b[2J\x00\u202eevil\n", uuidA).Facts
	wide := machine("SNA", uuidA).Facts
	for range 10_000 {
		wide.NICs = append(wide.NICs, inventory.NIC{Name: strings.Repeat("n", 300), MAC: "04:32:01:aa:bb:01"})
		wide.Errors = append(wide.Errors, strings.Repeat("e", 300))
	}
	addressed := machine("SNA", uuidA).Facts
	for range 4 {
		card := inventory.NIC{MAC: "04:32:01:aa:bb:01"}
		for range 64 {
			card.Addresses = append(card.Addresses, strings.Repeat("f", 256))
		}
		addressed.NICs = append(addressed.NICs, card)
	}
	for name, test := range map[string]struct {
		facts inventory.Facts
		says  string
	}{
		"many addresses":        {addressed, "addresses of cards left out"},
		"a long text":           {long, ""},
		"control characters":    {hostile, ""},
		"many partitions":       {many(4, 200), "were cut"},
		"many disks":            {many(60, 1), "links of disks left out"},
		"a thousand disks":      {many(1000, 64), "partitions left out"},
		"ten thousand NICs":     {wide, "left out"},
		"what is not JSON text": {machine("\xff\xfe", uuidA).Facts, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := discovery.Bound(test.facts)
			data, err := json.Marshal(got)
			if err != nil || len(data) > discovery.MaxFacts {
				t.Errorf("the facts have %d bytes, %v, want at most %d", len(data), err, discovery.MaxFacts)
			}
			if strings.ContainsAny(got.System.Serial, "\x1b\x00\n\u202e") {
				t.Errorf("the serial is %q", got.System.Serial)
			}
			if got.System.UUID != uuidA {
				t.Errorf("the UUID is %q", got.System.UUID)
			}
			if said := strings.Join(got.Errors, "\n"); !strings.Contains(said, test.says) {
				t.Errorf("the errors are %q, want %q", said, test.says)
			}
		})
	}
}
