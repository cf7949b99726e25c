package load_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/schemas"
)

// picky finds fault with Butane configs, vars and files that say so.
type picky struct{}

func (picky) Check(b inventory.Butane) inventory.Translation {
	shape := string(bytes.ReplaceAll(b.Source, []byte("${vars.unit}"), []byte(b.Vars["unit"])))
	for _, data := range b.Files {
		shape += string(data)
	}
	if at := strings.Index(shape, "FAULT"); at >= 0 {
		return inventory.Translation{Findings: []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Error, Message: "a fault: " + shape[at:min(len(shape), at+6)]}}}
	}
	return inventory.Translation{Room: 1 << 20}
}

// editedFleet has everything in it that one file can have to do with another.
func editedFleet() map[string]string {
	files := ringFleet(imageA)
	files["workloads/web.yaml"] = apiVersion + "kind: Workload\nmetadata: {name: web}\nspec:\n  install:\n    image: {url: \"https://images.example.com/os.zst\", sha256: \"" + imageA + "\"}\n" +
		"    butane: workloads/web.bu\n  steps: [{step: wipe}, {step: install}]\n"
	files["workloads/web.bu"] = "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /a\n      contents: {inline: \"${vars.site} ${secret.bmc.username}\"}\n    - path: /b\n      contents: {local: files/b}\n" +
		"  trees: [{local: tree}]\nsystemd:\n  units: [{name: \"${vars.unit}.service\"}]\n"
	files["workloads/files/b"], files["workloads/tree/c"] = "b\n", "c\n"
	files["workloads/db.yaml"] = workloadFile("db", imageB)
	files["steps/wipe.yaml"], files["steps/wipe.sh"] = apiVersion+"kind: Step\nmetadata: {name: wipe}\nspec: {script: steps/wipe.sh}\n", "#!/bin/sh\n"
	files["defaults/all.yaml"] = apiVersion + "kind: Defaults\nmetadata: {name: all}\nspec:\n  hosts: {allHosts: true}\n  defaults: {power: On, vars: {site: fra1, unit: u}}\n"
	files["hosts/two.yaml"] = hostFile("canary-2", "  workload: web\n") + "---\n" + hostFile("canary-3", "  workload: db\n")
	files["hosts/README.md"] = "about hosts\n"
	return files
}

// edits are what people do to one file: most of them fine, some of them wrong.
var edits = []struct {
	file string
	edit func(content string, n int) string
}{
	{"hosts/prod-1.yaml", func(s string, n int) string { return s + fmt.Sprintf("  vars: {site: s%d}\n", n) }},
	{"hosts/prod-1.yaml", func(s string, n int) string { return s + fmt.Sprintf("  vars: {unit: FAULT%d}\n", n) }},
	{"hosts/canary-1.yaml", func(s string, n int) string { return s + fmt.Sprintf("  vars: {unit: FAULT%d, site: x}\n", n) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.Replace(s, "ring: canary", "ring: prod", 1) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.Replace(s, "workload: web", "workload: none", 1) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.Replace(s, "workload: web", "workload: db", 1) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.Replace(s, "canary-1", "canary-9", 1) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.Replace(s, "name: canary-1", "name: prod-1", 1) }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return strings.ReplaceAll(s, "canary-1.example", "prod-1.example") }},
	{"hosts/prod-1.yaml", func(s string, n int) string { return s + fmt.Sprintf("  identity: {serial: SN%d}\n", n%3) }},
	{"hosts/prod-2.yaml", func(s string, n int) string { return s + fmt.Sprintf("  identity: {serial: SN%d}\n", n%3) }},
	{"hosts/prod-2.yaml", func(s string, n int) string {
		return strings.Replace(s, "name: prod-2", fmt.Sprintf("name: prod-%d, id: prod-%d", n, n%3), 1) + fmt.Sprintf("  identity: {serial: SN%d}\n", n%2)
	}},
	{"hosts/prod-3.yaml", func(_ string, n int) string {
		return strings.Replace(hostFile("prod-3", "  workload: web\n"), "name: prod-3", fmt.Sprintf("name: prod-3, id: prod-%d", n%3), 1) + fmt.Sprintf("  identity: {serial: SN%d}\n", n)
	}},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return s + "  unknown: 1\n" }},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return s + "\tbroken" }},
	{"hosts/canary-1.yaml", func(string, int) string { return "nothing: to see\n" }},
	{"hosts/canary-1.yaml", func(string, int) string { return "" }}, // deleted, as every empty one
	{"hosts/prod-2.yaml", func(string, int) string { return "" }},
	{"hosts/two.yaml", func(s string, _ int) string { return strings.Replace(s, "serial: canary-3", "serial: another", 1) }},
	{"hosts/two.yaml", func(s string, _ int) string { return s + "---\n" + workloadFile("late", imageA) }},
	{"hosts/new.yaml", func(_ string, n int) string { return hostFile(fmt.Sprintf("prod-%d", n%4), "  workload: web\n") }},
	{"hosts/new.yaml", func(string, int) string { return hostFile("free-1", "  workload: web\n  protect: true\n") }},
	{"hosts/moved.yaml", func(string, int) string { return hostFile("prod-2", "  workload: web\n") }},
	{"hosts/README.md", func(s string, n int) string { return fmt.Sprint(s, n) }},
	{"hosts/other.yaml", func(_ string, n int) string { return fmt.Sprintf("free: %d\n", n) }},
	{"workloads/web.yaml", func(s string, _ int) string { return strings.Replace(s, imageA, imageB, 1) }},
	{"workloads/web.yaml", func(s string, _ int) string { return strings.Replace(s, "workloads/web.bu", "hosts/README.md", 1) }},
	{"workloads/web.bu", func(s string, _ int) string { return strings.Replace(s, "${vars.site}", "${vars.nowhere}", 1) }},
	{"workloads/web.bu", func(s string, _ int) string { return strings.Replace(s, "local: tree", "local: ../hosts", 1) }},
	{"web.bu", func(s string, _ int) string { return "variant: fcos\nstorage: {trees: [{local: hosts}]}\n" }},
	{"workloads/db.yaml", func(s string, _ int) string { return strings.Replace(s, "\"}}}", "\"}, butane: web.bu}}", 1) }},
	{"workloads/files/b", func(s string, n int) string { return fmt.Sprint(s, n) }},
	{"workloads/files/b", func(s string, _ int) string { return "FAULTY" }},
	{"workloads/tree/d", func(s string, n int) string { return fmt.Sprint(n) }},
	{"steps/wipe.sh", func(s string, n int) string { return fmt.Sprint(s, n) }},
	{"steps/wipe.sh", func(string, int) string { return "" }},
	{"defaults/all.yaml", func(s string, n int) string {
		return strings.Replace(s, "site: fra1", fmt.Sprintf("site: fra%d", n), 1)
	}},
	{"hosts/prod-1.yaml", func(s string, n int) string {
		return s + fmt.Sprintf("  steps: [{step: look, after: install, args: {level: %d}}, {step: look, id: again, before: wipe}]\n", n%3)
	}},
	{"hosts/canary-1.yaml", func(s string, _ int) string { return s + "  steps: [{step: look, after: nowhere}]\n" }},
	{"steps/look.yaml", func(string, int) string {
		return apiVersion + "kind: Step\nmetadata: {name: look}\nspec: {script: steps/wipe.sh, writes: [], args: {type: object, properties: {level: {enum: [0, 1]}, site: {type: string}}}}\n"
	}},
	{"steps/look.yaml", func(string, int) string { return "" }},
	{"steps/look.yaml", func(s string, n int) string {
		return strings.Replace(s, "writes: []", fmt.Sprintf("writes: [], when: 'facts.%s > %d'", []string{"memory", "money"}[n%2], n), 1)
	}},
	{"steps/wipe.yaml", func(s string, _ int) string { return strings.Replace(s, "{script", "{writes: [], script", 1) }},
	{"workloads/web.yaml", func(s string, _ int) string {
		return strings.Replace(s, "{step: install}]", "{step: install}, {step: look, id: last, args: {site: \"${vars.site}\"}}]", 1)
	}},
	{"defaults/more.yaml", func(string, int) string {
		return apiVersion + "kind: Defaults\nmetadata: {name: more}\nspec:\n  hosts: {matchLabels: {ring: prod}}\n  defaults: {power: Off}\n"
	}},
	{"rings/prod.yaml", func(s string, _ int) string { return strings.Replace(s, "hosts: [prod-1]", "hosts: [prod-2]", 1) }},
	{"rings/prod.yaml", func(s string, _ int) string { return strings.Replace(s, "  tag: prod-*\n", "", 1) }},
	{"rings/third.yaml", func(string, int) string { return ringFile("third", "  hosts: {hosts: [prod-1]}\n") }},
	{"secrets/bmc.yaml", func(s string, _ int) string { return strings.Replace(s, "allHosts: true", "hosts: [prod-1]", 1) }},
	{"ingot.yaml", func(string, int) string {
		return apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {imageHosts: [elsewhere.example.com]}\n"
	}},
	{"ingot.yaml", func(string, int) string {
		return apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {failureDomain: {label: ring}}\n"
	}},
	{"hosts/canary-1.yaml", func(s string, n int) string { return strings.Repeat("# ", n) + strings.ReplaceAll(s, "\n", "\n# ") }},
	{"hosts/canary-1.yaml.bak", func(string, int) string { return editedFleet()["hosts/canary-1.yaml"] }},
	{"hosts/other.yaml", func(s string, n int) string {
		return s + "---\n# " + strings.ReplaceAll(editedFleet()["hosts/canary-1.yaml"], "\n", "\n# ") + "\n"
	}},
}

// history draws the next sources from the last ones: some files edited, or put back, or another release.
func history(t *rapid.T, last inventory.Sources, step int) inventory.Sources {
	original := editedFleet()
	next := inventory.Sources{Trunk: last.Trunk, Releases: maps.Clone(last.Releases)}
	next.Trunk.Files, next.Trunk.Commit = maps.Clone(last.Trunk.Files), fmt.Sprintf("%040d", step)
	for range rapid.IntRange(0, 3).Draw(t, "edits") {
		e := rapid.SampledFrom(edits).Draw(t, "edit")
		content := original[e.file]
		if rapid.IntRange(0, 2).Draw(t, "back") > 0 {
			content = e.edit(content, rapid.IntRange(0, 5).Draw(t, "n"))
		}
		if content == "" {
			delete(next.Trunk.Files, e.file)
		} else {
			next.Trunk.Files[e.file] = blob(content)
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "release") {
	case 0:
		next.Releases["prod"] = inventory.Release{Tag: fmt.Sprintf("prod-%d", step), Snapshot: last.Trunk}
	case 1:
		next.Releases["prod"] = inventory.Release{Tag: fmt.Sprintf("prod-%d", step), Snapshot: next.Trunk}
	case 2:
		next.Releases["prod"] = inventory.Release{Trouble: "no good tag"}
	}
	return next
}

// TestTheCacheMakesNoDifference: whatever was loaded before, and whatever is edited then, the fleet and the findings are those of a load from scratch.
func TestTheCacheMakesNoDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := snapshot(editedFleet()).Trunk
		first.Commit = strings.Repeat("a", 40)
		sources := inventory.Sources{Trunk: first, Releases: map[string]inventory.Release{"prod": {Tag: "prod-0", Snapshot: commit("b", editedFleet())}}}
		caches := []load.Cache{{}}
		for step := range 6 {
			from := rapid.IntRange(max(0, len(caches)-2), len(caches)-1).Draw(t, "cache")
			fleet, findings, cache := load.FleetWithCache(caches[from], sources, picky{})
			want, wantFindings := load.Fleet(sources, picky{})
			if diff := cmp.Diff(wantFindings, findings); diff != "" {
				t.Fatalf("step %d, findings (-from scratch +with the cache):\n%s", step, diff)
			}
			if diff := cmp.Diff(want, fleet); diff != "" {
				t.Fatalf("step %d, fleet (-from scratch +with the cache):\n%s", step, diff)
			}
			caches = append(caches, cache)
			sources = history(t, sources, step+1)
		}
	})
}

// counting counts what it was asked to check.
type counting struct{ checked *int }

func (c counting) Check(inventory.Butane) inventory.Translation {
	*c.checked++
	return inventory.Translation{Room: 1 << 20}
}

// TestConfigsAreTranslatedOnce: for all hosts whose vars differ only in the text of files, and not again when a host changes.
func TestConfigsAreTranslatedOnce(t *testing.T) {
	t.Parallel()
	checked := 0
	files := editedFleet()
	delete(files, "rings/prod.yaml")
	_, findings, cache := load.FleetWithCache(load.Cache{}, snapshot(files), counting{&checked})
	if schemas.Fatal(findings) || checked != 1 {
		t.Fatalf("%d configs were translated, want 1; findings: %v", checked, findings)
	}
	for vars, want := range map[string]int{"site: elsewhere": 1, `site: "\u0007"`: 2, "unit: other": 2} {
		checked = 1
		edited := maps.Clone(files)
		edited["hosts/prod-1.yaml"] += "  vars: {" + vars + "}\n"
		if _, findings, _ = load.FleetWithCache(cache, snapshot(edited), counting{&checked}); schemas.Fatal(findings) || checked != want {
			t.Errorf("%s: %d configs were translated in all, want %d; findings: %v", vars, checked, want, findings)
		}
	}
}

// TestAReleaseThatCannotBeTranslatedRunsNowhere, on no host of the ring.
func TestAReleaseThatCannotBeTranslatedRunsNowhere(t *testing.T) {
	t.Parallel()
	released := editedFleet()
	released["workloads/files/b"] = "FAULTY"
	sources := inventory.Sources{Trunk: commit("2", editedFleet()), Releases: map[string]inventory.Release{"prod": {Tag: "prod-1", Snapshot: commit("1", released)}}}
	fleet, findings := load.Fleet(sources, picky{})
	if schemas.Fatal(findings) {
		t.Fatalf("findings: %v", findings)
	}
	for _, name := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		if d := fleet.Hosts[name]; (d.Workload == nil) != (d.Ring == "prod") {
			t.Errorf("%s in ring %q has %+v, pending %q", name, d.Ring, d.Workload, d.Pending)
		}
	}
}
