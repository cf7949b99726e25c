package pick_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

const (
	byPath = "/dev/disk/by-path/"
	gb480  = 480_103_981_056
)

// sized is a disk of 480 GB.
func sized(name, wwn, serial, path string, links ...string) inventory.Disk {
	return inventory.Disk{Name: name, WWN: wwn, Serial: serial, Path: path, Links: links, Size: gb480, Transport: "sata"}
}

// Disks as field reports describe them: which disk is picked, under which label, or why none is.
func TestDisksAsTheyAre(t *testing.T) {
	t.Parallel()
	type disks = []inventory.Disk
	const lun = "3600a098038304437"
	ata := byPath + "pci-0000:05:00.0-ata-1"
	twoSpellings := sized("sda", "", "", ata, byPath+"pci-0000:05:00.0-ata-1", byPath+"pci-0000:05:00.0-ata-1.0", "/dev/disk/by-id/ata-X")
	hotPlug, stick, aacraid := sized("sda", "5000c500a1b2c3d4", "S1", "p1"), sized("sda", "5000c500a1b2c3d4", "S1", "p1"), sized("sda", "", "S1", "p1")
	hotPlug.Removable, stick.Removable, aacraid.Removable = true, true, true
	stick.Transport, aacraid.Transport = "usb", "scsi"
	unknown := hotPlug
	unknown.Transport = ""
	nvme := func(namespace, wwn string) inventory.Disk {
		return sized("nvme0n"+namespace, wwn, "S4EVNX0", byPath+"pci-0000:03:00.0-nvme-"+namespace)
	}
	held := func(name, path string) inventory.Disk {
		d := sized(name, lun, "L1", path)
		d.Holders = []string{"dm-0"}
		return d
	}
	for name, test := range map[string]struct {
		hints schemas.DiskHints
		disks disks
		label string // "" when no disk is picked
		why   string
	}{
		"the reported spelling of a path":     {schemas.DiskHints{Path: ata}, disks{twoSpellings}, ata + "+480103981056", ""},
		"the other spelling of a path":        {schemas.DiskHints{Path: ata + ".0"}, disks{twoSpellings}, ata + "+480103981056", ""},
		"the other spelling, last element":    {schemas.DiskHints{Path: "pci-0000:05:00.0-ata-1.0"}, disks{twoSpellings}, ata + "+480103981056", ""},
		"a link of by-id is no path":          {schemas.DiskHints{Path: "ata-X"}, disks{twoSpellings}, "", "path: want ata-X, have pci-0000:05:00.0-ata-1 or pci-0000:05:00.0-ata-1.0"},
		"a path that two disks share":         {schemas.DiskHints{Path: ata}, disks{sized("sda", "", "S1", ata), sized("sdb", "", "S2", ata)}, "", "which two disks share, so it names neither: name the disk by serial or wwn"},
		"a spelling that two disks share":     {schemas.DiskHints{Path: ata}, disks{sized("sda", "", "S1", ata+".0", ata, ata+".0"), sized("sdb", "", "S2", ata+".1", ata, ata+".1")}, "", "which two disks share, so it names neither"},
		"beside a shared spelling, an own":    {schemas.DiskHints{Path: ata + ".1"}, disks{sized("sda", "", "", ata, ata, ata+".0"), sized("sdb", "", "", ata, ata, ata+".1")}, ata + ".1+480103981056", ""},
		"a shared path and a model":           {schemas.DiskHints{Size: "480103981056"}, disks{sized("sda", "", "", ata), {Name: "sdb", Path: ata, Size: 1}}, "", "sda (it has no serial, WWN or path of its own)"},
		"naa. in the fleet":                   {schemas.DiskHints{WWN: "naa.5000C500A1B2C3D4"}, disks{sized("sda", "5000c500a1b2c3d4", "", "")}, "5000c500a1b2c3d4", ""},
		"wwn-0x in the fleet":                 {schemas.DiskHints{WWN: "wwn-0x5000c500a1b2c3d4"}, disks{sized("sda", "5000c500a1b2c3d4", "", "")}, "5000c500a1b2c3d4", ""},
		"0X in the fleet, naa. in the report": {schemas.DiskHints{WWN: "0X5000C500A1B2C3D4"}, disks{sized("sda", "naa.5000c500a1b2c3d4", "", "")}, "5000c500a1b2c3d4", ""},
		"eui. in the report only":             {schemas.DiskHints{WWN: "0025385B71B0A1C2"}, disks{sized("nvme0n1", "eui.0025385b71b0a1c2", "", "")}, "eui.0025385b71b0a1c2", ""},
		"eui. in the fleet only":              {schemas.DiskHints{WWN: "eui.0025385b71b0a1c2"}, disks{sized("nvme0n1", "0025385b71b0a1c2", "", "")}, "0025385b71b0a1c2", ""},
		"separators in the fleet":             {schemas.DiskHints{WWN: "50:00:c5:00:a1:b2:c3:d4"}, disks{sized("sda", "5000c500a1b2c3d4", "", "")}, "5000c500a1b2c3d4", ""},
		"one WWN in two spellings":            {schemas.DiskHints{Serial: "S1"}, disks{sized("sda", "naa.5000c500a1b2c3d4", "S1", "p1"), sized("sdb", "wwn-0x5000c500a1b2c3d4", "S2", "p2")}, "S1", ""},
		"a serial that is a WWN elsewhere":    {schemas.DiskHints{Serial: "5000c500a1b2c3d4"}, disks{sized("sda", "", "5000c500a1b2c3d4", "p1"), sized("sdb", "5000c500a1b2c3d4", "S2", "p2")}, "", "which two disks share"},
		"a serial that is its own WWN":        {schemas.DiskHints{Serial: "5000c500a1b2c3d4"}, disks{sized("sda", "5000c500a1b2c3d4", "5000c500a1b2c3d4", "p1")}, "5000c500a1b2c3d4", ""},
		"serials that differ in case":         {schemas.DiskHints{Serial: "s1"}, disks{sized("sda", "", "s1", "p1"), sized("sdb", "", "S1", "p2")}, "", "which two disks share"},
		"serials that differ in spaces":       {schemas.DiskHints{Serial: "WD 1"}, disks{sized("sda", "", "WD 1", "p1"), sized("sdb", "", "WD  1 ", "p2")}, "", "which two disks share"},
		"a removable SATA disk by WWN":        {schemas.DiskHints{WWN: "5000c500a1b2c3d4"}, disks{hotPlug}, "5000c500a1b2c3d4", ""},
		"a removable SATA disk by serial":     {schemas.DiskHints{Serial: "S1"}, disks{hotPlug}, "5000c500a1b2c3d4", ""},
		"a removable disk of a RAID card":     {schemas.DiskHints{Serial: "S1"}, disks{aacraid}, "S1", ""},
		"a removable disk by path":            {schemas.DiskHints{Path: "p1"}, disks{hotPlug}, "", "it is removable: an internal disk that says so is named by serial or wwn"},
		"a removable disk by size":            {schemas.DiskHints{Size: "480103981056"}, disks{hotPlug}, "", "it is removable"},
		"a USB stick by WWN":                  {schemas.DiskHints{WWN: "5000c500a1b2c3d4"}, disks{stick}, "", "it is removable"},
		"a removable disk of unknown bus":     {schemas.DiskHints{WWN: "5000c500a1b2c3d4"}, disks{unknown}, "", "it is removable"},
		"a removable disk by a shared WWN":    {schemas.DiskHints{WWN: "5000c500a1b2c3d4"}, disks{hotPlug, sized("sdb", "5000c500a1b2c3d4", "S2", "p2")}, "", "which two disks share"},
		"namespaces, by serial":               {schemas.DiskHints{Serial: "S4EVNX0"}, disks{nvme("1", "eui.0025385b71b0a1c2"), nvme("2", "eui.0025385b71b0a1c3")}, "", "it is the controller's, and the WWNs tell the disks apart"},
		"namespaces, by WWN":                  {schemas.DiskHints{WWN: "eui.0025385b71b0a1c3"}, disks{nvme("1", "eui.0025385b71b0a1c2"), nvme("2", "eui.0025385b71b0a1c3")}, "eui.0025385b71b0a1c3", ""},
		"namespaces without a WWN, by path":   {schemas.DiskHints{Path: "pci-0000:03:00.0-nvme-2"}, disks{nvme("1", ""), nvme("2", "eui.0000000000000000")}, byPath + "pci-0000:03:00.0-nvme-2+480103981056", ""},
		"namespaces without a WWN, by serial": {schemas.DiskHints{Serial: "S4EVNX0"}, disks{nvme("1", ""), nvme("2", "eui.0000000000000000")}, "", "name the disk by path"},
		"logical drives, by serial":           {schemas.DiskHints{Serial: "PDNLH0BRH58322"}, disks{sized("sda", "600508b1001cc7efd85211aea101823d", "PDNLH0BRH58322", "p1"), sized("sdb", "600508b1001c625569d1476796d3411e", "PDNLH0BRH58322", "p2")}, "", "2 disks match spec.rootDisk: sda 600508b1001cc7efd85211aea101823d, sdb 600508b1001c625569d1476796d3411e: serial: want PDNLH0BRH58322, have PDNLH0BRH58322 which two disks share: it is the controller's, and the WWNs tell the disks apart: name the disk by wwn"},
		"two paths, by WWN":                   {schemas.DiskHints{WWN: lun}, disks{sized("sda", lun, "L1", "p1"), sized("sdb", lun, "L1", "p2")}, "", "multipath: sda and sdb are two paths of one disk (one WWN, serial and size): name one by path alone"},
		"two paths, by serial":                {schemas.DiskHints{Serial: "L1"}, disks{sized("sda", lun, "L1", "p1"), sized("sdb", lun, "L1", "p2")}, "", "multipath: sda and sdb are two paths of one disk"},
		"two paths, by size":                  {schemas.DiskHints{Size: "480103981056"}, disks{sized("sda", lun, "L1", "p1"), sized("sdb", lun, "L1", "p2")}, "", "multipath: sda and sdb are two paths of one disk"},
		"two paths that dm uses":              {schemas.DiskHints{WWN: lun}, disks{held("sda", "p1"), held("sdb", "p2")}, "", "multipath: sda and sdb are two paths of one disk (one WWN, serial and size), in use by dm-0: stop the device that uses them"},
		"two paths, by path":                  {schemas.DiskHints{Path: "p2"}, disks{sized("sda", lun, "L1", "p1"), sized("sdb", lun, "L1", "p2")}, "p2+480103981056", ""},
		"two paths and a third disk":          {schemas.DiskHints{MinSize: "1"}, disks{sized("sda", lun, "L1", "p1"), sized("sdb", lun, "L1", "p2"), sized("sdc", "", "S9", "p3")}, "", "name one by serial, wwn or path"},
		"all the same, and no path":           {schemas.DiskHints{WWN: lun}, disks{sized("sda", lun, "L1", ""), sized("sdb", lun, "L1", "")}, "", "multipath"},
		"zeros in every field":                {schemas.DiskHints{Path: "p1"}, disks{sized("sda", "eui.0000000000000000", "N/A", "p1"), sized("sdb", "0x0000000000000000", "To Be Filled By O.E.M.", "p2")}, "p1+480103981056", ""},
	} {
		picked, err := pick.Disk(&test.hints, test.disks)
		if test.label == "" && (err == nil || !strings.Contains(err.Error(), test.why)) {
			t.Errorf("%s: Disk = %q, %v, want %s", name, picked.ID().Label(), err, test.why)
		}
		if test.label != "" && (err != nil || picked.ID().Label() != test.label) {
			t.Errorf("%s: Disk = %q, %v, want %s", name, picked.ID().Label(), err, test.label)
		}
	}
}
