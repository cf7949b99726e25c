package load_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/load"
)

// TestInputsOfOlderLists pins the inputs of every list of steps that ingot 4176809 can read. If this test fails, merging the change
// reinstalls fleets on the day they upgrade ingot: do not change what it wants, change the code back.
func TestInputsOfOlderLists(t *testing.T) {
	t.Parallel()
	const name = "inputs/steps-4176809.txtar"
	files, archive := archived(t, name)
	fleet, findings := load.Fleet(snapshot(files), nil)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	got := ""
	for _, id := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		w := fleet.Hosts[id].Workload
		got += fmt.Sprintf("%s inputs %s steps %s\n", id, w.Inputs, w.Parts["steps"])
	}
	want := &archive.Files[len(archive.Files)-1]
	if diff := cmp.Diff(string(want.Data), got); want.Name != "want" || diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
}
