package pick_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

func rack() []inventory.Disk {
	return []inventory.Disk{
		{Name: "sda", Serial: "ROOT", Model: "M", Size: 1 << 40, Transport: "sata"},
		{Name: "sdb", Serial: "B", Model: "M", Size: 1 << 40, Transport: "sata"},
		{Name: "sdc", Serial: "A", Model: "M", Size: 1 << 40, Transport: "sata"},
		{Name: "sdd", Serial: "STICK", Model: "M", Size: 1 << 40, Transport: "sata", Removable: true},
		{Name: "sde", Serial: "LOCKED", Model: "M", Size: 1 << 40, ReadOnly: true},
		{Name: "sdf", Serial: "USED", Model: "M", Size: 1 << 40, Holders: []string{"md0"}},
		{Name: "sdg", Serial: "TWIN", Model: "M", Size: 1 << 40},
		{Name: "sdh", Serial: "TWIN", Model: "M", Size: 1 << 40},
		{Name: "sdi", Serial: "0000000000", Model: "M", Size: 1 << 40},
	}
}

// What holds a disk is no reason against it where the list has a step that erases the disk, and that stops such a holder.
func TestHeldDisksThatAreErased(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		holders string
		writes  []string // of erase-disks
		data    bool     // the disk of spec.disks.data may be taken
		root    bool
	}{
		{"md127 dm-0 /mnt swap md_d0", []string{"root", "data"}, true, true},
		{"md127", []string{"data"}, true, false},
		{"md127", []string{"root"}, false, true},
		{"md127", nil, false, false},
		{"md127 bcache0", []string{"root", "data"}, false, false},
		{"another-machine", []string{"root", "data"}, false, false},
	} {
		disks := []inventory.Disk{{Name: "sda", Serial: "A", Size: 1}, {Name: "sdb", Serial: "B", Size: 1}}
		disks[0].Holders = strings.Fields(c.holders)
		d := inventory.Desired{RootDisk: &schemas.DiskHints{Serial: "B"}, Disks: map[string][]schemas.NamedDisk{"data": {{Serial: "A"}}}}
		if c.writes != nil {
			d.Workload = &inventory.Workload{Steps: []inventory.Step{{Name: schemas.StepErase, Writes: c.writes}}}
		}
		_, err := pick.Names(d, []string{"data"}, disks)
		d.RootDisk.Serial = "A"
		_, failed := pick.RootDisk(d, disks)
		if (err == nil) != c.data || (failed == nil) != c.root || len(disks[0].Holders) == 0 {
			t.Errorf("%+v: Names() = %v, RootDisk() = %v", c, err, failed)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	serial := func(s string) schemas.NamedDisk { return schemas.NamedDisk{Serial: s} }
	all := schemas.NamedDisk{Model: "M", All: true}
	for name, test := range map[string]struct {
		disks map[string][]schemas.NamedDisk
		ask   []string
		want  string // serials by name, or the error
	}{
		"one":                            {map[string][]schemas.NamedDisk{"data": {serial("B")}}, []string{"data"}, "data B"},
		"two, in their order":            {map[string][]schemas.NamedDisk{"data": {serial("B"), serial("A")}}, []string{"data"}, "data B A"},
		"all, by label":                  {map[string][]schemas.NamedDisk{"data": {all}}, []string{"data"}, "data A B"},
		"two names":                      {map[string][]schemas.NamedDisk{"a": {serial("A")}, "b": {serial("B")}}, []string{"a", "b"}, "a A b B"},
		"one of two":                     {map[string][]schemas.NamedDisk{"a": {serial("A")}, "b": {serial("NONE")}}, []string{"a"}, "a A"},
		"in two items":                   {map[string][]schemas.NamedDisk{"data": {serial("B"), all}}, []string{"data"}, "disk sdb B is in spec.disks.data[0] and in spec.disks.data[1]: a disk has one name"},
		"in a name that is not asked of": {map[string][]schemas.NamedDisk{"data": {serial("B")}, "keep": {serial("B")}}, []string{"data"}, "disk sdb B is in spec.disks.data[0] and in spec.disks.keep[0]: a disk has one name"},
		"the root disk":                  {map[string][]schemas.NamedDisk{"data": {serial("ROOT")}}, []string{"data"}, "disk sda ROOT is in spec.rootDisk and in spec.disks.data[0]: a disk has one name"},
		"several without all":            {map[string][]schemas.NamedDisk{"data": {{Model: "M"}}}, []string{"data"}, "3 disks match spec.disks.data[0]: "},
		"none":                           {map[string][]schemas.NamedDisk{"data": {serial("NONE")}}, []string{"data"}, "no disk matches spec.disks.data[0]: "},
		"all of none":                    {map[string][]schemas.NamedDisk{"data": {{Model: "X", All: true}}}, []string{"data"}, "no disk matches spec.disks.data[0]: "},
		"in use":                         {map[string][]schemas.NamedDisk{"data": {serial("USED")}}, []string{"data"}, "no disk matches spec.disks.data[0]: "},
		"a shared serial":                {map[string][]schemas.NamedDisk{"data": {serial("TWIN")}}, []string{"data"}, "no disk matches spec.disks.data[0]: "},
		"no such name":                   {nil, []string{"data"}, "there is no spec.disks.data: "},
	} {
		for _, turn := range []bool{false, true} {
			reported := rack()
			if turn {
				slices.Reverse(reported)
			}
			d := inventory.Desired{RootDisk: &schemas.DiskHints{Serial: "ROOT"}, Disks: test.disks}
			found, err := pick.Names(d, test.ask, reported)
			got := ""
			for _, name := range test.ask {
				got += " " + name
				for _, disk := range found[name] {
					got += " " + disk.Serial
				}
			}
			if got = strings.TrimSpace(got); err != nil {
				got = err.Error()
			}
			if got != test.want && (err == nil || !strings.HasPrefix(got, test.want)) {
				t.Errorf("%s, turned %t: Names = %s, want %s", name, turn, got, test.want)
			}
		}
	}
}

// On any machine a disk is in one item at most, is never the root disk, and the order of the reports changes nothing.
func TestNamesShareNoDisk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var disks []inventory.Disk
		for i := range rapid.IntRange(1, 6).Draw(t, "disks") {
			disks = append(disks, inventory.Disk{Name: "sd" + string(rune('a'+i)), Serial: rapid.SampledFrom([]string{"A", "B", "C", "D", ""}).Draw(t, "serial"),
				Model: rapid.SampledFrom([]string{"M", "N"}).Draw(t, "model"), Size: uint64(rapid.IntRange(0, 2).Draw(t, "size")), Removable: rapid.Bool().Draw(t, "removable")})
		}
		item := rapid.Custom(func(t *rapid.T) schemas.NamedDisk {
			return schemas.NamedDisk{Serial: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "serial"), Model: rapid.SampledFrom([]string{"", "M"}).Draw(t, "model"), All: rapid.Bool().Draw(t, "all")}
		})
		d := inventory.Desired{RootDisk: &schemas.DiskHints{Serial: "C"}, Disks: map[string][]schemas.NamedDisk{
			"one": rapid.SliceOfN(item, 1, 2).Draw(t, "one"), "two": rapid.SliceOfN(item, 1, 2).Draw(t, "two")}}
		found, err := pick.Names(d, []string{"one", "two"}, disks)
		if err != nil {
			return
		}
		root, rootErr := pick.Disk(d.RootDisk, disks)
		seen := map[string]bool{}
		for _, disk := range slices.Concat(found["one"], found["two"]) {
			if seen[disk.Name] || rootErr == nil && disk.Name == root.Name || disk.ID().Label() == "" {
				t.Fatalf("%s is taken twice, the root disk, or nameless: %+v", disk.Name, found)
			}
			seen[disk.Name] = true
		}
		again, err := pick.Names(d, []string{"one", "two"}, reversed(disks))
		if diff := cmp.Diff(labels(found), labels(again)); diff != "" || err != nil {
			t.Fatalf("in another order %v:\n%s", err, diff)
		}
	})
}

func reversed(disks []inventory.Disk) []inventory.Disk {
	turned := slices.Clone(disks)
	slices.Reverse(turned)
	return turned
}

func labels(found map[string][]inventory.MachineDisk) map[string][]string {
	all := map[string][]string{}
	for name, disks := range found {
		for _, disk := range disks {
			all[name] = append(all[name], disk.ID().Label())
		}
	}
	return all
}
