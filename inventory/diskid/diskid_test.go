package diskid_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/diskid"
)

const byPath = "/dev/disk/by-path/"

func ExampleOwn() {
	disks := []diskid.Reported{
		{WWN: "0x5f8db4c142300888", Serial: "S1", Path: byPath + "pci-1", Size: 480},
		{WWN: "naa.5f8db4c142300888", Serial: "S2", Path: byPath + "pci-2", Size: 480},
		{WWN: "0x0000000000000000", Serial: "N/A", Path: byPath + "pci-3", Size: 480},
	}
	for _, disk := range diskid.Own(disks) {
		fmt.Println(disk.ID.Label(), disk.SameWWN)
	}
	// Output:
	// S1 2
	// S2 2
	// /dev/disk/by-path/pci-3+480 0
}

// One WWN has many spellings, and compares as one; labels keep the types that the kernel reports.
func TestSpellingsOfAWWN(t *testing.T) {
	t.Parallel()
	for _, wwn := range []string{"5000c500a1b2c3d4", "0x5000C500A1B2C3D4", "0X5000c500a1b2c3d4", " naa.5000c500a1b2c3d4 ", "NAA.5000C500A1B2C3D4", "wwn-0x5000c500a1b2c3d4", "50:00:c5:00:a1:b2:c3:d4", "50-00-c5-00-a1-b2-c3-d4"} {
		if key := diskid.WWNKey(wwn); key != "5000c500a1b2c3d4" {
			t.Errorf("WWNKey(%q) = %s", wwn, key)
		}
	}
	for wwn, want := range map[string]string{"EUI.0025385B71B0A1C2": "eui.0025385b71b0a1c2", "wwn-0x5000C500A1B2C3D4": "5000c500a1b2c3d4", "naa.naa.0x5": "5", "wwn-eui.0025385b71b0a1c2": "eui.0025385b71b0a1c2"} {
		if got := diskid.NormalWWN(wwn); got != want {
			t.Errorf("NormalWWN(%q) = %q, want %q", wwn, got, want)
		}
	}
	if diskid.WWNKey("eui.0025385b71b0a1c2") != diskid.WWNKey("0x0025385B71B0A1C2") {
		t.Error("eui. and 0x are two WWNs")
	}
}

func TestPlaceholderSerials(t *testing.T) {
	t.Parallel()
	for _, serial := range []string{"", " ", "0", "000", "N/A", "n/a ", "To Be Filled By O.E.M.", "TO BE FILLED  BY O.E.M.", "to be filled by oem", "Default String", "Not Available", "(null)", "NULL", "11111111", "AAAAAAAA", "FFFF", "....", "Serial Number"} {
		if !diskid.IsPlaceholder(serial) {
			t.Errorf("IsPlaceholder(%q) = false", serial)
		}
	}
	for _, serial := range []string{"1", "11", "1111", "AAAAAAAB", "S4EVNX0", "0001"} {
		if diskid.IsPlaceholder(serial) {
			t.Errorf("IsPlaceholder(%q) = true", serial)
		}
	}
}

// A label belongs to one disk even where one disk's serial spells the label that another has by its path.
func TestALabelIsOneDisks(t *testing.T) {
	t.Parallel()
	own := diskid.Own([]diskid.Reported{{Path: byPath + "pci-1", Size: 480}, {Serial: byPath + "pci-1+480", Path: byPath + "pci-2", Size: 480}})
	if own[0].ID.Label() != "" || own[1].ID.Label() != "" {
		t.Errorf("labels %q and %q, want none", own[0].ID.Label(), own[1].ID.Label())
	}
}

// The paths of a disk: the reported one, the other spellings, and what others share.
func TestPaths(t *testing.T) {
	t.Parallel()
	own := diskid.Own([]diskid.Reported{
		{Path: byPath + "a", Links: []string{byPath + "a", byPath + "a.0", "/dev/disk/by-id/x"}, Size: 1},
		{Path: byPath + "m", Links: []string{byPath + "m", byPath + "m.00", byPath + "m.1"}, Size: 1},
		{Path: byPath + "m", Links: []string{byPath + "m", byPath + "m.2"}, Size: 1},
		{Path: byPath + "n", Size: 1}, {Path: byPath + "n", Size: 2},
	})
	type view struct {
		path        string
		own, shared []string
		same        int
	}
	want := []view{{byPath + "a", []string{"a", "a.0"}, nil, 1}, {byPath + "m.1", []string{"m.00", "m.1"}, []string{"m"}, 2}, {byPath + "m.2", []string{"m.2"}, []string{"m"}, 2}, {"", nil, []string{"n"}, 2}, {"", nil, []string{"n"}, 2}}
	for i, disk := range own {
		got := view{disk.ID.Path, disk.Paths, disk.SharedPaths, disk.SamePath}
		if diff := cmp.Diff(want[i], got, cmp.AllowUnexported(view{})); diff != "" {
			t.Errorf("disk %d (-want +got):\n%s", i, diff)
		}
	}
}

// Over any two disks: being one disk and having the other's label agree both ways, and keys find every same disk.
func TestIdentityIsMutual(t *testing.T) {
	t.Parallel()
	draw := rapid.Custom(func(t *rapid.T) diskid.ID {
		return diskid.ID{
			WWN:    rapid.SampledFrom([]string{"", "5000c500a1b2c3d4", "naa.5000C500A1B2C3D4", "eui.0025385b71b0a1c2", "0025385b71b0a1c2", "0x0000000000000000"}).Draw(t, "wwn"),
			Serial: rapid.SampledFrom([]string{"", "S1", "s1 ", "S2", "N/A"}).Draw(t, "serial"),
			Path:   rapid.SampledFrom([]string{"", byPath + "1", byPath + "2"}).Draw(t, "path"), Size: rapid.Uint64Range(0, 2).Draw(t, "size"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		same := a.IsSameDisk(b)
		if same != b.IsSameDisk(a) {
			t.Fatalf("%+v and %+v: same %t, the other way %t", a, b, same, !same)
		}
		if a.Label() != "" && a.Size != 0 && (!a.IsSameDisk(a) || !a.HasLabelOf(a)) {
			t.Fatalf("%+v is not itself", a)
		}
		common := false
		for _, key := range a.Keys() {
			for _, other := range b.Keys() {
				common = common || key == other
			}
		}
		if same && len(a.Keys()) > 0 && len(b.Keys()) > 0 && !common {
			t.Fatalf("%+v and %+v are one disk without a common key", a, b)
		}
		if a.WithoutPlaceholders().Label() != a.Label() {
			t.Fatalf("%+v: label %q, without placeholders %q", a, a.Label(), a.WithoutPlaceholders().Label())
		}
	})
}
