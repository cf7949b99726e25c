package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
)

// marked is an install, and the disk that holds it.
func marked() (inventory.Installed, inventory.Disk) {
	const mark = "0a1b2c3d-0000-8000-8000-000000000001"
	parts := []inventory.Partition{{Number: 1, GUID: "p-1", First: 2048, Last: 4095}, {Number: 2, GUID: "p-2", First: 4096, Last: 9999}}
	installed := inventory.Installed{ID: "i1", Disk: inventory.DiskID{Serial: "S1", Size: 1 << 40}, Mark: mark,
		Partitions: slices.Clone(parts), Filesystems: map[string]string{"P-2": "910678FF-f77e-4a7d-8d53-86f2ac47a823"}}
	parts[1].FSUUID = "910678ff-f77e-4a7d-8d53-86f2ac47a823"
	return installed, inventory.Disk{Name: "sda", Serial: "S1", Size: 1 << 40, Content: inventory.Content{Signature: "v2:aa"},
		Table: &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: mark, Sector: 512, Partitions: parts}}
}

func TestWhyNotOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*inventory.Installed, *inventory.Disk)
		want   string // part of the reason; "" where the disk holds the install
	}{
		"as it was":               {func(*inventory.Installed, *inventory.Disk) {}, ""},
		"the last partition grew": {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions[1].Last = 99999 }, ""},
		"a partition was added": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Table.Partitions = append(d.Table.Partitions, inventory.Partition{Number: 9})
		}, ""},
		"before the first call": {func(i *inventory.Installed, d *inventory.Disk) {
			i.Filesystems = nil
			d.Table.Partitions[1].FSUUID = ""
		}, ""},
		"no mark":              {func(i *inventory.Installed, _ *inventory.Disk) { i.Mark = "" }, "has no mark"},
		"no mark, and no GUID": {func(i *inventory.Installed, d *inventory.Disk) { i.Mark, d.Table.GUID = "", "" }, "has no mark"},
		"another disk":         {func(_ *inventory.Installed, d *inventory.Disk) { d.Serial = "S2" }, "disk S2 is not S1"},
		"unreadable": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Content = inventory.Content{Unreadable: "I/O error"}
		}, "cannot be read"},
		"a table that was not read": {func(_ *inventory.Installed, d *inventory.Disk) { d.Table = nil }, "was not read"},
		"only the backup":           {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Valid = false }, "no intact GPT"},
		"an MBR":                    {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Kind = inventory.TableMBR }, "no intact GPT"},
		"no table": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Table = &inventory.Table{Kind: inventory.TableNone, Valid: true}
		}, "no intact GPT"},
		"another system":               {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.GUID = "00000000-0000-4000-a000-000000000001" }, "the GUID of its partition table is 00000000"},
		"a partition is gone":          {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions = d.Table.Partitions[:1] }, "partition 2 is gone"},
		"another partition":            {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions[0].GUID = "p-9" }, "the GUID of partition 1 is p-9"},
		"a partition that moved":       {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions[1].First = 8192 }, "begins at sector 8192, not 4096"},
		"another file system":          {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions[1].FSUUID = "other" }, "the file system of partition 2 is other"},
		"no file system":               {func(_ *inventory.Installed, d *inventory.Disk) { d.Table.Partitions[1].FSUUID = "" }, "the file system of partition 2 is none"},
		"a reported partition is gone": {func(i *inventory.Installed, _ *inventory.Disk) { i.Filesystems["p-7"] = "x" }, "partition p-7 is gone"},
		"an md array over the disk": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Superblocks = []inventory.Superblock{{Type: "linux_raid_member"}}
		}, "the whole disk is linux_raid_member"},
		"a physical volume on the disk": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Superblocks = []inventory.Superblock{{Type: "LVM2_member"}}
		}, "LVM2_member"},
		"a pool over the disk": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Superblocks = []inventory.Superblock{{Type: "zfs_member"}}
		}, "zfs_member"},
		"the trace of an old file system": {func(_ *inventory.Installed, d *inventory.Disk) {
			d.Superblocks = []inventory.Superblock{{Type: "swap"}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			installed, disk := marked()
			c.change(&installed, &disk)
			got := installed.WhyNotOn(inventory.IdentifyDisks([]inventory.Disk{disk})[0])
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("WhyNotOn = %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhyNotEmpty(t *testing.T) {
	t.Parallel()
	parts := []inventory.Partition{{Number: 1}}
	for name, c := range map[string]struct {
		disk  inventory.Disk
		empty bool
	}{
		"zeros":                      {inventory.Disk{Table: &inventory.Table{Kind: "none", Valid: true, Alone: true}}, true},
		"an empty GPT":               {inventory.Disk{Table: &inventory.Table{Kind: "gpt", Valid: true, Alone: true}}, true},
		"zeros before an old backup": {inventory.Disk{Table: &inventory.Table{Kind: "gpt", Partitions: parts, Alone: true}}, true},
		"a GPT with partitions":      {inventory.Disk{Table: &inventory.Table{Kind: "gpt", Valid: true, Alone: true, Partitions: parts}}, false},
		"a damaged GPT":              {inventory.Disk{Table: &inventory.Table{Kind: "gpt"}}, false},
		"an MBR with boot code":      {inventory.Disk{Table: &inventory.Table{Kind: "mbr", Valid: true}}, false},
		"data without a table":       {inventory.Disk{Table: &inventory.Table{Kind: "none", Valid: true}}, false},
		"a table that was not read":  {inventory.Disk{}, false},
		"an array's member, 0.90":    {inventory.Disk{Table: &inventory.Table{Kind: "none", Valid: true, Alone: true}, Superblocks: []inventory.Superblock{{Type: "linux_raid_member"}}}, false},
	} {
		if got := c.disk.WhyNotEmpty(); (got == "") != c.empty {
			t.Errorf("%s: WhyNotEmpty = %q, want empty %t", name, got, c.empty)
		}
	}
}
