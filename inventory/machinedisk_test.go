package inventory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

var noWWNs = []string{
	"", " ", "0", "0x0", "0x0000000000000000", "0000000000000000", "00000000000000000000000000000000", "naa.0000000000000000", "naa.5000000000000000", "NAA.0000000000000000",
	"eui.0000000000000000", "eui.00000000000000000000000000000000", "eui.0100000000000000", "eui.0025380000000000", "uuid.00000000-0000-0000-0000-000000000000",
	"ffffffffffffffff", "0xFFFFFFFFFFFFFFFF", "eui.ffffffffffffffff", "naa.5fffffffffffffff", "5000c50000000000", "1111111111111111", "none", "N/A", "Default string", "0x1", "abc", "5000",
	"nvme.0000-00-00-00000000", "nvme.1b36-3030303030-51454d5520-00000001", "nvme.1b36-2020-51454d5520-00000001", "nvme.1b36-00000000-51454d5520-00000001", "nvme.1b36--51-00000001",
	"nvme.00-00", "t10.ATA     QEMU HARDDISK", "t10.ATA     QEMU HARDDISK                           00000000000000000000",
}

var realWWNs = []string{
	"0x5000c500a1b2c3d4", "5000C500A1B2C3D4", "naa.5000c500a1b2c3d4", "600508b1001cc7efd85211aea101823d", "eui.0025385b71b0a1c2", "eui.36344630525010100025384500000001",
	"uuid.6c1c8b5f-0c0e-4d3f-9b0a-1f2e3d4c5b6a", "nvme.1b36-53313233-51454d5520-00000001", "t10.ATA     QEMU HARDDISK                           QM00001",
}

// A placeholder is no WWN wherever a disk is named, compared or picked, and neither is a placeholder a serial.
func TestPlaceholdersNameNoDisk(t *testing.T) {
	t.Parallel()
	const size = 1 << 34
	check := func(t *testing.T, nothing func(serial string) inventory.DiskID, hints schemas.DiskHints) {
		t.Helper()
		bare, other := nothing(""), nothing("")
		bare.Size, other.Size = size, size
		if label := bare.Label(); label != "" {
			t.Errorf("%+v: Label = %q, want none", bare, label)
		}
		if bare.IsSameDisk(other) {
			t.Errorf("%+v is the same as another disk", bare)
		}
		bare.Path, other.Path = "pci-1", "pci-2"
		if bare.IsSameDisk(other) || bare.Label() != "pci-1+17179869184" || !bare.IsSameDisk(bare) {
			t.Errorf("%+v: Label = %q, want its path and size, and to be the same as itself alone", bare, bare.Label())
		}
		facts := &inventory.Facts{Disks: []inventory.Disk{{Name: "sda", WWN: bare.WWN, Serial: bare.Serial, Path: "pci-1", Size: size}}}
		if facts.Sees(other) {
			t.Errorf("another machine sees %+v", other)
		}
		if named := inventory.NamedDisk(&hints); !named.Zero() {
			t.Errorf("NamedDisk(%+v) = %+v, want none", hints, named)
		}
		for _, disks := range [][]inventory.Disk{facts.Disks, append(facts.Disks, inventory.Disk{Name: "sdb", WWN: bare.WWN, Serial: bare.Serial, Path: "pci-2", Size: size})} {
			if picked, err := pick.Disk(&hints, disks); err == nil {
				t.Errorf("PickDisk(%+v) = %+v", hints, picked)
			}
			if picked, err := pick.Disk(&schemas.DiskHints{Path: "pci-1"}, disks); err != nil || picked.ID() != (inventory.DiskID{Path: "pci-1", Size: size}) {
				t.Errorf("PickDisk(path) = %+v, %v, want sda by its path alone", picked, err)
			}
		}
	}
	for _, wwn := range noWWNs {
		if !diskid.IsPlaceholderWWN(wwn) {
			t.Errorf("PlaceholderWWN(%q) = false", wwn)
		}
		if strings.TrimSpace(wwn) != "" {
			check(t, func(serial string) inventory.DiskID { return inventory.DiskID{WWN: wwn, Serial: serial} }, schemas.DiskHints{WWN: wwn})
		}
	}
	for _, serial := range []string{"0", "None", "Default string", "000000", "To Be Filled By O.E.M.", "123456789", "ffffffff"} {
		check(t, func(string) inventory.DiskID { return inventory.DiskID{Serial: serial} }, schemas.DiskHints{Serial: serial})
	}
	for _, wwn := range realWWNs {
		if diskid.IsPlaceholderWWN(wwn) {
			t.Errorf("PlaceholderWWN(%q) = true", wwn)
		}
		if id := (inventory.DiskID{WWN: wwn}); id.Label() != diskid.NormalWWN(wwn) {
			t.Errorf("Label of %q = %q", wwn, id.Label())
		}
	}
}

// What two disks of a machine report names neither of them. Another name of a disk still does.
func TestSharedNamesNameNoDisk(t *testing.T) {
	t.Parallel()
	const wwn, size = "5f8db4c142300888", 1 << 34
	disk := func(name, wwn, serial, path string) inventory.Disk {
		return inventory.Disk{Name: name, WWN: wwn, Serial: serial, Path: path, Size: size}
	}
	removable := disk("sdb", wwn, "S2", "p2")
	removable.Removable = true
	for name, test := range map[string]struct {
		hints schemas.DiskHints
		disks []inventory.Disk
		label string // "" when no disk is picked
		why   string
	}{
		"by the shared WWN": {schemas.DiskHints{WWN: wwn}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", "0x5F8DB4C142300888", "S2", "p2")}, "",
			"2 disks match spec.rootDisk: sda S1, sdb S2: wwn: want 5f8db4c142300888, have 5f8db4c142300888 which two disks share, so it names neither: name the disk by serial or path"},
		"by the shared WWN and a size that one has": {schemas.DiskHints{WWN: wwn, Size: "1"}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), {Name: "sdb", WWN: wwn, Serial: "S2", Size: 1}}, "",
			"no disk matches spec.rootDisk: sda S1 (size: want 1, have 17179869184 bytes (17 GB)); sdb S2 (wwn: want 5f8db4c142300888, have 5f8db4c142300888 which two disks share, so it names neither: name the disk by serial or path)"},
		"by the shared WWN of one that is fit": {schemas.DiskHints{WWN: wwn}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), removable}, "", "which two disks share"},
		"by a serial beside the shared WWN":    {schemas.DiskHints{WWN: wwn, Serial: "S1"}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S2", "p2")}, "", "which two disks share"},
		"by serial":                            {schemas.DiskHints{Serial: "S1"}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S2", "p2")}, "S1", ""},
		"by another WWN than zeros": {schemas.DiskHints{WWN: wwn}, []inventory.Disk{disk("sda", "0000000000000000", "S1", "p1"), disk("sdb", "0000000000000000", "S2", "p2")}, "",
			"sda S1 (wwn: want 5f8db4c142300888, have 0000000000000000 which is a placeholder, so it names no disk: name the disk by serial or path)"},
		"by path, without serials":       {schemas.DiskHints{Path: "p2"}, []inventory.Disk{disk("sda", wwn, "", "p1"), disk("sdb", wwn, "0", "p2")}, "p2+17179869184", ""},
		"without serials and paths":      {schemas.DiskHints{Size: "17179869184"}, []inventory.Disk{disk("sda", wwn, "", ""), {Name: "sdb", WWN: wwn, Size: 1}}, "", "sda (it has no serial, WWN or path of its own)"},
		"two paths of one disk":          {schemas.DiskHints{WWN: wwn}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S1", "p2")}, "", "2 disks match"},
		"one path of a disk with two":    {schemas.DiskHints{Path: "p1"}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S1", "p2")}, "p1+17179869184", ""},
		"three, by serial":               {schemas.DiskHints{Serial: "S1"}, []inventory.Disk{disk("sda", "", "S1", "p1"), disk("sdb", "", "S1", "p2"), disk("sdc", "", " S1", "p3")}, "", "which 3 disks share, so it names none"},
		"two volumes of one controller":  {schemas.DiskHints{Serial: "S1", WWN: "600508b1001cc7ef"}, []inventory.Disk{disk("sda", "600508b1001cc7ef", "S1", "p1"), disk("sdb", "600508b1001cc7ff", "S1", "p2")}, "600508b1001cc7ef", ""},
		"... by the controller's serial": {schemas.DiskHints{Serial: "S1"}, []inventory.Disk{disk("sda", "600508b1001cc7ef", "S1", "p1"), disk("sdb", "600508b1001cc7ff", "S1", "p2")}, "", "the WWNs tell the disks apart: name the disk by wwn"},
	} {
		picked, err := pick.Disk(&test.hints, test.disks)
		if test.label == "" && (err == nil || !strings.Contains(err.Error(), test.why)) {
			t.Errorf("%s: PickDisk = %+v, %v, want %s", name, picked, err, test.why)
		}
		if test.label != "" && (err != nil || picked.ID().Label() != test.label) {
			t.Errorf("%s: PickDisk = %q, %v, want %s", name, picked.ID().Label(), err, test.label)
		}
	}
	var failure pick.Error
	_, err := pick.Disk(&schemas.DiskHints{WWN: wwn}, []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S1", "p2")})
	if !errors.As(err, &failure) || len(failure.Matches) != 2 {
		t.Errorf("two paths of one disk: %+v, want two matches", failure)
	}
}

// A disk that another machine sees too is told by names of its own, and by both names of a disk with two paths.
func TestSeesADiskOfAnotherMachine(t *testing.T) {
	t.Parallel()
	const wwn, size = "5f8db4c142300888", 1 << 34
	disk := func(name, wwn, serial, path string) inventory.Disk {
		return inventory.Disk{Name: name, WWN: wwn, Serial: serial, Path: path, Size: size}
	}
	id := inventory.DiskID{WWN: wwn, Serial: "S1", Size: size}
	for name, test := range map[string]struct {
		disks []inventory.Disk
		sees  bool
	}{
		"one path":                              {[]inventory.Disk{disk("sda", wwn, "S1", "")}, true},
		"two paths":                             {[]inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S1", "p2")}, true},
		"two disks that share a WWN":            {[]inventory.Disk{disk("sda", wwn, "", "p1"), disk("sdb", wwn, "", "p2")}, false},
		"two disks that share it, and a serial": {[]inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "", "p2")}, true},
		"another":                               {[]inventory.Disk{disk("sda", wwn, "S2", "p1")}, false},
	} {
		if got := (&inventory.Facts{Disks: test.disks}).Sees(id); got != test.sees {
			t.Errorf("%s: Sees = %t, want %t", name, got, test.sees)
		}
	}
	paths := &inventory.Facts{Disks: []inventory.Disk{disk("sda", wwn, "S1", "p1"), disk("sdb", wwn, "S1", "p2")}}
	want := inventory.DiskID{WWN: wwn, Serial: "S1", Path: "p1", Size: size}
	if diff := cmp.Diff(want, paths.Volume(inventory.DiskID{Path: "p1", Size: size})); diff != "" {
		t.Errorf("Volume of a path (-want +got):\n%s", diff)
	}
	if other := (inventory.DiskID{Path: "p9", Size: size}); paths.Volume(other) != other {
		t.Errorf("Volume of a disk that is not there = %+v", paths.Volume(other))
	}
}
