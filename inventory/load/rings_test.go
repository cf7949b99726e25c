package load_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/schemas"
)

const (
	apiVersion = "apiVersion: ingot.dev/v1alpha1\n"
	imageA     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	imageB     = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func workloadFile(name, image string) string {
	return apiVersion + "kind: Workload\nmetadata: {name: " + name + "}\nspec: {install: {image: {url: \"https://images.example.com/os.zst\", sha256: \"" + image + "\"}}}\n"
}

func hostFile(name, more string) string {
	return apiVersion + "kind: Host\nmetadata: {name: " + name + ", labels: {ring: " + strings.Split(name, "-")[0] + "}}\nspec:\n" +
		"  bmc: {address: \"https://" + name + ".example.com/redfish/v1/Systems/1\", credentials: bmc}\n  rootDisk: {serial: " + name + "}\n" + more
}

func ringFile(name, spec string) string {
	return apiVersion + "kind: Ring\nmetadata: {name: " + name + "}\nspec:\n  hosts: {matchLabels: {ring: " + name + "}}\n" + spec
}

func ringFleet(image string) map[string]string {
	return map[string]string{
		"secrets/bmc.yaml":      secretfile.BMC,
		"workloads/web.yaml":    workloadFile("web", image),
		"hosts/canary-1.yaml":   hostFile("canary-1", "  workload: web\n"),
		"hosts/prod-1.yaml":     hostFile("prod-1", "  workload: web\n"),
		"hosts/prod-2.yaml":     hostFile("prod-2", "  workload: web\n"),
		"rings/canary.yaml":     ringFile("canary", ""),
		"rings/prod.yaml":       ringFile("prod", "  tag: prod-*\n  canaries: {hosts: [prod-1]}\n  after: [canary]\n  maxUnavailable: 2\n"),
		"docs/anything-at.yaml": "free: text\n",
	}
}

func commit(id string, files map[string]string) inventory.Snapshot {
	s := snapshot(files).Trunk
	s.Commit = strings.Repeat(id, 40)
	return s
}

func fleetOf(t *testing.T, sources inventory.Sources) inventory.Fleet {
	t.Helper()
	fleet, findings := load.Fleet(sources, nil)
	if schemas.Fatal(findings) {
		t.Fatalf("findings: %v", findings)
	}
	return fleet
}

// TestRingsRunTheirReleases has the trunk ask for another image than the release of one of two rings.
func TestRingsRunTheirReleases(t *testing.T) {
	t.Parallel()
	old, trunk := commit("1", ringFleet(imageA)), commit("2", ringFleet(imageB))
	if got := load.TagPatterns(trunk); !maps.Equal(got, map[string]string{"prod": "prod-*"}) {
		t.Errorf("the rings follow %v", got)
	}
	fleet := fleetOf(t, inventory.Sources{Trunk: trunk, Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: old}}})
	canary, prod := fleet.Hosts["canary-1"], fleet.Hosts["prod-1"]
	if canary.Workload.Image.SHA256 != imageB || canary.Release != trunk.Commit || canary.Pending != "" || canary.Ring != "canary" || canary.Canary {
		t.Errorf("the canary ring follows the trunk; it has %+v", canary)
	}
	if prod.Workload.Image.SHA256 != imageA || prod.Release != old.Commit || prod.Commit != trunk.Commit || !prod.Canary {
		t.Errorf("prod-1 runs the release as a canary; it has %+v", prod)
	}
	if want := "the trunk asks for another image; ring prod runs prod-1 until a newer tag matches prod-*"; prod.Pending != want {
		t.Errorf("prod-1 is pending: %q", prod.Pending)
	}
	if ring := fleet.Rings["prod"]; ring.Tag != "prod-1" || !slices.Equal(ring.Hosts, []inventory.MachineID{"prod-1", "prod-2"}) || ring.Spec.Limit(10) != 2 {
		t.Errorf("the ring is %+v", ring)
	}
}

// TestTheTrunkSaysWhatIsTrue has a release in which a host is not protected and hangs on another disk: the trunk's word counts at once.
func TestTheTrunkSaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	now := ringFleet(imageA)
	now["hosts/prod-1.yaml"] = strings.Replace(hostFile("prod-1", "  workload: web\n  protect: true\n"), "{serial: prod-1}", "{serial: other}", 1)
	fleet := fleetOf(t, inventory.Sources{Trunk: commit("2", now), Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: commit("1", ringFleet(imageA))}}})
	if d := fleet.Hosts["prod-1"]; !d.Protect || d.RootDisk.Serial != "other" {
		t.Errorf("the host is %+v", d)
	}
}

// TestNothingRunsWithoutARelease covers no tag, a host that the release lacks, and a release that cannot be read: no host of the ring is asked anything,
// and the trunk goes on.
func TestNothingRunsWithoutARelease(t *testing.T) {
	t.Parallel()
	without, broken := ringFleet(imageA), ringFleet(imageA)
	delete(without, "hosts/prod-1.yaml")
	broken["workloads/web.yaml"] = "apiVersion: ingot.dev/v1alpha1\nkind: Workload\nmetadata: {name: web}\nspec: {instal: {}}\n"
	for name, test := range map[string]struct {
		release inventory.Release
		pending string
	}{
		"no tag":     {inventory.Release{}, "ring prod runs nothing yet: no tag matches prod-*"},
		"bad tags":   {inventory.Release{Trouble: "tag prod-1 is not signed"}, "ring prod runs nothing yet: tag prod-1 is not signed"},
		"new host":   {inventory.Release{Tag: "prod-1", Snapshot: commit("1", without)}, "ring prod runs prod-1, which does not have the host yet"},
		"unreadable": {inventory.Release{Tag: "prod-1", Snapshot: commit("1", broken)}, "ring prod: release prod-1 has 1 errors, the first: workloads/web.yaml:4:8: error: spec.instal"},
	} {
		fleet := fleetOf(t, inventory.Sources{Trunk: commit("2", ringFleet(imageB)), Releases: map[string]inventory.Release{"prod": test.release}})
		if d := fleet.Hosts["prod-1"]; d.Workload != nil || !strings.HasPrefix(d.Pending, test.pending) {
			t.Errorf("%s: %+v is pending: %q", name, d.Workload, d.Pending)
		}
		if d := fleet.Hosts["canary-1"]; d.Workload == nil || d.Pending != "" {
			t.Errorf("%s: the other ring is disturbed: %+v", name, d)
		}
	}
}

// TestRingMistakes are findings, each with its place.
func TestRingMistakes(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(map[string]string){
		"rings/twice.yaml:5:3: error: spec.hosts: host prod-1 is in ring prod already (a host is in one ring at most)": func(f map[string]string) {
			f["rings/twice.yaml"] = apiVersion + "kind: Ring\nmetadata: {name: twice}\nspec:\n  hosts: {hosts: [prod-1]}\n"
		},
		`rings/canary.yaml:6:11: error: spec.after[0]: there is no Ring "nobody"`: func(f map[string]string) {
			f["rings/canary.yaml"] = ringFile("canary", "  after: [nobody]\n")
		},
		"rings/canary.yaml:6:3: error: spec.after: rings wait for each other in a circle": func(f map[string]string) {
			f["rings/canary.yaml"] = ringFile("canary", "  after: [prod]\n")
		},
		"rings/prod.yaml:6:3: warning: spec.canaries: no host of the ring is a canary (canaries are chosen among the ring's hosts)": func(f map[string]string) {
			f["rings/prod.yaml"] = ringFile("prod", "  canaries: {hosts: [canary-1]}\n")
		},
		"workloads/web.yaml:4:31: error: spec.install.image.url: files are not fetched from images.example.com (add it to spec.imageHosts in ingot.yaml, or take the file from one of: mirror.example.com)": func(f map[string]string) {
			f["ingot.yaml"] = apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [mirror.example.com]}\n"
		},
	} {
		files := ringFleet(imageA)
		change(files)
		_, findings := load.Fleet(inventory.Sources{Trunk: commit("1", files)}, nil)
		if !slices.ContainsFunc(findings, func(f schemas.Finding) bool { return f.String() == want }) {
			t.Errorf("want %s\nhave %v", want, findings)
		}
	}
}

// TestDefaults are filled in below what the host writes, the higher priority first, and every value knows where it comes from.
func TestDefaults(t *testing.T) {
	t.Parallel()
	files := ringFleet(imageA)
	delete(files, "rings/prod.yaml")
	files["hosts/prod-1.yaml"] = apiVersion + "kind: Host\nmetadata: {name: prod-1, labels: {ring: prod}}\nspec:\n  bmc: {address: \"https://prod-1.example.com/redfish/v1/Systems/1\"}\n" +
		"  protect: false\n  vars: {site: fra2}\n"
	files["defaults/all.yaml"] = apiVersion + "kind: Defaults\nmetadata: {name: all}\nspec:\n  hosts: {allHosts: true}\n  defaults: {power: Off, protect: true, vars: {site: fra1, tier: low}}\n"
	files["defaults/prod.yaml"] = apiVersion + "kind: Defaults\nmetadata: {name: prod}\nspec:\n  hosts: {matchLabels: {ring: prod}}\n  priority: 10\n" +
		"  defaults:\n    bmc: {credentials: bmc}\n    rootDisk: {minSize: 1GB}\n    workload: web\n    power: On\n"
	fleet := fleetOf(t, inventory.Sources{Trunk: commit("1", files)})
	d := fleet.Hosts["prod-1"]
	if d.BMC.Credentials != "bmc" || d.RootDisk.MinSize != "1GB" || d.Workload == nil || d.Power != "On" || d.Protect {
		t.Errorf("the host is %+v", d)
	}
	if from := d.Given["spec.power"].String(); from != "defaults/prod.yaml:11:12" {
		t.Errorf("spec.power comes from %s", from)
	}
	if _, given := d.Given["spec.protect"]; given {
		t.Error("spec.protect was written by the host itself")
	}
	if !fleet.Hosts["canary-1"].Protect || fleet.Hosts["canary-1"].Power != "Off" {
		t.Errorf("another host is %+v", fleet.Hosts["canary-1"])
	}

	files["defaults/prod.yaml"] = strings.Replace(files["defaults/prod.yaml"], "  priority: 10\n", "", 1)
	_, findings := load.Fleet(inventory.Sources{Trunk: commit("1", files)}, nil)
	want := "defaults/prod.yaml:10:12: error: spec.defaults.power: Defaults all (defaults/all.yaml:6:21) has another value for host prod-1, with the same priority (give one of them a higher priority)"
	if !slices.ContainsFunc(findings, func(f schemas.Finding) bool { return f.String() == want }) {
		t.Errorf("want %s\nhave %v", want, findings)
	}
}
