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
	ours := &inventory.Installed{ID: "i1", Disk: disk}
	for _, test := range []struct {
		name   string
		record inventory.Record
		seen   *inventory.Content
		want   string
	}{
		{"nobody looked", inventory.Record{}, nil, "unseen"},
		{"blank", inventory.Record{}, &inventory.Content{Blank: true}, "blank"},
		{"something", inventory.Record{}, &inventory.Content{Signature: "9f3a"}, "content:9f3a"},
		{"unreadable is not blank", inventory.Record{}, &inventory.Content{Unreadable: "I/O error"}, ""},
		{"our install", inventory.Record{Installed: ours}, &inventory.Content{Signature: "9f3a"}, "install:i1"},
		{"our install, not looked at", inventory.Record{Installed: ours}, nil, "install:i1"},
		{"our install on another disk", inventory.Record{Installed: &inventory.Installed{ID: "i1", Disk: other}}, &inventory.Content{Signature: "9f3a"}, "content:9f3a"},
		{"a failed install that came to no write", inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Quarantined, Disks: []inventory.OperationDisk{{Disk: disk}}}}, &inventory.Content{Signature: "9f3a"}, "content:9f3a"},
		{"what a failed install left", inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Quarantined, Disks: []inventory.OperationDisk{{Begun: 1, Disk: disk}}}}, &inventory.Content{Signature: "9f3a"}, "failed:o1"},
		{"a superseded operation left nothing", inventory.Record{Last: &inventory.Operation{ID: "o1", Kind: inventory.Install, Outcome: inventory.Superseded, Disks: []inventory.OperationDisk{{Disk: disk}}}}, &inventory.Content{Signature: "9f3a"}, "content:9f3a"},
	} {
		if got := inventory.ContentOf(test.record, disk, test.seen); got != test.want {
			t.Errorf("%s: ContentOf = %q, want %q", test.name, got, test.want)
		}
	}
}
