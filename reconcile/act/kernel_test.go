package act_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
)

// TestWhoWroteToTheDisks: from the opening of its boot a kernel of a user may have written to the disks, until somebody looks
// at them; a script may not.
func TestWhoWroteToTheDisks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		work runs.Work
		want string
	}{"a script": {runs.Work{Batch: "b1"}, ""}, "a kernel": {runs.Work{Batch: "b1", Kernel: &runs.Kernel{}}, "b1"},
		"an ISO": {runs.Work{Batch: "b1", ISO: &runs.Fetched{}}, "b1"}} {
		run := test.work.BeginRun(runs.Run{ID: "r-1", Batch: "b1"}, "c1")
		record := act.Begin(inventory.Record{ID: "m1"}, act.Action{Kind: act.OpenRun, Run: &run}, now)
		if record.Ran != "" {
			t.Errorf("%s: before its boot the disks are of %q", name, record.Ran)
		}
		record = act.Begin(record, act.Action{Kind: act.OpenBoot, Boot: &inventory.Boot{Target: inventory.FromRamdisk}}, now)
		if record.Ran != test.want {
			t.Errorf("%s: the disks are of %q, want %q", name, record.Ran, test.want)
		}
		record = act.Begin(record, act.Action{Kind: act.RecordFacts, Facts: &inventory.Facts{}}, now)
		if record.Ran != "" {
			t.Errorf("%s: after a look the disks are of %q", name, record.Ran)
		}
	}
}
