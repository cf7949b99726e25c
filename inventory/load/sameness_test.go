package load_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
)

// TestSpellingOfAButaneFileIsNoChange changes a Butane file and its files in ways that Butane does not see, and in ways that
// it does.
func TestSpellingOfAButaneFileIsNoChange(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: ingot.dev/v1alpha1\nkind: "
	const butane = "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /etc/site\n      mode: 0644\n" +
		"      contents: {local: site.conf}\n  trees:\n    - local: tree\n      path: /opt\n"
	type edit func(files map[string]inventory.File)
	of := func(change edit) *inventory.Workload {
		t.Helper()
		s := snapshot(map[string]string{
			"hosts/a.yaml": head + "Host\nmetadata: {name: a}\nspec:\n  bmc: {address: \"https://10.0.0.1\", credentials: bmc}\n" +
				"  workload: web\n  rootDisk: {serial: D1}\n",
			"secrets/bmc.yaml": secretfile.BMC,
			"workloads/web.yaml": head + "Workload\nmetadata: {name: web}\nspec:\n  install:\n    image: {url: \"https://images.example.com/os.raw\", sha256: " +
				strings.Repeat("ab", 32) + "}\n    butane: workloads/web.bu\n",
			"workloads/web.bu": butane, "workloads/site.conf": "site\n", "workloads/tree/run": "#!/bin/sh\n",
		})
		change(s.Trunk.Files)
		fleet, findings := load.Fleet(s, nil)
		w := fleet.Hosts["a"].Workload
		if w == nil {
			t.Fatalf("no workload: %v", findings)
		}
		return w
	}
	edited := func(path string, replace func(string) string) edit {
		return func(files map[string]inventory.File) {
			old := files[path]
			next := blob(replace(string(old.Data)))
			next.Executable = old.Executable
			files[path] = next
		}
	}
	swap := func(old, next string) func(string) string {
		return func(text string) string { return strings.ReplaceAll(text, old, next) }
	}
	executable := func(path string) edit {
		return func(files map[string]inventory.File) {
			file := files[path]
			file.Executable = true
			files[path] = file
		}
	}
	before := of(func(map[string]inventory.File) {})
	for name, test := range map[string]struct {
		change edit
		same   bool
	}{
		"a comment":                 {edited("workloads/web.bu", func(s string) string { return "# why\n" + s }), true},
		"line endings":              {edited("workloads/web.bu", swap("\n", "\r\n")), true},
		"quotes":                    {edited("workloads/web.bu", swap("/etc/site", `"/etc/site"`)), true},
		"the order of fields":       {edited("workloads/web.bu", swap("variant: fcos\nversion: 1.5.0\n", "version: 1.5.0\nvariant: fcos\n")), true},
		"the Butane file's mode":    {executable("workloads/web.bu"), true},
		"the mode of a file":        {executable("workloads/site.conf"), true},
		"the mode below a tree":     {executable("workloads/tree/run"), false},
		"another number":            {edited("workloads/web.bu", swap("0644", "0600")), false},
		"a number in another base":  {edited("workloads/web.bu", swap("0644", "420")), true},
		"the spelling of a name":    {edited("workloads/web.bu", swap("local: site.conf", "local: ./site.conf")), true},
		"the spelling of a tree":    {edited("workloads/web.bu", swap("local: tree", "local: ./tree/")), true},
		"a file's bytes inline":     {edited("workloads/web.bu", swap("{local: site.conf}", `{inline: "site\n"}`)), true},
		"another path":              {edited("workloads/web.bu", swap("/etc/site", "/etc/place")), false},
		"a number as text":          {edited("workloads/web.bu", swap("0644", `"0644"`)), false},
		"bytes of a file":           {edited("workloads/site.conf", swap("\n", "\r\n")), false},
		"another kernel argument":   {edited("workloads/web.yaml", func(s string) string { return s + "    kernelArguments: [quiet]\n" }), false},
		"a comment in the Workload": {edited("workloads/web.yaml", func(s string) string { return "# why\n" + s }), true},
	} {
		after := of(test.change)
		if got := after.IsSystem(before); got != test.same {
			t.Errorf("%s: the same system: %t, want %t", name, got, test.same)
		}
	}
}

// TestSharedFilesAreInputs loads a fleet in a directory of the repository whose Butane config names a file of a shared
// directory: the file's bytes are part of the inputs, also where the load before is reused. Without the settings the name
// leaves the directory.
func TestSharedFilesAreInputs(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: ingot.dev/v1alpha1\nkind: "
	sources := func(shared, content string) inventory.Sources {
		s := snapshot(map[string]string{
			"ingot.yaml": head + "Fleet\nmetadata: {name: fleet}\nspec:\n  shared: [" + shared + "]\n",
			"hosts/a.yaml": head + "Host\nmetadata: {name: a}\nspec:\n  bmc: {address: \"https://10.0.0.1\", credentials: bmc}\n" +
				"  workload: web\n  rootDisk: {serial: D1}\n",
			"secrets/bmc.yaml": secretfile.BMC,
			"workloads/web.yaml": head + "Workload\nmetadata: {name: web}\nspec:\n  install:\n    image: {url: \"https://images.example.com/os.raw\", sha256: " +
				strings.Repeat("ab", 32) + "}\n    butane: workloads/web.bu\n",
			"workloads/web.bu": "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /etc/motd\n      contents: {local: ../../../shared/motd}\n",
		})
		s.Trunk.Path = "fleets/a"
		s.Trunk.Shared = map[string]inventory.File{"shared/motd": blob(content), "shared/other": blob("other")}
		return s
	}
	before, findings, cache := load.FleetWithCache(load.Cache{}, sources("shared", "one"), nil)
	if len(findings) > 0 || string(before.Hosts["a"].Workload.Butane.Files["../../../shared/motd"]) != "one" {
		t.Fatalf("findings %v, files %q: want the shared file", findings, before.Hosts["a"].Workload.Butane.Files)
	}
	after, _, cache := load.FleetWithCache(cache, sources("shared", "two"), nil)
	if after.Hosts["a"].Workload.IsSystem(before.Hosts["a"].Workload) {
		t.Error("another content of the shared file is the same system")
	}
	again, _, _ := load.FleetWithCache(cache, sources("shared", "two"), nil)
	if got, want := again.Hosts["a"].Workload.Inputs, after.Hosts["a"].Workload.Inputs; got != want {
		t.Errorf("inputs %s, want %s as before", got, want)
	}
	if _, findings := load.Fleet(sources("elsewhere", "one"), nil); len(findings) != 1 ||
		!strings.Contains(findings[0].Message, "leaves the directory workloads") {
		t.Errorf("findings %v, want the name refused", findings)
	}
}
