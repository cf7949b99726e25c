package load_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
)

const biosSteps = "kind: Step\nmetadata: {name: bios}\nspec:\n  bmc: {bios: {Virtualization: Enabled, Cores: 8, Quiet: true, Site: \"in ${vars.site}\"}}\n  apply: InTurn\n" +
	"---\n" + apiVersion + "kind: Step\nmetadata: {name: tag}\nspec: {timeout: 90m, bmc: {bios: {Tag: x}}}\n" +
	"---\n" + apiVersion + "kind: Step\nmetadata: {name: other}\nspec: {bmc: {bios: {Cores: 16}}}\n"

func settingsFleet(workload, host string) map[string]string {
	files := stepFleet(workload, host)
	files["steps/bios.yaml"] = apiVersion + biosSteps
	return files
}

func loadHost(t *testing.T, files map[string]string) inventory.Workload {
	t.Helper()
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return *fleet.Hosts["web-1"].Workload
}

// Settings are no part of the steps of an operation, and of nothing that decides whether a host differs.
func TestSettingsAreNoPartOfTheInputs(t *testing.T) {
	t.Parallel()
	bare := loadHost(t, stepFleet("", ""))
	with := loadHost(t, settingsFleet("  steps: [{step: bios}, {step: install}]\n", "  steps: [{step: tag, after: bios, timeout: 2h}]\n"))
	if diff := cmp.Diff(bare.Parts, with.Parts); diff != "" || bare.Inputs != with.Inputs {
		t.Errorf("the parts of the inputs differ (-without +with):\n%s", diff)
	}
	if len(with.Steps) != 1 || with.Steps[0].Name != "install" || len(with.Settings) != 2 {
		t.Fatalf("steps %+v, settings %+v", with.Steps, with.Settings)
	}
	bios, tag := with.Settings[0], with.Settings[1]
	want := map[string]any{"Virtualization": "Enabled", "Cores": 8.0, "Quiet": true, "Site": "in fra1"}
	if diff := cmp.Diff(want, bios.Bios); diff != "" || !bios.InTurn || bios.Seconds != 3600 || bios.Host {
		t.Errorf("bios = %+v (-want +got):\n%s", bios, diff)
	}
	if tag.InTurn || tag.Seconds != 7200 || !tag.Host || tag.From.File != "hosts/web-1.yaml" {
		t.Errorf("tag = %+v", tag)
	}
}

func TestFindingsOfSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ workload, host, want string }{
		"behind the install":  {"  steps: [{step: install}, {step: bios}]\n", "", "workloads/stepped.yaml:6:28: error: step \"bios\" changes settings of the BMC, and stands behind \"install\", which runs in the ramdisk"},
		"behind a script":     {"  steps: [{step: look}, {step: bios}, {step: install}]\n", "", "stands behind \"look\""},
		"two values":          {"  steps: [{step: bios}, {step: other}, {step: install}]\n", "", "step \"other\" sets the BIOS attribute Cores to 16, and step \"bios\" to 8"},
		"arguments":           {"  steps: [{step: bios, args: {a: b}}, {step: install}]\n", "", "spec.steps[0].args: Step \"bios\" changes settings of the BMC, and takes no args"},
		"attempts and a when": {"  steps: [{step: bios, attempts: 2, when: \"true\"}, {step: install}]\n", "", "takes no attempts"},
		"of a host, behind":   {"  steps: [{step: install}]\n", "  steps: [{step: tag, after: install}]\n", "hosts/web-1.yaml"},
	} {
		_, findings := load.Fleet(snapshot(settingsFleet(test.workload, test.host)), nil)
		var text strings.Builder
		for _, f := range findings {
			text.WriteString(f.String() + "\n")
		}
		if !strings.Contains(text.String(), test.want) {
			t.Errorf("%s: findings %q, want %q", name, text.String(), test.want)
		}
	}
	for value, want := range map[string]string{"${vars.missing}": "spec.vars.missing: the field is missing", "${secret.bmc.password}": "a BIOS attribute cannot be a secret"} {
		files := settingsFleet("  steps: [{step: bios}, {step: install}]\n", "")
		files["steps/bios.yaml"] = strings.Replace(files["steps/bios.yaml"], "${vars.site}", value, 1)
		_, findings := load.Fleet(snapshot(files), nil)
		if len(findings) != 1 || !strings.Contains(findings[0].String(), want) {
			t.Errorf("findings %v, want %q", findings, want)
		}
	}
}

// What the plug-ins of a list are asked stands in front of every step, and behind no setting.
func TestSettingsBesidePlugins(t *testing.T) {
	t.Parallel()
	files := settingsFleet("  steps: [{step: bios}, {step: raid}, {step: install}]\n", "")
	files["steps/raid.yaml"] = apiVersion + "kind: Step\nmetadata: {name: raid}\nspec: {writes: [], plugins: [{path: steps/run.sh, step: create}]}\n"
	if w := loadHost(t, files); len(w.Settings) != 1 || w.Steps[len(w.Steps)-1].Name != "install" {
		t.Errorf("settings %+v, steps %+v", w.Settings, w.Steps)
	}
}
