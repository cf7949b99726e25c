package inventory_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
)

// Fleets hold such strings: this output never changes.
func ExampleEraseConsent() {
	disk := inventory.DiskID{WWN: "0x5000C500A1B2C3D4", Serial: "S1", Size: 480_000_000_000}
	fmt.Println(inventory.EraseConsent("web-03", disk, inventory.ContentUnseen, "0123456789abcdef"))
	fmt.Println(inventory.EraseConsent("web-03", disk, "install:8b1f", "0123456789abcdef"))
	// Output:
	// 5000c500a1b2c3d4/647e3e77bb36e111
	// 5000c500a1b2c3d4/b4b7f3e4daa033ad
}

// A consent is for one host, one disk, one content and one target: changing any of them, also by moving characters
// between them, changes it.
func TestConsentNamesOneOperation(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "ab", "ba", "aa", "a/b", "\x00", "a\x00"})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) [4]string {
			return [4]string{text.Draw(t, name+" host"), text.Draw(t, name+" disk"), text.Draw(t, name+" content"), text.Draw(t, name+" target")}
		}
		a, b := draw("a"), draw("b")
		consent := func(f [4]string) string {
			return inventory.EraseConsent(inventory.MachineID(f[0]), inventory.DiskID{Serial: f[1]}, f[2], f[3])
		}
		labels := inventory.DiskID{Serial: a[1]}.Label() == inventory.DiskID{Serial: b[1]}.Label()
		same := a[0] == b[0] && labels && a[2] == b[2] && a[3] == b[3]
		if (consent(a) == consent(b)) != same {
			t.Fatalf("consent(%q) = %s, consent(%q) = %s", a, consent(a), b, consent(b))
		}
	})
}

func TestContentOf(t *testing.T) {
	t.Parallel()
	disk, other := inventory.DiskID{Serial: "S1"}, inventory.DiskID{Serial: "S2"}
	const mark = "0a1b2c3d-0000-8000-8000-000000000001"
	ours := &inventory.Installed{ID: "i1", Disk: disk, Mark: mark, Looked: 3}
	unmarked := &inventory.Installed{ID: "i1", Disk: disk}
	something := inventory.Content{Signature: "9f3a"}
	// seen is a look of an epoch that finds a partition table.
	seen := func(content inventory.Content, table *inventory.Table) *inventory.Disk {
		return &inventory.Disk{Serial: "S1", Content: content, Table: table}
	}
	gpt := func(guid string) *inventory.Table {
		return &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: guid, Partitions: []inventory.Partition{{Number: 1}}}
	}
	failed := &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Quarantined, Looked: 3,
		Disks: []inventory.OperationDisk{{Begun: 1, Disk: disk, Mark: mark}}}
	none := &inventory.Table{Kind: inventory.TableNone, Valid: true, Alone: true}
	at := func(epoch inventory.Epoch) *inventory.Facts { return &inventory.Facts{Epoch: epoch} }
	for _, test := range []struct {
		name   string
		record inventory.Record
		seen   *inventory.Disk
		want   string
	}{
		{"nobody looked", inventory.Record{}, nil, "unseen"},
		{"blank", inventory.Record{}, seen(inventory.Content{Blank: true}, nil), "blank"},
		{"something", inventory.Record{}, seen(something, nil), "content:9f3a"},
		{"unreadable is not blank", inventory.Record{}, seen(inventory.Content{Unreadable: "I/O error"}, nil), ""},
		{"our install, seen before it was written", inventory.Record{Installed: ours, Facts: at(3)}, seen(something, gpt("another")), "install:i1"},
		{"our install, not looked at", inventory.Record{Installed: ours}, nil, "install:i1"},
		{"our install, found", inventory.Record{Installed: ours, Facts: at(4)}, seen(something, gpt(mark)), "install:i1"},
		{"another system over ours", inventory.Record{Installed: ours, Facts: at(4)}, seen(something, gpt("another")), "content:9f3a"},
		{"wiped over ours", inventory.Record{Installed: ours, Facts: at(4)}, seen(inventory.Content{Blank: true}, none), "blank"},
		{"our install, unreadable", inventory.Record{Installed: ours, Facts: at(4)}, seen(inventory.Content{Unreadable: "I/O error"}, none), ""},
		{"an install without a mark", inventory.Record{Installed: unmarked, Facts: at(4)}, seen(something, gpt(mark)), "unmarked:i1"},
		{"an install without a mark, not looked at", inventory.Record{Installed: unmarked}, nil, "unmarked:i1"},
		{"our install on another disk", inventory.Record{Installed: &inventory.Installed{ID: "i1", Disk: other, Mark: mark}}, seen(something, nil), "content:9f3a"},
		{"a failed install that came to no write", inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Quarantined, Disks: []inventory.OperationDisk{{Disk: disk}}}}, seen(something, nil), "content:9f3a"},
		{"what a failed install left, not looked at since", inventory.Record{Last: failed, Facts: at(3)}, seen(something, gpt("another")), "failed:o1"},
		{"what a failed install left", inventory.Record{Last: failed, Facts: at(4)}, seen(inventory.Content{Blank: true}, none), "failed:o1"},
		{"what a failed install wrote whole", inventory.Record{Last: failed, Facts: at(4)}, seen(something, gpt(mark)), "failed:o1"},
		{"another system over a failed install", inventory.Record{Last: failed, Facts: at(4)}, seen(something, gpt("another")), "content:9f3a"},
		{"a superseded operation left nothing", inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Superseded, Disks: []inventory.OperationDisk{{Disk: disk}}}}, seen(something, nil), "content:9f3a"},
	} {
		var there *inventory.MachineDisk
		if test.seen != nil {
			there = &inventory.IdentifyDisks([]inventory.Disk{*test.seen})[0]
		}
		if got := inventory.ContentOf(test.record, disk, there); got != test.want {
			t.Errorf("%s: ContentOf = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestContentOfOther(t *testing.T) {
	t.Parallel()
	disk, other := inventory.DiskID{Serial: "S2"}, inventory.DiskID{Serial: "S3"}
	something, none := inventory.Content{Signature: "9f3a"}, &inventory.Table{Kind: inventory.TableNone, Valid: true}
	at := func(epoch inventory.Epoch) *inventory.Facts { return &inventory.Facts{Epoch: epoch} }
	wrote := &inventory.Installed{ID: "i1", Disk: inventory.DiskID{Serial: "S1"}, Others: []inventory.DiskID{disk}, Looked: 3}
	failed := &inventory.Operation{ID: "o1", Outcome: inventory.Quarantined, Looked: 3, Disks: []inventory.OperationDisk{{Disk: other}, {Disk: disk, Begun: 1}}}
	for _, test := range []struct {
		name    string
		record  inventory.Record
		content inventory.Content
		want    string
	}{
		{"blank", inventory.Record{Facts: at(3)}, inventory.Content{Blank: true}, "blank"},
		{"something", inventory.Record{Facts: at(3)}, something, "content:9f3a"},
		{"unreadable", inventory.Record{Facts: at(3)}, inventory.Content{Unreadable: "I/O error"}, ""},
		{"not looked at", inventory.Record{Facts: at(3)}, inventory.Content{}, ""},
		{"written to by an install, seen before", inventory.Record{Facts: at(3), Installed: wrote}, inventory.Content{Blank: true}, "unmarked:i1"},
		{"written to by an install, seen since", inventory.Record{Facts: at(4), Installed: wrote}, something, "content:9f3a"},
		{"the root disk of the install", inventory.Record{Facts: at(3), Installed: &inventory.Installed{ID: "i1", Disk: disk, Looked: 3}}, inventory.Content{Blank: true}, "unmarked:i1"},
		{"another disk's install", inventory.Record{Facts: at(3), Installed: &inventory.Installed{ID: "i1", Disk: other, Looked: 3}}, something, "content:9f3a"},
		{"begun by a failed install, seen before", inventory.Record{Facts: at(3), Last: failed}, inventory.Content{Blank: true}, "unseen"},
		{"begun by a failed install, seen since", inventory.Record{Facts: at(4), Last: failed}, something, "content:9f3a"},
	} {
		seen := inventory.IdentifyDisks([]inventory.Disk{{Serial: "S2", Content: test.content, Table: none}})[0]
		if got := inventory.ContentOfOther(test.record, disk, seen); got != test.want {
			t.Errorf("%s: ContentOfOther = %q, want %q", test.name, got, test.want)
		}
	}
}
