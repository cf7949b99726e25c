package load_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/load"
)

// mounts is a list with a Step that says more in its spec.
func mounts(list, spec string) map[string]string {
	files := stepFleet("  steps: ["+list+"]\n", "")
	files["steps/all.yaml"] = apiVersion + "kind: Step\nmetadata: {name: put}\nspec:\n  script: steps/run.sh\n" + spec
	return files
}

// TestMounts: a Step that is shown the written system is part of the inputs, and another thing than one that is not.
func TestMounts(t *testing.T) {
	t.Parallel()
	const list = "{step: install}, {step: put}"
	with := loadWorkload(t, mounts(list, "  mounts: system\n"))
	if step := with.Steps[1]; !step.Mounts || step.Looks || len(step.Writes) > 0 {
		t.Errorf("step %+v, want one that mounts, and neither looks nor writes to disks", step)
	}
	without, none := loadWorkload(t, mounts(list, "")), loadWorkload(t, mounts(list, "  mounts: none\n"))
	if with.Inputs == without.Inputs || none.Inputs != without.Inputs {
		t.Errorf("inputs %s with the system, %s with none, %s without the field; want the last two alone to be the same", with.Inputs, none.Inputs, without.Inputs)
	}
}

// TestFindingsOfMounts: a Step that is shown the written system stands behind the install, and says nothing of disks.
func TestFindingsOfMounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ list, spec, want string }{
		"in front":    {"{step: put}, {step: install}", "  mounts: system\n", "there is no installed system yet where the step stands"},
		"disks":       {"{step: install}, {step: put}", "  mounts: system\n  writes: [data]\n", "a Step that mounts the system writes to the root disk alone"},
		"a look":      {"{step: install}, {step: put}", "  mounts: system\n  writes: []\n", "a Step that mounts the system writes to the root disk alone"},
		"another":     {"{step: install}, {step: put}", "  mounts: data\n", `spec.mounts: `},
		"at the BMC":  {"{step: put}, {step: install}", "", ""},
		"of the host": {"{step: install}", "  mounts: system\n", "there is no installed system yet where the step stands"},
	} {
		files := mounts(test.list, test.spec)
		switch name {
		case "at the BMC":
			files["steps/all.yaml"] = strings.Replace(files["steps/all.yaml"], "  script: steps/run.sh\n", "  bmc: {bios: {A: b}}\n  mounts: system\n", 1)
			test.want = "spec.mounts"
		case "disks":
			files["hosts/web-1.yaml"] += "  disks: {data: [{serial: D9}]}\n"
		case "of the host":
			files["hosts/web-1.yaml"] += "  steps: [{step: put, before: install}]\n"
		}
		_, findings := load.Fleet(snapshot(files), nil)
		if len(findings) != 1 || !strings.Contains(findings[0].String(), test.want) {
			t.Errorf("%s: findings %v, want one with %q", name, findings, test.want)
		}
	}
}

// TestDocumentedMounts loads the YAML about mounts of docs/steps.md.
func TestDocumentedMounts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## The system for a script\n\n```yaml\n")
	block, _, ended := strings.Cut(section, "```")
	step, list, both := strings.Cut(block, "---\nkind: Workload\nspec:\n")
	if !found || !ended || !both {
		t.Fatal("docs/steps.md has no block about mounts")
	}
	files := stepFleet(list, "")
	files["steps/all.yaml"], files["steps/register.sh"] = apiVersion+step, "#!/bin/sh\n"
	if w := loadWorkload(t, files); len(w.Steps) != 2 || !w.Steps[1].Mounts {
		t.Errorf("steps = %+v", w.Steps)
	}
}
