package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
)

// TestInputsOfExamples compares the inputs of each host of the examples with a golden that no version changes unless the
// example was changed: other inputs of the same fleet would reinstall every machine at an upgrade of ingot.
func TestInputsOfExamples(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, name := range []string{"coreos-install", "lifecycle", "production", "steps"} {
		c := newClone(t)
		if err := os.CopyFS(c.dir, os.DirFS(filepath.Join("../../examples", name))); err != nil {
			t.Fatal(err)
		}
		c.git("add", "--all")
		c.git("commit", "--quiet", "--message", "fleet")
		c.git("tag", "v1")
		fleet, _, err := fleets.NewReader(c.dir).ReadFleet("HEAD", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range slices.Sorted(maps.Keys(fleet.Hosts)) {
			if w := fleet.Hosts[id].Workload; w != nil {
				fmt.Fprintf(&text, "%s %s inputs %s config %q meaning %q targets %s\n", name, id, w.Inputs, w.Config, w.Meaning, w.Made().Targets())
			}
		}
	}
	golden := filepath.Join("testdata", "inputs.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("inputs of the examples (-want +got; -update writes them, after a change of an example):\n%s", diff)
	}
}
