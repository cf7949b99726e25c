package ignition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
)

// The table says of each config which disks it writes to besides the root disk.
func TestOtherDisks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want []string
	}{
		"none": {"storage:\n  files:\n    - {path: /etc/motd, contents: {inline: hello}}\n", nil},
		"the root disk by its link": {`storage:
  disks:
    - {device: /dev/disk/by-id/coreos-boot-disk, partitions: [{label: root, number: 4, size_mib: 8192, resize: true}, {label: var}]}
  filesystems:
    - {device: /dev/disk/by-partlabel/var, format: xfs, path: /var, wipe_filesystem: true, with_mount_unit: true}
`, nil},
		"the image's own labels": {`storage:
  filesystems:
    - {device: /dev/disk/by-partlabel/root, format: ext4, label: root, wipe_filesystem: true}
    - {device: /dev/disk/by-label/boot, format: ext4}
`, nil},
		"labels of another image": {"storage:\n  filesystems:\n    - {device: /dev/disk/by-partlabel/ROOT, format: ext4}\n",
			[]string{"/dev/disk/by-partlabel/ROOT: file system ext4 made where there is none"}},
		"wiped table and partitions": {`storage:
  disks:
    - {device: /dev/disk/by-id/wwn-0x5000c500a1b2c3d4, wipe_table: true, partitions: [{label: data, number: 1, start_mib: 1, size_mib: 100}, {number: 3, should_exist: false}, {number: 7, wipe_partition_entry: true, start_mib: 200, size_mib: 10}]}
  filesystems:
    - {device: /dev/disk/by-partlabel/data, format: xfs, wipe_filesystem: true}
`, []string{"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4: partition data made; partition data: file system xfs made, what is there is wiped; partition number 3 deleted; " +
			"partition number 7 made, also where there is another; partition table wiped"}},
		"a kernel name":       {"storage:\n  disks:\n    - {device: /dev/sda, wipe_table: true}\n", []string{"/dev/sda: partition table wiped"}},
		"a label nobody made": {"storage:\n  filesystems:\n    - {device: /dev/disk/by-label/data, format: ext4}\n", []string{"/dev/disk/by-label/data: file system ext4 made where there is none"}},
		"root made elsewhere": {`storage:
  disks:
    - {device: /dev/sdb, partitions: [{label: root, number: 4}]}
  filesystems:
    - {device: /dev/disk/by-partlabel/root, format: ext4, wipe_filesystem: true}
`, []string{"/dev/sdb: partition root made; partition root: file system ext4 made, what is there is wiped"}},
		"RAID": {`storage:
  raid:
    - {name: data, level: raid1, devices: [/dev/disk/by-id/nvme-A, /dev/disk/by-id/nvme-B]}
  filesystems:
    - {device: /dev/md/data, format: xfs, wipe_filesystem: true}
`, []string{"/dev/disk/by-id/nvme-A: made a part of RAID array data", "/dev/disk/by-id/nvme-B: made a part of RAID array data"}},
		"an array nobody made": {"storage:\n  filesystems:\n    - {device: /dev/md/data, format: ext4}\n", []string{"/dev/md/data: file system ext4 made where there is none"}},
		"LUKS": {`storage:
  luks:
    - {name: data, device: /dev/disk/by-id/ata-X, wipe_volume: true, clevis: {tpm2: true}}
    - {name: more, device: /dev/disk/by-id/ata-Y, clevis: {tpm2: true}}
  filesystems:
    - {device: /dev/mapper/data, format: xfs}
    - {device: /dev/disk/by-id/dm-name-more, format: xfs}
`, []string{"/dev/disk/by-id/ata-X: encrypted as LUKS volume data, what is there is wiped", "/dev/disk/by-id/ata-Y: encrypted as LUKS volume more where it is none"}},
		"boot_device.luks": {"boot_device:\n  luks: {tpm2: true}\n", nil},
		"boot_device.mirror": {"boot_device:\n  layout: x86_64\n  mirror: {devices: [/dev/disk/by-id/A, /dev/disk/by-id/B]}\n", []string{
			"/dev/disk/by-id/A: " + mirrored(1), "/dev/disk/by-id/B: " + mirrored(2)}},
		"devices in options": {`storage:
  raid:
    - {name: data, level: raid1, devices: [/dev/disk/by-partlabel/root, /dev/disk/by-partlabel/boot], options: [--write-journal=/dev/sdc]}
  luks:
    - {name: safe, device: /dev/disk/by-partlabel/root, options: [--header, /dev/sdd], open_options: ["--header=/dev/../dev/sdd"], key_file: {inline: x}}
  filesystems:
    - {device: /dev/disk/by-partlabel/root, format: btrfs, wipe_filesystem: true, options: [/dev/sdb, dev/sde, /proc/self/root/dev/sdf], path: /a, mount_options: ["subvol=/a,device=/dev/sdg"]}
    - {device: /dev/disk/by-partlabel/boot, format: ext4, wipe_filesystem: true, options: [-J, device=LABEL=journal, -E, "lazy_itable_init=0"]}
    - {device: /dev/disk/by-id/coreos-boot-disk, format: xfs, options: [-m, uuid=b0e4f0e2-5a0c-4d3c-9b36-6c2f0b6f1a11, "-llogdev=/dev/disk/by-partlabel/root,size=10m"]}
`, []string{
			"/dev/sdb: named in the options of file system /dev/disk/by-partlabel/root", "/dev/sdc: named in the options of RAID array data",
			"/dev/sdd: named in the options of LUKS volume safe", "/dev/sde: named in the options of file system /dev/disk/by-partlabel/root",
			"/dev/sdf: named in the options of file system /dev/disk/by-partlabel/root", "/dev/sdg: named in the options of file system /dev/disk/by-partlabel/root",
			"unknown disks: named by a label or UUID in the options of file system /dev/disk/by-partlabel/boot",
		}},
		"no file system": {"storage:\n  filesystems:\n    - {device: /dev/sda, format: none}\n    - {device: /dev/sdb, format: none, wipe_filesystem: true}\n",
			[]string{"/dev/sda: must hold no file system", "/dev/sdb: file system wiped"}},
		"merged from the commit": {`ignition:
  config:
    merge:
      - {inline: '{"ignition":{"version":"3.5.0","config":{"merge":[{"source":"data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.5.0%22%7D%2C%22storage%22%3A%7B%22disks%22%3A%5B%7B%22device%22%3A%22%2Fdev%2Fvdc%22%2C%22wipeTable%22%3Atrue%7D%5D%7D%7D"}]}},"storage":{"disks":[{"device":"/dev/vdb","wipeTable":true}]}}'}
`, []string{"/dev/vdb: partition table wiped", "/dev/vdc: partition table wiped"}},
		"merged from elsewhere": {"ignition:\n  config:\n    merge:\n      - {source: \"https://user@example.com/c.ign?token=x\", verification: {hash: sha256-" + strings.Repeat("a", 64) + "}}\n",
			[]string{"unknown disks: whatever the config from https://example.com/c.ign says"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checked := (ignition.Checker{}).Check(*butane(test.body))
			var got []string
			for _, disk := range checked.OtherDisks {
				got = append(got, disk.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(checked.Findings) > 0 {
				t.Errorf("other disks (-want +got):\n%s\nfindings: %v", diff, checked.Findings)
			}
		})
	}
}

// mirrored is what a mirrored boot disk has done to each of its disks.
func mirrored(i int) string {
	return fmt.Sprintf("partition bios-%[1]d made; partition boot-%[1]d made; partition boot-%[1]d: made a part of RAID array md-boot; partition esp-%[1]d made; "+
		"partition esp-%[1]d: file system vfat made, what is there is wiped; partition root-%[1]d made; partition root-%[1]d: made a part of RAID array md-root; "+
		"partition table wiped", i)
}

func TestOtherDisksOfFlatcar(t *testing.T) {
	t.Parallel()
	b := inventory.Butane{Path: "w/x.bu", Source: []byte("variant: flatcar\nversion: 1.1.0\nstorage:\n  filesystems:\n    - {device: /dev/disk/by-partlabel/ROOT, format: btrfs, wipe_filesystem: true, label: ROOT}\n    - {device: /dev/disk/by-label/root, format: ext4}\n")}
	want := []inventory.OtherDisk{{Device: "/dev/disk/by-label/root", Does: []string{"file system ext4 made where there is none"}}}
	if diff := cmp.Diff(want, (ignition.Checker{}).Check(b).OtherDisks); diff != "" {
		t.Errorf("other disks (-want +got):\n%s", diff)
	}
}

func TestOtherDisksWithVars(t *testing.T) {
	t.Parallel()
	b := butane("storage:\n  disks:\n    - {device: \"/dev/disk/by-id/${vars.disk}\", wipe_table: true}\n")
	for value, want := range map[string]string{"ata-X": "[/dev/disk/by-id/ata-X: partition table wiped]", "coreos-boot-disk": "[]"} {
		b.Vars = map[string]string{"disk": value}
		if got := fmt.Sprint((ignition.Checker{}).Check(*b).OtherDisks); got != want {
			t.Errorf("vars.disk %s: other disks %s, want %s", value, got, want)
		}
	}
}

func TestWhatMayNotBeDoneToDisks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"replace":                             {"ignition:\n  config:\n    replace: {source: \"https://example.com/c.ign\", verification: {hash: sha256-" + strings.Repeat("a", 64) + "}}\n", "w/x.bu:5:14: error: ignition.config.replace would"},
		"replace, inline":                     {"ignition:\n  config:\n    replace: {inline: '{\"ignition\":{\"version\":\"3.5.0\"}}'}\n", "w/x.bu:5:14: error: ignition.config.replace would"},
		"replace in a merge":                  {"ignition:\n  config:\n    merge:\n      - {inline: '{\"ignition\":{\"version\":\"3.5.0\",\"config\":{\"replace\":{\"source\":\"https://x/\"}}}}'}\n", "w/x.bu:6:9: error: ignition.config.replace would"},
		"merge, no hash":                      {"ignition:\n  config:\n    merge:\n      - {inline: '{\"ignition\":{\"version\":\"3.5.0\"}}'}\n      - {source: \"https://example.com/c.ign\"}\n", "w/x.bu:7:9: error: https://example.com/c.ign is merged"},
		"another config by a kernel argument": {"kernel_arguments:\n  should_exist: [\"quiet ignition.config.url=https://x/c.ign\"]\n", "w/x.bu:4:18: error: ignition.config.url would"},
		"another config by a kernel argument in a merge": {"ignition:\n  config:\n    merge:\n      - {inline: '{\"ignition\":{\"version\":\"3.5.0\"},\"kernelArguments\":{\"shouldExist\":[\"flatcar.config.url=https://x/\"]}}'}\n", "w/x.bu:6:18: error: flatcar.config.url would"},
		"a merge of another version":                     {"ignition:\n  config:\n    merge:\n      - {inline: '{\"ignition\":{\"version\":\"3.1.0\"}}'}\n", "w/x.bu:6:9: error: ignition.config.merge.0.version: the config that is merged has another spec version"},
		"a secret in an option":                          {"storage:\n  filesystems:\n    - {device: /dev/disk/by-partlabel/root, format: btrfs, options: [\"/dev/${secret.app.disk}\"]}\n", "w/x.bu:5:70: error: the path of a device holds a secret"},
		"a secret device":                                {"storage:\n  disks:\n    - {device: \"/dev/disk/by-id/${secret.app.disk}\", wipe_table: true}\n", "w/x.bu:5:16: error: the path of a device holds a secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := (ignition.Checker{}).Check(*butane(test.body)).Findings
			if len(findings) != 1 || !strings.HasPrefix(findings[0].String(), test.want) || findings[0].Hint == "" {
				t.Errorf("Check = %v, want %q… with a hint", findings, test.want)
			}
		})
	}
}

// A secret is text: in a config that is merged it could be anything.
func TestSecretsDoNotChangeWhichDisksAreWritten(t *testing.T) {
	t.Parallel()
	b := butane(`ignition:
  config:
    merge:
      - {inline: '{"ignition":{"version":"3.5.0"},"storage":{"files":[{"path":"/a","contents":{"source":"data:,${secret.app.key}"}}]}}'}
`)
	if checked := (ignition.Checker{}).Check(*b); len(checked.Findings) > 0 || len(checked.OtherDisks) > 0 {
		t.Fatalf("Check = %+v", checked)
	}
	for value, fails := range map[string]bool{"plain": false, `canary"}}],"disks":[{"device":"/dev/sdb","wipeTable":true}],"files":[{"path":"/b","contents":{"source":"data:,`: true} {
		_, err := ignition.Render(ignition.Request{Host: "web-03", Butane: b, Secrets: func(refs.Secret) (secret.Value, error) { return secret.New(value), nil }})
		if (err != nil) != fails || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("Render with %q: %v, want an error: %t", value, err, fails)
		}
	}
}
