package fleets_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

const hostFile = `apiVersion: ingot.dev/v1alpha1
kind: Host
metadata: {name: web-1}
spec:
  bmc: {address: "https://10.0.0.1/redfish/v1/Systems/1", credentials: bmc}
  rootDisk: {serial: DISK01}
  workload: web
  vars: {disk: %s}
`

const workloadFile = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: web}
spec:
  install:
    image: {url: "https://images.example.com/os.raw.zst", sha256: "` + digest + `"}
    butane: web.bu
    ignition: 3.6.0
    otherDisks: Allowed
`

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// readFleet gives the fleet of one host with a Butane config.
func readFleet(commit, butane, disk string) (inventory.Fleet, []schemas.Finding) {
	files := map[string]inventory.File{}
	for name, content := range map[string]string{"hosts/web-1.yaml": fmt.Sprintf(hostFile, disk),
		"workloads/web.yaml": strings.Replace(workloadFile, "web.bu", "workloads/web.bu", 1), "workloads/web.bu": butane,
		"secrets/bmc.yaml": secretfile.BMC} {
		files[name] = inventory.File{Blob: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Data: []byte(content)}
	}
	fleet, findings, _ := load.FleetWithCache(load.Cache{},
		inventory.Sources{Trunk: inventory.Snapshot{Commit: commit, Files: files}}, ignition.Checker{})
	return fleet, findings
}

// devices are the paths that a drawn config may write to, in every form that Ignition takes.
var devices = []string{"/dev/disk/by-id/ata-A", "/dev/disk/by-id/ata-B", "/dev/disk/by-path/pci-0-nvme-1",
	"/dev/disk/by-id/../by-id/ata-A", "/dev/sdb", "/dev/disk/by-id/${vars.disk}", "/dev/disk/by-partlabel/data",
	"/dev/disk/by-id/coreos-boot-disk", "/dev/disk/by-partlabel/root", "/dev/md/array", "/dev/mapper/safe"}

// butaneSpec is a version of a variant: the beginning of a config, and whether it has storage.disks, storage.luks,
// boot_device, and all layouts of boot_device.
type butaneSpec struct {
	head                      string
	disks, luks, boot, layout bool
}

// specs are the stable versions of Butane's variants.
var specs = []butaneSpec{
	{"variant: fcos\nversion: 1.0.0\n", true, false, false, false}, {"variant: fcos\nversion: 1.1.0\n", true, false, false, false},
	{"variant: fcos\nversion: 1.2.0\n", true, true, false, false}, {"variant: fcos\nversion: 1.3.0\n", true, true, true, false},
	{"variant: fcos\nversion: 1.4.0\n", true, true, true, false}, {"variant: fcos\nversion: 1.5.0\n", true, true, true, false},
	{"variant: fcos\nversion: 1.6.0\n", true, true, true, true}, {"variant: fcos\nversion: 1.7.0\n", true, true, true, true},
	{"variant: flatcar\nversion: 1.0.0\n", true, false, false, false}, {"variant: flatcar\nversion: 1.1.0\n", true, false, false, false},
	{"variant: r4e\nversion: 1.0.0\n", false, false, false, false}, {"variant: r4e\nversion: 1.1.0\n", false, false, false, false},
	{"variant: fiot\nversion: 1.0.0\n", false, false, false, false},
}

// drawBootDevice draws Butane's short forms for the boot disk, which become disks, arrays and encrypted volumes.
func drawBootDevice(t *rapid.T, layouts bool) string {
	mirror := "  mirror: {devices: [/dev/disk/by-id/nvme-X, /dev/disk/by-id/nvme-Y]}\n"
	forms := []string{"", "  luks: {tpm2: true}\n", mirror, mirror + "  luks: {tang: [{url: \"https://tang\", thumbprint: abc}], threshold: 1}\n",
		"  layout: aarch64\n" + mirror, "  layout: ppc64le\n" + mirror}
	if layouts {
		for _, layout := range []string{"s390x-eckd", "s390x-zfcp"} {
			forms = append(forms, "  layout: "+layout+"\n  luks: {device: /dev/dasdx, tang: [{url: \"https://tang\", thumbprint: abc}]}\n",
				"  layout: "+layout+"\n  luks: {device: /dev/sdx, cex: {enabled: true}}\n")
		}
		forms = append(forms, "  layout: s390x-virt\n  luks: {cex: {enabled: true}}\n")
	}
	if form := rapid.SampledFrom(forms).Draw(t, "boot_device"); form != "" {
		return "boot_device:\n" + form
	}
	return ""
}

// drawButane draws a config that does things to disks.
func drawButane(t *rapid.T, spec butaneSpec) string {
	var b strings.Builder
	b.WriteString(spec.head)
	if spec.boot {
		b.WriteString(drawBootDevice(t, spec.layout))
	}
	b.WriteString("storage:\n  directories: [{path: /srv}]\n")
	device := rapid.SampledFrom(devices)
	some := func(name string) []string {
		return rapid.SliceOfNDistinct(device, 0, 3, rapid.ID[string]).Draw(t, name)
	}
	section := func(name string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(&b, "  %s:\n    - %s\n", name, strings.Join(items, "\n    - "))
		}
	}
	var disks, systems []string
	for i, on := range some("disks") {
		label := rapid.SampledFrom([]string{"data", "var", "more"}).Draw(t, "label")
		disks = append(disks, fmt.Sprintf("{device: %q, wipe_table: %t, partitions: [{label: %s%d, number: %d}]}", on,
			rapid.Bool().Draw(t, "wipe"), label, i, i+1))
	}
	for i, on := range some("filesystems") {
		systems = append(systems, fmt.Sprintf("{device: %q, format: xfs, wipe_filesystem: %t, path: /srv/%d}", on,
			rapid.Bool().Draw(t, "wipe"), i))
	}
	if spec.disks || rapid.Bool().Draw(t, "disks that the variant refuses") {
		section("disks", disks)
		section("filesystems", systems)
	}
	if members := some("raid"); len(members) > 1 && spec.disks {
		section("raid", []string{fmt.Sprintf("{name: array, level: raid1, devices: [%q]}", strings.Join(members, `", "`))})
	}
	if on := some("luks"); len(on) > 0 && spec.luks {
		section("luks", []string{fmt.Sprintf("{name: safe, device: %q, clevis: {tpm2: true}}", on[0])})
	}
	return strings.ReplaceAll(b.String(), `\"`, `"`)
}

// TestThePlanNamesEveryDiskOfTheRenderedConfig draws configs, and reads from the rendered JSON alone which devices
// Ignition would open. Those that are on no disk of the image and were not made by the config itself stand in the plan.
func TestThePlanNamesEveryDiskOfTheRenderedConfig(t *testing.T) {
	t.Parallel()
	for _, spec := range specs {
		t.Run(strings.ReplaceAll(spec.head, "\n", " "), func(t *testing.T) {
			t.Parallel()
			accepted := 0
			rapid.Check(t, func(t *rapid.T) {
				butane := drawButane(t, spec)
				fleet, findings := readFleet("head", butane, rapid.SampledFrom([]string{"ata-C", "coreos-boot-disk"}).Draw(t, "disk"))
				if schemas.Fatal(findings) {
					return // the commit changes nothing
				}
				accepted++
				preview, err := ignition.NewPreview(fleet.Hosts["web-1"])
				if err != nil {
					t.Fatal(err)
				}
				plan := review.Compare(inventory.Fleet{}, fleet, review.Known{}).RenderText()
				for _, device := range touchedDevices(t, preview.Ignition) {
					if !strings.Contains(plan, device) {
						t.Errorf("the rendered config touches %s, which the plan does not name:\n%s\n%s", device, butane, plan)
					}
				}
			})
			if accepted < 10 {
				t.Errorf("%d configs were accepted: the property proves nothing", accepted)
			}
		})
	}
}

// touchedDevices gives the devices that a config would open: cleaned paths, without those that the config makes, and
// without those of the disk that the image is on.
func touchedDevices(t *rapid.T, config []byte) []string {
	var c struct {
		Storage struct {
			Disks []struct {
				Device     string
				Partitions []struct{ Label string }
			}
			Filesystems []struct{ Device string }
			Raid        []struct {
				Name    string
				Devices []string
			}
			Luks []struct{ Name, Device string }
		}
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	touched := map[string]bool{}
	ours := []string{"/dev/disk/by-id/coreos-boot-disk", "/dev/disk/by-partlabel/root"}
	for _, disk := range c.Storage.Disks {
		touched[path.Clean(disk.Device)] = true
		for _, p := range disk.Partitions {
			ours = append(ours, "/dev/disk/by-partlabel/"+p.Label) // the disk itself is named
		}
	}
	for _, system := range c.Storage.Filesystems {
		touched[path.Clean(system.Device)] = true
	}
	for _, array := range c.Storage.Raid {
		ours = append(ours, "/dev/md/"+array.Name)
		for _, device := range array.Devices {
			touched[path.Clean(device)] = true
		}
	}
	for _, volume := range c.Storage.Luks {
		touched[path.Clean(volume.Device)] = true
		ours = append(ours, "/dev/mapper/"+volume.Name)
	}
	for _, device := range ours {
		delete(touched, device)
	}
	return slices.Sorted(maps.Keys(touched))
}

// TestCompareConfigs wants equal differences together, cut, and none where nothing differs.
func TestCompareConfigs(t *testing.T) {
	t.Parallel()
	const motd = "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /etc/motd, contents: {inline: %q}}\n"
	fleetOf := func(commit, text string) inventory.Fleet {
		fleet, findings := readFleet(commit, fmt.Sprintf(motd, text), "ata-C")
		if schemas.Fatal(findings) {
			t.Fatal(findings)
		}
		second := fleet.Hosts["web-1"]
		second.ID, second.Name = "web-2", "web-2"
		fleet.Hosts["web-2"] = second
		return fleet
	}
	for name, test := range map[string]struct {
		before, after string
		lines, cut    int
	}{
		"nothing":    {before: "a", after: "a"},
		"a line":     {before: "a", after: "b", lines: 9},
		"many lines": {before: "a", after: strings.Repeat("b\n", 300), lines: 200, cut: 110},
	} {
		base, head := fleetOf("base", test.before), fleetOf("head", test.after)
		got := fleets.CompareConfigs(base, head, review.Compare(base, head, review.Known{}))
		if test.lines == 0 {
			if len(got) > 0 {
				t.Errorf("%s: differences %v", name, got)
			}
			continue
		}
		if len(got) != 1 || !slices.Equal(got[0].Hosts, []string{"web-1", "web-2"}) ||
			strings.Count(got[0].Diff, "\n") != test.lines || got[0].Cut != test.cut {
			t.Errorf("%s: differences %+v, want one of %d lines, %d cut", name, got, test.lines, test.cut)
		}
	}
}
