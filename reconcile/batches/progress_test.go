package batches_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/batches"
)

// TestOpenBatches: results are swept only of batches that get no more.
func TestOpenBatches(t *testing.T) {
	t.Parallel()
	ended := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v := batches.New()
	v.Restore(runs.State{Workload: "pi", Batch: &runs.Batch{ID: "b3"}, Before: &runs.Batch{ID: "b2"}, Done: []string{"b1"}}, true)
	v.Restore(runs.State{Workload: "done", Batch: &runs.Batch{ID: "b1", Ended: ended}}, true)
	v.Restore(runs.State{Workload: "torn", Unreadable: "unexpected end"}, true)
	for _, c := range []struct {
		workload, batch string
		want            bool
	}{
		{"pi", "b3", true}, {"pi", "b2", true}, {"pi", "b1", false},
		{"done", "b1", false}, {"torn", "b1", true}, {"deleted", "b1", false},
	} {
		if got := v.IsOpen(c.workload, c.batch); got != c.want {
			t.Errorf("IsOpen(%s, %s) = %v, want %v", c.workload, c.batch, got, c.want)
		}
	}
}
