package load_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/steps"
)

// pluginFleet is a fleet with one Step of plug-ins, which says what is given.
func pluginFleet(spec string) map[string]string {
	files := stepFleet("  steps: [{step: install}, {step: raid}]\n", "")
	files["plugins/raid"] = "#!/bin/sh\necho a plug-in\n"
	files["steps/raid.yaml"] = apiVersion + "kind: Step\nmetadata: {name: raid}\nspec:\n  plugins:\n    - {url: \"https://mirror.example.com/acme-raid\", sha256: " +
		imageB + ", step: create}\n    - {path: plugins/raid, step: make}\n" + spec
	return files
}

func loadWorkload(t *testing.T, files map[string]string) *inventory.Workload {
	t.Helper()
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return fleet.Hosts["web-1"].Workload
}

// TestPlugins resolves a Step of plug-ins: a step that asks them stands in front of the list, and the mirror fetches those
// with a URL.
func TestPlugins(t *testing.T) {
	t.Parallel()
	w := loadWorkload(t, pluginFleet("  reboots: true\n"))
	body := []byte("#!/bin/sh\necho a plug-in\n")
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	if first := w.Steps[0]; len(w.Steps) != 3 || first.Name != "describe" || !first.Looks || first.Seconds == 0 {
		t.Fatalf("steps = %+v", w.Steps)
	}
	want := []inventory.Plugin{{URL: "https://mirror.example.com/acme-raid", SHA256: imageB, Step: "create"},
		{Path: "plugins/raid", SHA256: digest, Step: "make", Body: body}}
	if diff := cmp.Diff(want, w.Steps[2].Plugins); diff != "" || !w.Steps[2].Reboots || w.Steps[2].Script != nil {
		t.Errorf("plug-ins (-want +got):\n%s", diff)
	}
	if !steps.Fetches(w.Image, w.Steps, imageB) || !steps.Fetches(w.Image, w.Steps, imageA) || steps.Fetches(w.Image, w.Steps, digest) || len(steps.ListFetched(w.Image, w.Steps)) != 2 {
		t.Errorf("the mirror fetches %+v", steps.ListFetched(w.Image, w.Steps))
	}
	if list := loadSteps(t, stepFleet("  steps: [{step: look}, {step: install}]\n", "")); list[0].Name != "look" {
		t.Errorf("a list without plug-ins begins with %s", list[0].Name)
	}
}

// TestInputsOfPlugins: another digest, order or step of a plug-in is another workload; another place of the same bytes is
// not, and neither is any plug-in of a step that writes nothing.
func TestInputsOfPlugins(t *testing.T) {
	t.Parallel()
	before := loadWorkload(t, pluginFleet(""))
	for name, test := range map[string]struct {
		old, next string
		file      string
		same      bool
	}{
		"other bytes":  {"echo a plug-in", "echo another", "plugins/raid", false},
		"other digest": {imageB, strings.Repeat("c", 64), "steps/raid.yaml", false},
		"other step":   {"step: make", "step: build", "steps/raid.yaml", false},
		"other URL":    {"mirror.example.com", "other.example.com", "steps/raid.yaml", true},
		"other limits": {"  plugins:", "  timeout: 3m\n  plugins:", "steps/raid.yaml", true},
	} {
		for _, spec := range []string{"", "  writes: []\n"} {
			base := before
			if spec != "" {
				base = loadWorkload(t, pluginFleet(spec))
			}
			files := pluginFleet(spec)
			files[test.file] = strings.Replace(files[test.file], test.old, test.next, 1)
			w := loadWorkload(t, files)
			if same := w.Inputs == base.Inputs; same != (test.same || spec != "") {
				t.Errorf("%s, %q: the same inputs: %t", name, spec, same)
			}
		}
	}
}

// TestHostsOfPlugins: spec.imageHosts of the fleet covers plug-ins.
func TestHostsOfPlugins(t *testing.T) {
	t.Parallel()
	files := pluginFleet("")
	files["ingot.yaml"] = apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [images.example.com]}\n"
	_, findings := load.Fleet(snapshot(files), nil)
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "steps/raid.yaml:6:13: error: spec.plugins[0].url: files are not fetched from mirror.example.com") {
		t.Errorf("findings = %v", findings)
	}
}

// TestHostsOfKernels: spec.imageHosts of the fleet covers kernels and initrds of one's own.
func TestHostsOfKernels(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("1", 64)
	files := pluginFleet("")
	files["workloads/own.yaml"] = apiVersion + "kind: Workload\nmetadata: {name: own}\nspec:\n  replicas: 1\n  hosts: {matchLabels: {a: b}}\n  run:\n" +
		"    boot:\n      kernel: {url: https://mirror.example.com/k, sha256: \"" + digest + "\"}\n      initrds: [{url: https://other.example.com/i, sha256: \"" + digest + "\"}]\n"
	files["ingot.yaml"] = apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [images.example.com, mirror.example.com]}\n"
	_, findings := load.Fleet(snapshot(files), nil)
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "error: spec.run.boot.initrds[0].url: files are not fetched from other.example.com") {
		t.Errorf("findings = %v", findings)
	}
}

// TestALargePluginIsFetched: what is over 1 MiB does not come from the commit.
func TestALargePluginIsFetched(t *testing.T) {
	t.Parallel()
	files := pluginFleet("")
	files["plugins/raid"] += strings.Repeat("#", 1<<20)
	_, findings := load.Fleet(snapshot(files), nil)
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "put it on a server: url and sha256") {
		t.Errorf("findings = %v", findings)
	}
}
