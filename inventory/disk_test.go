package inventory_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

func aDisk() inventory.MachineDisk {
	return inventory.IdentifyDisks([]inventory.Disk{{Name: "sda", Path: "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", Serial: "QM 00001 ",
		WWN: "0x5000C500A1B2C3D4", Size: 480_103_981_056}})[0]
}

func TestSameDisk(t *testing.T) {
	t.Parallel()
	full := aDisk().ID()
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
		{"a path, beside names that the other lacks", inventory.DiskID{WWN: "5000c500a1b2c3d4", Path: "p", Size: 7}, inventory.DiskID{Path: "p", Size: 7}, true},
		{"a path, beside names of another kind", inventory.DiskID{WWN: "5000c500a1b2c3d4", Path: "p", Size: 7}, inventory.DiskID{Serial: "S9", Path: "p", Size: 7}, false},
		{"a path, beside a placeholder", inventory.DiskID{WWN: "5000c500a1b2c3d4", Path: "p", Size: 7}, inventory.DiskID{Serial: "N/A", Path: "p", Size: 7}, true},
		{"naa. and wwn-0x", inventory.DiskID{WWN: "naa.5000c500a1b2c3d4"}, inventory.DiskID{WWN: "wwn-0x5000C500A1B2C3D4"}, true},
		{"eui. and none", inventory.DiskID{WWN: "eui.0025385b71b0a1c2"}, inventory.DiskID{WWN: "0025385B71B0A1C2"}, true},
		{"serials in another case and with more spaces", inventory.DiskID{Serial: "WD-wcc 1"}, inventory.DiskID{Serial: " WD-WCC  1"}, true},
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
	if id := inventory.NamedDisk(&schemas.DiskHints{WWN: "0x5000C500A1B2C3D4"}); !id.IsSameDisk(aDisk().ID()) || id.Label() != aDisk().ID().Label() {
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
		{schemas.Identity{Serial: "OTHER"}, "spec.identity.serial is OTHER, the SMBIOS serial is 5xkj2m3"},
		{schemas.Identity{Serial: "Default string"}, `spec.identity.serial is "Default string", a placeholder that identifies no machine`},
		{schemas.Identity{Serial: "5XKJ2M3", MACs: []string{"52:54:00:00:00:0b"}}, "spec.identity.macs names 52:54:00:00:00:0b, the machine has no such network card"},
	} {
		if got := inventory.SameMachine(test.identity, nil, facts); got != test.want {
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
