package pick_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

func ExampleDisk() {
	disks := []inventory.Disk{
		{Name: "sda", Serial: "S1", Size: 240_000_000_000},
		{Name: "sdb", Serial: "S2", Size: 480_000_000_000, WWN: "0x5000C500A1B2C3D4"},
		{Name: "sdc", Serial: "S3", Size: 480_000_000_000, Removable: true},
	}
	disk, err := pick.Disk(&schemas.DiskHints{Size: "480GB"}, disks)
	fmt.Println(disk.ID().Label(), err)
	_, err = pick.Disk(&schemas.DiskHints{MinSize: "1TB"}, disks)
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

func TestDiskHints(t *testing.T) {
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
			got, err := pick.Disk(&test.hints, []inventory.Disk{disk()})
			if test.why == "" {
				if err != nil || got.Name != "sda" {
					t.Errorf("Disk = %q, %v, want sda", got.Name, err)
				}
				return
			}
			var failure pick.Error
			if !errors.As(err, &failure) || len(failure.Misses) != 1 || failure.Misses[0].Why != test.why {
				t.Errorf("Disk = %q, %v, want %q", got.Name, err, test.why)
			}
		})
	}
}

// The hints may fit as well as they like: such a disk is never written.
func TestDiskUnfit(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*inventory.Disk){
		"it is removable: an internal disk that says so is named by serial or wwn": func(d *inventory.Disk) { d.Removable = true },
		"it is read-only":                           func(d *inventory.Disk) { d.ReadOnly = true },
		"it is in use by md0":                       func(d *inventory.Disk) { d.Holders = []string{"md0"} },
		"it reports no size":                        func(d *inventory.Disk) { d.Size = 0 },
		"it has no serial, WWN or path of its own":  func(d *inventory.Disk) { d.Serial, d.WWN, d.Path = " ", "", "" },
		"model: want SAMSUNG MZ7L3480, have none":   func(d *inventory.Disk) { d.Model = "" },
		"model: want SAMSUNG MZ7L3480, have QEMU 1": func(d *inventory.Disk) { d.Model = "QEMU 1" },
	} {
		d := disk()
		spoil(&d)
		_, err := pick.Disk(&schemas.DiskHints{Model: "SAMSUNG MZ7L3480"}, []inventory.Disk{d})
		var failure pick.Error
		if !errors.As(err, &failure) || len(failure.Matches) > 0 || failure.Misses[0].Why != why {
			t.Errorf("Disk = %v, want %q", err, why)
		}
	}
}

func TestDiskErrors(t *testing.T) {
	t.Parallel()
	twin := disk()
	twin.Name, twin.Serial, twin.WWN = "sdb", "QM 00002", ""
	for _, test := range []struct {
		name  string
		hints *schemas.DiskHints
		disks []inventory.Disk
		want  string
	}{
		{"several", &schemas.DiskHints{Model: "SAMSUNG MZ7L3480"}, []inventory.Disk{disk(), twin}, "2 disks match spec.rootDisk: sda 5000c500a1b2c3d4, sdb QM 00002: name one by serial, wwn or path"},
		{"no disks", &schemas.DiskHints{Serial: "x"}, nil, "no disk matches spec.rootDisk: the machine reports no disks"},
		{"no hints", nil, []inventory.Disk{disk()}, "no disk matches spec.rootDisk: sda 5000c500a1b2c3d4 (no hint is given)"},
	} {
		if got, err := pick.Disk(test.hints, test.disks); err == nil || err.Error() != test.want || got.Name != "" {
			t.Errorf("%s: Disk = %q, %v, want %s", test.name, got.Name, err, test.want)
		}
	}
}

// Over any machine the picked disk satisfies every hint by itself, no other disk does, each name that it has is its own,
// no other disk has its label, and the order of disks changes nothing.
func TestDiskIsUnique(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "A", " a", "5000c500a1b2c3d4"})
	wwn := rapid.SampledFrom([]string{"", "5000c500a1b2c3d4", " 0x5000C500A1B2C3D4", "naa.5000c500a1b2c3d4", "eui.0025385b71b0a1c2", "0025385B71B0A1C2", "0000000000000000", "0xa"})
	link := rapid.SampledFrom([]string{"", "pci-1", "pci-1.0", "pci-2"})
	size := rapid.Uint64Range(0, 3)
	one := rapid.Custom(func(t *rapid.T) inventory.Disk {
		d := inventory.Disk{
			Serial: text.Draw(t, "serial"), WWN: wwn.Draw(t, "wwn"), Path: link.Draw(t, "path"), Model: text.Draw(t, "model"), Size: size.Draw(t, "size"),
			Removable: rapid.Bool().Draw(t, "removable"), ReadOnly: rapid.Bool().Draw(t, "readOnly"), Holders: rapid.SliceOfN(rapid.Just("dm-0"), 0, 1).Draw(t, "holders"),
			Rotational: rapid.Bool().Draw(t, "rotational"), Transport: rapid.SampledFrom([]string{"sata", "usb"}).Draw(t, "transport"),
		}
		if spelling := link.Draw(t, "link"); spelling != "" {
			d.Links = []string{byPath + spelling}
		}
		if d.Path != "" {
			d.Path = byPath + d.Path
			d.Links = append(d.Links, d.Path)
		}
		return d
	})
	rapid.Check(t, func(t *rapid.T) {
		disks := rapid.SliceOfN(one, 0, 5).Draw(t, "disks")
		for i := range disks {
			disks[i].Name = fmt.Sprint("sd", i)
		}
		hints := schemas.DiskHints{Serial: text.Draw(t, "serial"), WWN: wwn.Draw(t, "wwn"), Path: link.Draw(t, "path"), Model: text.Draw(t, "model")}
		if rapid.Bool().Draw(t, "sized") {
			hints.MinSize = fmt.Sprint(size.Draw(t, "minSize"))
		}
		picked, err := pick.Disk(&hints, disks)
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
			t.Fatalf("Disk = %+v, %v; %d disks fit, %d of them are asked for by a name of their own", picked, err, fitting, asked)
		}
		if id := picked.ID(); err == nil && (id.Label() == "" || id.WWN != "" && !own(wwnOf, picked.Disk, disks) || id.Serial != "" && !own(serialOf, picked.Disk, disks)) {
			t.Fatalf("Disk = %+v, which has names that are not its own", id)
		}
		again, err2 := pick.Disk(&hints, rapid.Permutation(disks).Draw(t, "order"))
		if (err == nil) != (err2 == nil) || again.ID() != picked.ID() || again.Name != picked.Name {
			t.Fatalf("in another order: %+v, %v", again, err2)
		}
		labels := map[string]string{}
		for _, d := range inventory.IdentifyDisks(disks) {
			if other, twice := labels[d.ID().Label()]; twice && d.ID().Label() != "" {
				t.Fatalf("%s and %s are both labelled %s", other, d.Name, d.ID().Label())
			}
			labels[d.ID().Label()] = d.Name
		}
		for _, other := range inventory.IdentifyDisks(disks) {
			if err == nil && other.Name != picked.Name && (other.Is(picked.ID()) || other.HasLabelOf(picked.ID())) {
				t.Fatalf("%s is %+v too, the identity of %s", other.Name, picked.ID(), picked.Name)
			}
		}
		explains(t, err)
	})
}

// explains reports whether a refusal says why for each disk.
func explains(t *rapid.T, err error) {
	var failure pick.Error
	if err != nil && (!errors.As(err, &failure) || err.Error() == "") {
		t.Fatalf("a refusal without a reason: %v", err)
	}
	for _, miss := range failure.Misses {
		if miss.Why == "" || miss.Disk == "" {
			t.Fatalf("a disk is missed without a reason: %+v in %v", miss, err)
		}
	}
}

// wwnOf is a WWN as its digits, in other words than the rule.
func wwnOf(d inventory.Disk) string {
	wwn := regexp.MustCompile(`^(0x|naa\.|eui\.)`).ReplaceAllString(strings.ToLower(strings.TrimSpace(d.WWN)), "")
	if len(wwn) < 8 || strings.Trim(wwn, "0") == "" {
		return ""
	}
	return wwn
}

func serialOf(d inventory.Disk) string { return strings.ToLower(strings.TrimSpace(d.Serial)) }

// own reports whether a disk has a name that no other one has, as WWN or as serial.
func own(name func(inventory.Disk) string, d inventory.Disk, disks []inventory.Disk) bool {
	for _, other := range disks {
		if other.Name != d.Name && (wwnOf(other) == name(d) || serialOf(other) == name(d)) {
			return false
		}
	}
	return name(d) != ""
}

// linksOf are the last elements of a disk's links.
func linksOf(d inventory.Disk) (links []string) {
	for _, link := range append([]string{d.Path}, d.Links...) {
		if link != "" {
			links = append(links, strings.TrimPrefix(link, byPath))
		}
	}
	return links
}

// ownLink reports whether a link leads to one disk only.
func ownLink(link string, d inventory.Disk, disks []inventory.Disk) bool {
	for _, other := range disks {
		if other.Name != d.Name && slices.Contains(linksOf(other), link) {
			return false
		}
	}
	return slices.Contains(linksOf(d), link)
}

// askedByName is the rule of Disk on names, in other words: who asks by a name asks by the disk's own.
func askedByName(h schemas.DiskHints, d inventory.Disk, disks []inventory.Disk) bool {
	return (h.WWN == "" || own(wwnOf, d, disks)) && (h.WWN != "" || h.Serial == "" || own(serialOf, d, disks)) &&
		(h.Path == "" || ownLink(h.Path, d, disks))
}

// fits is the rest of the rule of Disk in other words.
func fits(h schemas.DiskHints, d inventory.Disk, disks []inventory.Disk) bool {
	agrees := func(hint, have string) bool { return hint == "" || strings.TrimSpace(hint) == strings.TrimSpace(have) }
	least := uint64(0)
	if h.MinSize != "" {
		least = uint64(h.MinSize[0] - '0')
	}
	anything := h.Serial+h.WWN+h.Path+h.Model+h.MinSize != ""
	named := own(serialOf, d, disks) || own(wwnOf, d, disks)
	for _, link := range linksOf(d) {
		named = named || d.Path != "" && ownLink(link, d, disks)
	}
	sameDigits := wwnOf(inventory.Disk{WWN: h.WWN}) == wwnOf(d) && (wwnOf(d) != "" || strings.Trim(h.WWN, "0x ") == strings.Trim(d.WWN, "0x "))
	loose := d.Removable && (d.Transport == "usb" || h.WWN+h.Serial == "")
	return anything && named && d.Size > 0 && d.Size >= least && !loose && !d.ReadOnly && len(d.Holders) == 0 &&
		agrees(h.Serial, d.Serial) && (h.WWN == "" || sameDigits) && (h.Path == "" || slices.Contains(linksOf(d), h.Path)) && agrees(h.Model, d.Model)
}
