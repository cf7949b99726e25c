package facts_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

// Layouts of sysfs and udev as Linux 6.1 has them.
func TestDescribe(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		name  string
		at    string // in sys/devices
		block map[string]string
		rest  map[string]string
		want  wire.Disk
	}{
		"virtio": {
			name: "vda", at: "pci0000:00/0000:00:04.0/virtio1/block/vda",
			block: map[string]string{"size": "2097152\n", "dev": "254:0\n", "serial": "DISK-1", "ro": "0\n", "removable": "0\n",
				"queue/rotational": "1\n", "queue/logical_block_size": "512\n", "device/vendor": "0x1af4\n"},
			rest: map[string]string{
				"dev/disk/by-path/virtio-pci-0000:00:04.0": "→ ../../vda", "dev/disk/by-path/pci-0000:00:04.0": "→ ../../vda",
				"dev/disk/by-path/pci-0000:00:04.0-part1": "→ ../../vda1",
			},
			want: wire.Disk{Name: "vda", Path: "/dev/disk/by-path/pci-0000:00:04.0",
				Links: []string{"/dev/disk/by-path/pci-0000:00:04.0", "/dev/disk/by-path/virtio-pci-0000:00:04.0"}, Serial: "DISK-1", Transport: "virtio", Size: 1 << 30,
				SectorSize: 512, Rotational: true},
		},
		"SATA, in use": {
			name: "sda", at: "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
			block: map[string]string{"size": "2048", "dev": "8:0", "ro": "1", "removable": "1", "queue/rotational": "0", "queue/logical_block_size": "4096",
				"device/vendor": "ATA     ", "device/model": "INTEL SSDSC2BB48", "device/wwid": "t10.ATA     INTEL SSDSC2BB48   X",
				"sda1/dev": "8:1", "sda1/partition": "1", "sda2/dev": "8:2", "sda2/holders/dm-0": "", "holders/md127": "", "queue/dev": "9:9"},
			rest: map[string]string{
				"run/udev/data/b8:0":  "S:disk/by-id/x\nE:ID_BUS=ata\nE:ID_SERIAL_SHORT=PHDV1\nE:ID_WWN=0x55CD2E404B6C1234\nE:ID_WWN_WITH_EXTENSION=0x55CD2E404B6C1234\n",
				"proc/self/mountinfo": "36 35 8:1 / /boot/efi rw - vfat /dev/disk/by-uuid/x rw\n37 35 0:40 / /data rw - btrfs /dev/sda2 rw\n38 35 8:16 / /other rw - ext4 /dev/sdb rw\n",
				"proc/swaps":          "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n/dev/sdb2 partition 1 0 -2\n",
			},
			want: wire.Disk{Name: "sda", Serial: "PHDV1", WWN: "55cd2e404b6c1234", Model: "INTEL SSDSC2BB48", Vendor: "ATA", Transport: "sata", Size: 1 << 20,
				SectorSize: 4096, ReadOnly: true, Removable: true, Holders: []string{"md127", "dm-0", "/boot/efi", "/data", "swap"}},
		},
		"SAS": {
			name: "sdc", at: "pci0000:00/0000:02:00.0/host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0/block/sdc",
			block: map[string]string{"size": "8", "dev": "8:32", "device/wwid": "naa.5000C500A1B2C3D4"},
			rest:  map[string]string{"run/udev/data/b8:32": "E:ID_SCSI_SERIAL=ZA1\nE:ID_SERIAL_SHORT=5000c500a1b2c3d4\n"},
			want:  wire.Disk{Name: "sdc", Serial: "ZA1", WWN: "5000c500a1b2c3d4", Transport: "sas", Size: 4096},
		},
		"NVMe without udev": {
			name: "nvme0n1", at: "pci0000:00/0000:03:00.0/nvme/nvme0/nvme0n1",
			block: map[string]string{"size": "8", "wwid": "eui.0025385B71B0A1C2", "device/serial": "S4EVNX0 ", "device/model": "Samsung SSD 970"},
			want:  wire.Disk{Name: "nvme0n1", Serial: "S4EVNX0", WWN: "eui.0025385b71b0a1c2", Model: "Samsung SSD 970", Transport: "nvme", Size: 4096},
		},
		"NVMe with zeros in one place": {
			name: "nvme2n1", at: "pci0000:00/0000:05:00.0/nvme/nvme2/nvme2n1",
			block: map[string]string{"size": "8", "dev": "259:0", "wwid": "uuid.6c1c8b5f-0c0e-4d3f-9b0a-1f2e3d4c5b6a"},
			rest:  map[string]string{"run/udev/data/b259:0": "E:ID_WWN=eui.0000000000000000\n"},
			want:  wire.Disk{Name: "nvme2n1", WWN: "uuid.6c1c8b5f-0c0e-4d3f-9b0a-1f2e3d4c5b6a", Transport: "nvme", Size: 4096},
		},
		"zeros in every place": {
			name: "nvme3n1", at: "pci0000:00/0000:06:00.0/nvme/nvme3/nvme3n1",
			block: map[string]string{"size": "8", "dev": "259:1", "wwid": "eui.0000000000000000"},
			rest:  map[string]string{"run/udev/data/b259:1": "E:ID_WWN=0x0000000000000000\n"},
			want:  wire.Disk{Name: "nvme3n1", WWN: "0000000000000000", Transport: "nvme", Size: 4096},
		},
		"NVMe without a name of its own": {
			name: "nvme1n1", at: "pci0000:00/0000:04:00.0/nvme/nvme1/nvme1n1",
			block: map[string]string{"size": "8", "wwid": "nvme.1b36-53-51454d5520-00000001"},
			want:  wire.Disk{Name: "nvme1n1", Transport: "nvme", Size: 4096},
		},
		"USB": {
			name: "sdd", at: "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host3/target3:0:0/3:0:0:0/block/sdd", block: map[string]string{"size": "8"},
			want: wire.Disk{Name: "sdd", Transport: "usb", Size: 4096},
		},
		"placeholder serial": {
			name: "sde", at: "platform/x/block/sde", block: map[string]string{"size": "8", "serial": "0000000000000000"},
			want: wire.Disk{Name: "sde", Serial: "0000000000000000", Size: 4096},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"sys/block/" + c.name: "→ ../devices/" + c.at}
			with(files, "sys/devices/"+c.at+"/", c.block)
			with(files, "", c.rest)
			got, ok := tree(t, files).DescribeDisk(c.name)
			if !ok {
				t.Fatalf("Describe(%s) = no disk, want one", c.name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Describe(%s) (-want +got):\n%s", c.name, diff)
			}
		})
	}
}

// A name that two disks claim leads to either of them: udev makes one link, and keeps both claims in its database.
func TestAClaimOfSeveralDisksIsNoLink(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"sys/block/sda/size": "8", "sys/block/sda/dev": "8:0", "sys/block/sdb/size": "8", "sys/block/sdb/dev": "8:16",
		"run/udev/data/b8:0":                      "S:disk/by-path/pci-0000:05:00.0-ata-1\nS:disk/by-id/ata-A\n",
		"run/udev/data/b8:16":                     "S:disk/by-path/pci-0000:05:00.0-ata-1\nS:disk/by-id/ata-B\n",
		"dev/disk/by-path/pci-0000:05:00.0-ata-1": "→ ../../sdb", "dev/disk/by-id/ata-A": "→ ../../sda", "dev/disk/by-id/ata-B": "→ ../../sdb",
	}
	root := tree(t, files)
	for name, want := range map[string]string{"sda": "/dev/disk/by-id/ata-A", "sdb": "/dev/disk/by-id/ata-B"} {
		got, _ := root.DescribeDisk(name)
		if len(got.Links) != 1 || got.Links[0] != want || got.Path != "" {
			t.Errorf("DescribeDisk(%s) = links %q, path %q, want only %s and no path", name, got.Links, got.Path, want)
		}
	}
}

func TestDisksAreDisksOnly(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"dev/sda": strings.Repeat("\x00", 4096), "dev/nvme0n1": "data" + strings.Repeat("\x00", 4092),
		"sys/block/nvme0c0n1/hidden": "1", "sys/block/sdz/size": "0",
	}
	for _, name := range []string{"loop0", "ram1", "zram0", "sr0", "fd0", "dm-3", "md127", "nbd0", "mmcblk0boot0", "nvme0c0n1", "sda", "nvme0n1", "sdb"} {
		files["sys/block/"+name+"/size"] = "8\n"
	}
	got, err := tree(t, files).ListDisks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, d := range got {
		switch {
		case d.Content.Blank:
			contents[d.Name] = "blank"
		case d.Content.Signature != "":
			contents[d.Name] = "data"
		case d.Content.Unreadable != "":
			contents[d.Name] = "unreadable"
		}
	}
	want := map[string]string{"sda": "blank", "nvme0n1": "data", "sdb": "unreadable"} // sdb has no device node
	if diff := cmp.Diff(want, contents); diff != "" {
		t.Errorf("Disks (-want +got):\n%s", diff)
	}
}

func TestABlankDiskInUseIsNotBlank(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"sys/block/sda/size": "8", "sys/block/sda/holders/md0": "", "dev/sda": strings.Repeat("\x00", 4096)})
	disks, err := root.ListDisks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (wire.Content{Unreadable: "in use by md0"}); len(disks) != 1 || disks[0].Content != want {
		t.Errorf("Disks = %+v, want one with content %+v", disks, want)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"sys/block/sda/dev": "8:0\n"})
	if got := root.DeviceNumber("sda"); got != "8:0" {
		t.Errorf("Number(sda) = %q, want 8:0", got)
	}
	if got := facts.Root(t.TempDir()).DeviceNumber("sda"); got != "" {
		t.Errorf("Number of nothing = %q, want none", got)
	}
}
