package qemu

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	m := &Machine{config: Config{Dir: "/lab/a,b", Firmware: DebianFirmware, Identity: bmc.Identity{
		Manufacturer: "ingot, lab", Serial: "LAB1", UUID: "6d3b0d7e-0000-4000-8000-000000000001",
		NICs:  []bmc.NIC{{MAC: "52:54:00:00:00:01"}},
		Disks: []bmc.Disk{{Serial: "D0", Bytes: 1}, {Serial: "D1", Bytes: 1}},
	}}}
	tests := map[string]struct {
		boot bmc.Boot
		want []string
	}{
		"from the medium": {bmc.Boot{From: bmc.FromCD, MediaURL: "http://10.0.2.2/secret.iso"}, []string{
			"ide-cd,id=cd,bus=ahci.0,bootindex=0", "virtio-blk-pci,drive=disk0,serial=D0,bootindex=1", "virtio-blk-pci,drive=disk1,serial=D1,bootindex=2",
		}},
		"from the disk": {bmc.Boot{From: bmc.FromDisk, MediaURL: "http://10.0.2.2/secret.iso"}, []string{
			"virtio-blk-pci,drive=disk0,serial=D0,bootindex=0", "virtio-blk-pci,drive=disk1,serial=D1,bootindex=1", "ide-cd,id=cd,bus=ahci.0,bootindex=2",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := m.commandLine(test.boot)
			always := []string{
				"type=1,manufacturer=ingot,, lab,serial=LAB1,uuid=6d3b0d7e-0000-4000-8000-000000000001", "q35,smm=on", "2048",
				"virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile=",
				"if=none,id=disk0,format=raw,cache=writeback,discard=unmap,file=/lab/a,,b/disk-D0.raw",
			}
			for _, want := range append(always, test.want...) {
				if !slices.Contains(got, want) {
					t.Errorf("arguments = %q, want %q among them", got, want)
				}
			}
			if strings.Contains(strings.Join(got, " "), "secret") {
				t.Errorf("arguments = %q, want no URL of a medium", got)
			}
		})
	}
}

func TestNewKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir, firmware := t.TempDir(), t.TempDir()
	write(t, firmware+"/vars", "template")
	config := Config{Dir: dir, Firmware: Firmware{Code: firmware + "/code", Vars: firmware + "/vars"}, Identity: bmc.Identity{
		NICs: []bmc.NIC{{MAC: "52:54:00:00:00:01"}}, Disks: []bmc.Disk{{Serial: "D0", Bytes: 8}},
	}}
	if _, err := New(config); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/vars.fd", "enrolled")
	write(t, dir+"/disk-D0.raw", "8 bytes!")
	if _, err := New(config); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/vars.fd") + " " + read(t, dir+"/disk-D0.raw"); got != "enrolled 8 bytes!" {
		t.Errorf("after a second New the machine holds %q", got)
	}
	config.Identity.Disks[0].Bytes = 9
	if _, err := New(config); err == nil {
		t.Error("a disk of another size was accepted")
	}
	config.Identity.Disks[0].Serial = "../D0"
	if _, err := New(config); err == nil {
		t.Error("a serial with a slash was accepted")
	}
}
