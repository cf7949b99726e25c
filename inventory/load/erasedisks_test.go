package load_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/steps"
)

// erasingFleet is a fleet whose workload begins with erase-disks with these arguments.
func erasingFleet(args string) map[string]string {
	return stepFleet("  steps: [{step: erase-disks, args: {"+args+"}}, {step: install}]\n", "  disks: {data: [{serial: S2}]}\n")
}

// TestEraseDisks resolves erase-disks: the disks of the arguments are those that the step writes to, and what is asked
// counts as inputs.
func TestEraseDisks(t *testing.T) {
	t.Parallel()
	w := loadWorkload(t, erasingFleet("disks: [data, root], policy: purge"))
	first := w.Steps[0]
	if diff := cmp.Diff([]string{"data", "root"}, first.Writes); diff != "" || first.Looks || first.Script != nil || first.Seconds != 720*60*60 {
		t.Errorf("step = %+v, writes (-want +got):\n%s", first, diff)
	}
	if got, want := first.ReadErase(), (steps.Erase{Policy: "purge"}); got != want {
		t.Errorf("ReadErase = %+v, want %+v", got, want)
	}
	if got, want := loadWorkload(t, erasingFleet("disks: [data], policy: purge, orClear: true")).Steps[0].ReadErase(),
		(steps.Erase{Policy: "purge", OrClear: true}); got != want {
		t.Errorf("ReadErase = %+v, want %+v", got, want)
	}
	inputs := map[string]string{}
	for _, args := range []string{"disks: [data], policy: clear", "disks: [data], policy: purge", "disks: [root], policy: clear", "disks: [data, root], policy: clear", "disks: [data], policy: purge, orClear: true"} {
		fleet, findings := load.Fleet(snapshot(erasingFleet(args)), nil)
		if len(findings) > 0 {
			t.Fatal(findings)
		}
		now := fleet.Hosts["web-1"].Workload.Inputs
		if other, has := inputs[now]; has {
			t.Errorf("%q and %q have the same inputs", other, args)
		}
		inputs[now] = args
	}
}

// TestDocumentedErase loads the YAML about erase-disks of docs/steps.md.
func TestDocumentedErase(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Erasing disks\n\n```yaml\nkind: Workload\nspec:\n")
	block, _, ended := strings.Cut(section, "```")
	if !found || !ended {
		t.Fatal("docs/steps.md has no block about erasing")
	}
	w := loadWorkload(t, stepFleet(block, "  disks: {data: [{serial: S2}]}\n"))
	if len(w.Steps) != 2 || w.Steps[0].Name != "erase-disks" || len(w.Steps[0].Writes) != 2 {
		t.Errorf("steps = %+v", w.Steps)
	}
}
