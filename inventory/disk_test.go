package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

func ExamplePickDisk() {
	disks := []inventory.Disk{
		{Name: "sda", Serial: "S1", Size: 240_000_000_000},
		{Name: "sdb", Serial: "S2", Size: 480_000_000_000, WWN: "0x5000C500A1B2C3D4"},
		{Name: "sdc", Serial: "S3", Size: 480_000_000_000, Removable: true},
	}
	disk, err := inventory.PickDisk(&schemas.DiskHints{Size: "480GB"}, disks)
	fmt.Println(disk.ID().Label(), err)
	_, err = inventory.PickDisk(&schemas.DiskHints{MinSize: "1TB"}, disks)
	fmt.Println(err)
	// Output:
	// 5000c500a1b2c3d4 <nil>
	// no disk matches spec.rootDisk: sda S1 (minSize: want 1TB, have 240000000000 bytes (240 GB)); sdb 5000c500a1b2c3d4 (minSize: want 1TB, have 480000000000 bytes (480 GB)); sdc S3 (minSize: want 1TB, have 480000000000 bytes (480 GB))
}

func disk() inventory.Disk {
	return inventory.Disk{
		Name: "sda", Path: "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", Serial: "QM 00001 ", WWN: "0x5000C500A1B2C3D4", Model: "SAMSUNG MZ7L3480", Vendor: "ATA",
		Transport: "sata", Size: 480_103_981_056,
	}
}

func TestPickDiskHints(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		name  string
		hints schemas.DiskHints
		why   string // "" when the disk matches
	}{
		{"serial", schemas.DiskHints{Serial: "QM 00001"}, ""},
		{"serial of another case", schemas.DiskHints{Serial: "qm 00001"}, "serial: want qm 00001, have QM 00001"},
		{"part of a serial", schemas.DiskHints{Serial: "QM"}, "serial: want QM, have QM 00001"},
		{"wwn", schemas.DiskHints{WWN: "5000c500a1b2c3d4"}, ""},
		{"wwn with 0X", schemas.DiskHints{WWN: "0X5000c500A1B2c3d4"}, ""},
		{"another wwn", schemas.DiskHints{WWN: "0x5000c500a1b2c3d5"}, "wwn: want 5000c500a1b2c3d5, have 5000c500a1b2c3d4"},
		{"path", schemas.DiskHints{Path: "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"}, ""},
		{"last element of the path", schemas.DiskHints{Path: "pci-0000:00:1f.2-ata-1"}, ""},
		{"another path", schemas.DiskHints{Path: "pci-0000:00:1f.2-ata-2"}, "path: want pci-0000:00:1f.2-ata-2, have pci-0000:00:1f.2-ata-1"},
		{"part of a model", schemas.DiskHints{Model: "SAMSUNG"}, "model: want SAMSUNG, have SAMSUNG MZ7L3480"},
		{"vendor and transport", schemas.DiskHints{Vendor: "ATA", Transport: "sata"}, ""},
		{"transport", schemas.DiskHints{Transport: "nvme"}, "transport: want nvme, have sata"},
		{"rotational", schemas.DiskHints{Rotational: &yes}, "rotational: want true, have false"},
		{"not rotational", schemas.DiskHints{Rotational: &no}, ""},
		{"size", schemas.DiskHints{Size: "480103981056"}, ""},
		{"size, rounded", schemas.DiskHints{Size: "480GB"}, "size: want 480GB, have 480103981056 bytes (480 GB)"},
		{"between", schemas.DiskHints{MinSize: "480GB", MaxSize: "480103981056"}, ""},
		{"too small", schemas.DiskHints{MinSize: "448GiB"}, "minSize: want 448GiB, have 480103981056 bytes (480 GB)"},
		{"too large", schemas.DiskHints{MaxSize: "480GB"}, "maxSize: want 480GB, have 480103981056 bytes (480 GB)"},
		{"one of two", schemas.DiskHints{Serial: "QM 00001", Model: "X"}, "model: want X, have SAMSUNG MZ7L3480"},
		{"no size at all", schemas.DiskHints{Size: "much"}, `size: "much" is not a size`},
		{"nothing", schemas.DiskHints{}, "no hint is given"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := inventory.PickDisk(&test.hints, []inventory.Disk{disk()})
			if test.why == "" {
				if err != nil || got.Name != "sda" {
					t.Errorf("PickDisk = %q, %v, want sda", got.Name, err)
				}
				return
			}
			var failure inventory.DiskError
			if !errors.As(err, &failure) || len(failure.Misses) != 1 || failure.Misses[0].Why != test.why {
				t.Errorf("PickDisk = %q, %v, want %q", got.Name, err, test.why)
			}
		})
	}
}

// The hints may fit as well as they like: such a disk is never written.
func TestPickDiskUnfit(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*inventory.Disk){
		"it is removable":                           func(d *inventory.Disk) { d.Removable = true },
		"it is read-only":                           func(d *inventory.Disk) { d.ReadOnly = true },
		"it is in use by md0":                       func(d *inventory.Disk) { d.Holders = []string{"md0"} },
		"it reports no size":                        func(d *inventory.Disk) { d.Size = 0 },
		"it has neither serial, WWN nor path":       func(d *inventory.Disk) { d.Serial, d.WWN, d.Path = " ", "", "" },
		"model: want SAMSUNG MZ7L3480, have none":   func(d *inventory.Disk) { d.Model = "" },
		"model: want SAMSUNG MZ7L3480, have QEMU 1": func(d *inventory.Disk) { d.Model = "QEMU 1" },
	} {
		d := disk()
		spoil(&d)
		_, err := inventory.PickDisk(&schemas.DiskHints{Model: "SAMSUNG MZ7L3480"}, []inventory.Disk{d})
		var failure inventory.DiskError
		if !errors.As(err, &failure) || len(failure.Matches) > 0 || failure.Misses[0].Why != why {
			t.Errorf("PickDisk = %v, want %q", err, why)
		}
	}
}

func TestPickDiskErrors(t *testing.T) {
	t.Parallel()
	twin := disk()
	twin.Name, twin.Serial, twin.WWN = "sdb", "QM 00002", ""
	for _, test := range []struct {
		name  string
		hints *schemas.DiskHints
		disks []inventory.Disk
		want  string
	}{
		{"several", &schemas.DiskHints{Model: "SAMSUNG MZ7L3480"}, []inventory.Disk{disk(), twin}, "2 disks match spec.rootDisk: sda 5000c500a1b2c3d4, sdb QM 00002: name one by serial or wwn"},
		{"no disks", &schemas.DiskHints{Serial: "x"}, nil, "no disk matches spec.rootDisk: the machine reports no disks"},
		{"no hints", nil, []inventory.Disk{disk()}, "no disk matches spec.rootDisk: sda 5000c500a1b2c3d4 (no hint is given)"},
	} {
		if got, err := inventory.PickDisk(test.hints, test.disks); err == nil || err.Error() != test.want || got.Name != "" {
			t.Errorf("%s: PickDisk = %q, %v, want %s", test.name, got.Name, err, test.want)
		}
	}
}

// Over any machine the picked disk satisfies every hint by itself, no other disk does, it has a name of its own, and
// the order of disks changes nothing.
func TestPickDiskIsUnique(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "A", " a"})
	wwn := rapid.SampledFrom([]string{"", "5000c500a1b2c3d4", " 0x5000C500A1B2C3D4", "eui.0025385b71b0a1c2", "0000000000000000", "0xa"})
	size := rapid.Uint64Range(0, 3)
	one := rapid.Custom(func(t *rapid.T) inventory.Disk {
		return inventory.Disk{
			Name: text.Draw(t, "name"), Serial: text.Draw(t, "serial"), WWN: wwn.Draw(t, "wwn"), Path: text.Draw(t, "path"), Model: text.Draw(t, "model"), Size: size.Draw(t, "size"),
			Removable: rapid.Bool().Draw(t, "removable"), ReadOnly: rapid.Bool().Draw(t, "readOnly"), Holders: rapid.SliceOfN(rapid.Just("dm-0"), 0, 1).Draw(t, "holders"),
			Rotational: rapid.Bool().Draw(t, "rotational"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		disks := rapid.SliceOfN(one, 0, 5).Draw(t, "disks")
		hints := schemas.DiskHints{Serial: text.Draw(t, "serial"), WWN: wwn.Draw(t, "wwn"), Path: text.Draw(t, "path"), Model: text.Draw(t, "model")}
		if rapid.Bool().Draw(t, "sized") {
			hints.MinSize = fmt.Sprint(size.Draw(t, "minSize"))
		}
		picked, err := inventory.PickDisk(&hints, disks)
		fitting, asked := 0, 0
		for _, d := range disks {
			if fits(hints, d, disks) {
				fitting++
				if askedByName(hints, d, disks) {
					asked++
				}
			}
		}
		if (err == nil) != (fitting == 1 && asked == 1) {
			t.Fatalf("PickDisk = %+v, %v; %d disks fit, %d of them are asked for by a name of their own", picked, err, fitting, asked)
		}
		if err == nil && (picked.ID().Label() == "" || picked.WWN != "" && !own(wwnOf, picked, disks) || picked.Serial != "" && !own(serialOf, picked, disks)) {
			t.Fatalf("PickDisk = %+v, which has names that are not its own", picked)
		}
		again, err2 := inventory.PickDisk(&hints, rapid.Permutation(disks).Draw(t, "order"))
		if (err == nil) != (err2 == nil) || again.ID() != picked.ID() || again.Name != picked.Name {
			t.Fatalf("in another order: %+v, %v", again, err2)
		}
	})
}

func wwnOf(d inventory.Disk) string {
	wwn := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(d.WWN)), "0x", "")
	if len(wwn) < 8 || strings.Trim(wwn, "0") == "" {
		return ""
	}
	return wwn
}

func serialOf(d inventory.Disk) string { return strings.TrimSpace(d.Serial) }

// own reports whether a disk has a name that no other one has.
func own(name func(inventory.Disk) string, d inventory.Disk, disks []inventory.Disk) bool {
	have := 0
	for _, other := range disks {
		if name(other) == name(d) {
			have++
		}
	}
	return name(d) != "" && have == 1
}

// askedByName is the rule of PickDisk on names, in other words: who asks by a name asks by the disk's own.
func askedByName(h schemas.DiskHints, d inventory.Disk, disks []inventory.Disk) bool {
	return (h.WWN == "" || own(wwnOf, d, disks)) && (h.WWN != "" || h.Serial == "" || own(serialOf, d, disks))
}

// fits is the rest of the rule of PickDisk in other words.
func fits(h schemas.DiskHints, d inventory.Disk, disks []inventory.Disk) bool {
	wwn := func(s string) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "0x", "") }
	agrees := func(hint, have string) bool { return hint == "" || strings.TrimSpace(hint) == strings.TrimSpace(have) }
	least := uint64(0)
	if h.MinSize != "" {
		least = uint64(h.MinSize[0] - '0')
	}
	anything := h.Serial+h.WWN+h.Path+h.Model+h.MinSize != ""
	named := own(serialOf, d, disks) || own(wwnOf, d, disks) || d.Path != ""
	return anything && named && d.Size > 0 && d.Size >= least && !d.Removable && !d.ReadOnly && len(d.Holders) == 0 &&
		agrees(h.Serial, d.Serial) && agrees(wwn(h.WWN), wwn(d.WWN)) && (h.Path == "" || h.Path == d.Path) && agrees(h.Model, d.Model)
}

func TestSameDisk(t *testing.T) {
	t.Parallel()
	full := disk().ID()
	for _, test := range []struct {
		name string
		a, b inventory.DiskID
		want bool
	}{
		{"itself", full, full, true},
		{"by wwn", full, inventory.DiskID{WWN: "5000c500a1b2c3d4"}, true},
		{"by serial", full, inventory.DiskID{Serial: "QM 00001"}, true},
		{"wwn agrees, serial does not", full, inventory.DiskID{WWN: "5000c500a1b2c3d4", Serial: "other"}, false},
		{"another size", full, inventory.DiskID{WWN: "5000c500a1b2c3d4", Size: 1}, false},
		{"path and size", inventory.DiskID{Path: "p", Size: 7}, inventory.DiskID{Path: "p", Size: 7}, true},
		{"path alone", inventory.DiskID{Path: "p"}, inventory.DiskID{Path: "p"}, false},
		{"nothing", inventory.DiskID{}, inventory.DiskID{}, false},
	} {
		if got := test.a.IsSameDisk(test.b); got != test.want || test.b.IsSameDisk(test.a) != test.want {
			t.Errorf("%s: IsSameDisk = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestNamedDisk(t *testing.T) {
	t.Parallel()
	if id := inventory.NamedDisk(&schemas.DiskHints{Model: "x", Path: "p"}); !id.Zero() {
		t.Errorf("NamedDisk(model, path) = %+v, want none", id)
	}
	if id := inventory.NamedDisk(nil); !id.Zero() {
		t.Errorf("NamedDisk(nil) = %+v, want none", id)
	}
	if id := inventory.NamedDisk(&schemas.DiskHints{WWN: "0x5000C500A1B2C3D4"}); !id.IsSameDisk(disk().ID()) || id.Label() != disk().ID().Label() {
		t.Errorf("NamedDisk(wwn) = %+v is not the disk", id)
	}
}

func TestSameMachine(t *testing.T) {
	t.Parallel()
	facts := inventory.Facts{System: inventory.System{Serial: " 5xkj2m3"}, NICs: []inventory.NIC{{MAC: "52:54:00:00:00:0A"}}}
	for _, test := range []struct {
		identity schemas.Identity
		want     string
	}{
		{schemas.Identity{}, ""},
		{schemas.Identity{Serial: "5XKJ2M3", MACs: []string{"52:54:00:00:00:0a"}}, ""},
		{schemas.Identity{Serial: "OTHER"}, "spec.identity.serial is OTHER, the machine reports  5xkj2m3"},
		{schemas.Identity{Serial: "Default string"}, `spec.identity.serial is "Default string", a placeholder that identifies no machine`},
		{schemas.Identity{Serial: "5XKJ2M3", MACs: []string{"52:54:00:00:00:0b"}}, "spec.identity.macs names 52:54:00:00:00:0b, the machine has no such network card"},
	} {
		if got := inventory.SameMachine(test.identity, facts); got != test.want {
			t.Errorf("SameMachine(%+v) = %q, want %q", test.identity, got, test.want)
		}
	}
}

func TestPlaceholder(t *testing.T) {
	t.Parallel()
	for _, serial := range []string{"", " ", "0", "00000000", "FFFFFFFF", "Default string", "To Be Filled By O.E.M.", "System Serial Number", "None", "N/A", "Not Specified", "................", "xxxxxxx", "123456789", "-"} {
		if !inventory.IsPlaceholder(serial) {
			t.Errorf("IsPlaceholder(%q) = false", serial)
		}
	}
	for _, serial := range []string{"5XKJ2M3", "0001", "FF01", "SGH123456789", "lab-web-01", "VMware-56 4d"} {
		if inventory.IsPlaceholder(serial) {
			t.Errorf("IsPlaceholder(%q) = true", serial)
		}
	}
}
