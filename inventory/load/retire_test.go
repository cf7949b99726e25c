package load_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// TestARetirementComesFromTheTrunk retires a host of a ring: the erase is the trunk's, whatever the release runs, and it is known
// whether the release says the same.
func TestARetirementComesFromTheTrunk(t *testing.T) {
	t.Parallel()
	with := func(spec string) map[string]string {
		files := ringFleet(imageA)
		files["hosts/prod-1.yaml"] = hostFile("prod-1", "  workload: web\n"+spec)
		return files
	}
	const retire = "  lifecycle: Retired\n  retire: {disks: all, policy: purge}\n"
	for name, test := range map[string]struct {
		release  map[string]string
		commit   string
		released bool
	}{
		"the release runs the workload":        {with(""), "1", false},
		"the release is Retired alone":         {with("  lifecycle: Retired\n"), "1", false},
		"the release says another policy":      {with("  lifecycle: Retired\n  retire: {disks: all, policy: clear}\n"), "1", false},
		"the release says the same":            {with(retire), "1", true},
		"the release is the accepted commit":   {with(retire), "2", true},
		"the release does not have the host":   {ringFleet(imageB), "1", false},
		"the ring runs nothing yet, so no tag": {nil, "", false},
	} {
		if name == "the release does not have the host" {
			delete(test.release, "hosts/prod-1.yaml")
		}
		sources := inventory.Sources{Trunk: commit("2", with(retire))}
		if test.release != nil {
			sources.Releases = map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: commit(test.commit, test.release)}}
		}
		d := fleetOf(t, sources).Hosts["prod-1"]
		if !d.Retires || d.Lifecycle != schemas.Retired || d.Pending != "" || d.Release != d.Commit || d.RetireReleased != test.released {
			t.Errorf("%s: %+v", name, d)
		}
		if w := d.Workload; w == nil || len(w.Steps) != 1 || w.Steps[0].Name != schemas.StepErase || w.Steps[0].ReadErase().Policy != "purge" || w.Image.SHA256 != "" {
			t.Errorf("%s: workload %+v", name, w)
		}
	}
	if d := fleetOf(t, inventory.Sources{Trunk: commit("2", with("  lifecycle: Retired\n"))}).Hosts["prod-1"]; d.Retires {
		t.Errorf("Retired alone: %+v", d)
	}
}

// TestDocumentedRetirement loads the YAML about retiring of docs/steps.md.
func TestDocumentedRetirement(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Retiring a machine\n")
	_, block, documented := strings.Cut(section, "```yaml\nkind: Host\nmetadata: {name: web-3}\nspec:\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !documented || !ended {
		t.Fatal("docs/steps.md has no block about retiring")
	}
	files := ringFleet(imageA)
	files["hosts/canary-1.yaml"] = hostFile("canary-1", block)
	if d := fleetOf(t, inventory.Sources{Trunk: commit("2", files)}).Hosts["canary-1"]; !d.Retires {
		t.Errorf("the documented host is %+v", d)
	}
}
