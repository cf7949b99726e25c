package load_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/rules"
)

// stepFleet is a fleet of one host, whose Workload and file list the given steps.
func stepFleet(workload, host string) map[string]string {
	files := ringFleet(imageA)
	for file := range maps.Clone(files) {
		if strings.HasPrefix(file, "hosts/") || strings.HasPrefix(file, "rings/") {
			delete(files, file)
		}
	}
	files["hosts/web-1.yaml"] = hostFile("web-1", "  workload: stepped\n  vars: {site: fra1}\n"+host)
	files["workloads/stepped.yaml"] = apiVersion + "kind: Workload\nmetadata: {name: stepped}\nspec:\n  install: {image: {url: os.raw, sha256: \"" + imageA + "\"}}\n" + workload
	files["steps/all.yaml"] = apiVersion + "kind: Step\nmetadata: {name: mend}\nspec:\n  script: steps/run.sh\n  timeout: 20m\n  attempts: 2\n  repeatable: false\n  args:\n    type: object\n    properties:\n" +
		"      site: {type: string}\n      level: {type: integer, default: 3}\n      password: {type: string, x-ingot-secret: true}\n" +
		"---\n" + apiVersion + "kind: Step\nmetadata: {name: look}\nspec: {script: steps/run.sh, writes: []}\n"
	files["steps/run.sh"] = "#!/bin/sh\n"
	return files
}

func loadSteps(t *testing.T, files map[string]string) []inventory.Step {
	t.Helper()
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	if fleet.Hosts["web-1"].Vars == nil {
		t.Error("the host has no vars")
	}
	return fleet.Hosts["web-1"].Workload.Steps
}

// TestResolvedSteps resolves one list of a Workload and a host.
func TestResolvedSteps(t *testing.T) {
	t.Parallel()
	list := loadSteps(t, stepFleet("  steps:\n    - {step: mend, id: first, args: {site: \"in ${vars.site}\", password: \"${secret.bmc.password}\"}, timeout: 5m, attempts: 4}\n    - {step: install}\n    - {step: look}\n",
		"  steps:\n    - {step: look, id: a, after: install}\n    - {step: look, id: b, after: install}\n    - {step: look, id: c, before: first}\n    - {step: look, id: d, after: b}\n"))
	var order []string
	for _, s := range list {
		order = append(order, s.Key())
	}
	if diff := cmp.Diff([]string{"c", "first", "install", "a", "b", "d", "look"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	mend := list[1]
	if mend.Name != "mend" || mend.Seconds != 300 || mend.Attempts != 4 || !mend.Once || mend.Looks || mend.Host || mend.From.File != "workloads/stepped.yaml" {
		t.Errorf("mend is %+v", mend)
	}
	if diff := cmp.Diff(map[string]any{"site": "in fra1", "level": int64(3), "password": "${secret.bmc.password}"}, mend.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]refs.Secret{"/password": {Name: "bmc", Key: "password"}}, mend.Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if added := list[0]; !added.Looks || !added.Host || added.From.File != "hosts/web-1.yaml" || added.Args != nil {
		t.Errorf("the host's step is %+v", added)
	}
}

// TestDocumentedSteps loads the YAML of docs/steps.md, with what the page leaves out.
func TestDocumentedSteps(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 12 {
		t.Fatalf("docs/steps.md has %d YAML blocks", len(blocks))
	}
	conditions := regexp.MustCompile("when: '(.*?)'").FindAllStringSubmatch(blocks[3][1], -1)
	for _, condition := range conditions {
		if _, mistake := rules.NewCompiler().Compile(condition[1]); mistake != nil || len(conditions) != 2 {
			t.Errorf("%d conditions, %s: %+v", len(conditions), condition[1], mistake)
		}
	}
	workload, host, _ := strings.Cut(blocks[2][1], "---\nkind: Host\nspec:\n")
	files := stepFleet(strings.TrimPrefix(workload, "kind: Workload\nspec:\n"), "")
	files["hosts/web-1.yaml"] = hostFile("web-1", "  workload: stepped\n"+host)
	files["steps/check.yaml"], files["steps/check-link.sh"] = blocks[0][1], "#!/bin/sh\n"
	files["steps/raid.yaml"], files["plugins/generic-raid"] = blocks[1][1], "#!/bin/sh\n"
	files["steps/web-bios.yaml"] = blocks[11][1]
	files["secrets/net.yaml"] = secretfile.SealFile(apiVersion + "kind: Secret\nmetadata: {name: net}\nspec: {scope: {allHosts: true}, data: {token: abc, password: abc}}\n" + secretfile.Marker)
	var order []string
	for _, s := range loadSteps(t, files) {
		order = append(order, s.Key())
	}
	if diff := cmp.Diff([]string{"check-link", "second-port", "install", "again"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// A var whose value looks like a reference to a secret stays a text.
func TestAVarIsNoSecret(t *testing.T) {
	t.Parallel()
	files := stepFleet("  steps: [{step: mend, args: {site: \"${vars.trap}\"}}, {step: install}]\n", "")
	files["hosts/web-1.yaml"] = strings.Replace(files["hosts/web-1.yaml"], "{site: fra1}", "{site: fra1, trap: \"${secret.bmc.password}\"}", 1)
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) != 1 || !strings.Contains(findings[0].String(), "warning: spec.vars.trap: ${secret.bmc.password} stays as it is") {
		t.Fatalf("findings %v, want a warning of the var alone", findings)
	}
	if got := fleet.Hosts["web-1"].Workload.Steps[0]; got.Args["site"] != "${secret.bmc.password}" || len(got.Secrets) != 0 {
		t.Errorf("arguments %v, secrets %v, want a text and no secret", got.Args, got.Secrets)
	}
}

// The reserved steps are what their arguments say, with the vars of the host.
func TestReservedSteps(t *testing.T) {
	t.Parallel()
	files := stepFleet("  steps: [{step: hold}, {step: wait, args: {for: \"${vars.pause}\"}}, {step: power, args: {state: \"Off\"}}, {step: power, id: up, args: {state: \"On\"}}, {step: reboot}, {step: install}]\n", "")
	files["hosts/web-1.yaml"] = strings.Replace(files["hosts/web-1.yaml"], "vars: {", "vars: {pause: 2m, ", 1)
	type is struct {
		script  string
		seconds int
		reboots bool
	}
	got := map[string]is{}
	for _, s := range loadSteps(t, files) {
		if !s.Looks && s.Name != "install" {
			t.Errorf("step %s is a part of the inputs", s.Key())
		}
		got[s.Key()] = is{string(s.Script), s.Seconds, s.Reboots}
	}
	want := map[string]is{"hold": {"", 600, false}, "wait": {"#!/bin/sh\nexec sleep 120\n", 180, false}, "power": {"", 600, true}, "up": {"", 600, false},
		"reboot": {"", 600, true}, "install": {"", 7200, false}}
	if !maps.Equal(want, got) {
		t.Errorf("steps = %+v, want %+v", got, want)
	}
}
