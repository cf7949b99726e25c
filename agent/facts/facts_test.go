package facts_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

// tree is a machine's pseudo file systems in a directory: paths to contents, or to "→ target" for links.
func tree(t *testing.T, files map[string]string) facts.Root {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, isLink := cutLink(content); isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return facts.Root(root)
}

func cutLink(content string) (string, bool) {
	const arrow = "→ "
	if len(content) > len(arrow) && content[:len(arrow)] == arrow {
		return content[len(arrow):], true
	}
	return "", false
}

// with adds files to a tree's description, below a prefix.
func with(files map[string]string, prefix string, more map[string]string) {
	for name, content := range more {
		files[prefix+name] = content
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01",
		"proc/cpuinfo":                 "processor\t: 0\nmodel name\t: Xeon\n\nprocessor\t: 1\nmodel name\t: Xeon\n",
		"proc/meminfo":                 "MemTotal:        4030464 kB\nMemFree: 1 kB\n",
		"sys/class/net/lo/address":     "00:00:00:00:00:00\n",
		"sys/class/net/bond0/address":  "52:54:00:00:00:03\n",
		"sys/devices/e1000/net/uevent": "",
		"sys/bus/pci/drivers/e1000e/x": "",
	}
	with(files, "sys/class/dmi/id/", map[string]string{
		"sys_vendor": "QEMU\n", "product_name": "Standard PC\n", "product_serial": "Default string\n",
		"product_uuid": "1B4E28BA-2FA1-11D2-883F-0016D3CCA427\n", "bios_vendor": "EDK II\n", "bios_version": "2024.02\n",
	})
	with(files, "sys/class/net/eno1/", map[string]string{
		"address": "52:54:00:AA:00:03\n", "carrier": "1\n", "speed": "10000\n", "device/driver": "→ ../../../../bus/pci/drivers/e1000e",
	})
	with(files, "sys/class/net/eno2/", map[string]string{"address": "52:54:00:00:00:04\n", "speed": "-1\n", "device/x": ""})
	files["sys/block/none"] = ""
	got, err := tree(t, files).CollectFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Facts{
		System:   wire.System{Manufacturer: "QEMU", Product: "Standard PC", Serial: "Default string", UUID: "1b4e28ba-2fa1-11d2-883f-0016d3cca427"},
		Firmware: wire.Firmware{UEFI: true, SecureBoot: true, Vendor: "EDK II", Version: "2024.02"},
		CPU:      wire.CPU{Model: "Xeon", Arch: got.CPU.Arch, Count: 2}, Memory: 4030464 << 10,
		NICs: []wire.NIC{
			{Name: "eno1", MAC: "52:54:00:aa:00:03", Driver: "e1000e", Link: true, Mbps: 10000},
			{Name: "eno2", MAC: "52:54:00:00:00:04"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Collect (-want +got):\n%s", diff)
	}
}

func TestCollectNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	got, err := facts.Root(t.TempDir()).CollectFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Errors) != 4 {
		t.Errorf("Errors = %q, want SMBIOS, memory, network and disks", got.Errors)
	}
	if got.Firmware.UEFI || got.Firmware.SecureBoot {
		t.Errorf("Firmware = %+v, want neither UEFI nor Secure Boot", got.Firmware)
	}
}

func TestSecureBootNeedsTheWholeVariable(t *testing.T) {
	t.Parallel()
	const variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	for content, want := range map[string]bool{"\x06\x00\x00\x00\x01": true, "\x06\x00\x00\x00\x00": false, "\x01": false, "": false} {
		got, err := tree(t, map[string]string{variable: content}).CollectFacts(t.Context())
		if err != nil || got.Firmware.SecureBoot != want {
			t.Errorf("SecureBoot of %q = %v, %v, want %v", content, got.Firmware.SecureBoot, err, want)
		}
	}
}

// Whatever machine runs this test, its own disks are read without an error of the collector.
func TestCollectOnThisMachine(t *testing.T) {
	t.Parallel()
	got, err := facts.Root("/").CollectFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.CPU.Count < 1 || got.Memory == 0 {
		t.Errorf("CPU = %+v, Memory = %d, want both known", got.CPU, got.Memory)
	}
	for _, d := range got.Disks {
		answers := 0
		for _, given := range []bool{d.Content.Blank, d.Content.Signature != "", d.Content.Unreadable != ""} {
			if given {
				answers++
			}
		}
		if answers != 1 || d.Size == 0 || d.Name == "" {
			t.Errorf("disk = %+v, want a name, a size and exactly one answer on its content", d)
		}
	}
}
