package batches_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/schemas"
)

// TestAnIdleMachineIsToldOnce: a machine that was told its next run, and cannot begin, is not named again until the run is
// another one. It would be looked at without a pause.
func TestAnIdleMachineIsToldOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 23, 12, 0, 0, time.UTC)
	w := runs.Work{Workload: "pi", Batch: "b1", Replicas: 2, Completions: 3, Keeps: true, MatchLabels: map[string]string{"pool": "batch"}}
	s := runs.State{Workload: "pi"}.Follow(w, now)
	v := batches.New()
	for _, id := range []inventory.MachineID{"m1", "m2"} {
		v.SetMachine(id, claims.Machine{Desired: inventory.Desired{ID: id, Claimable: true, Lifecycle: schemas.Managed,
			BMC: &schemas.BMC{}, Labels: w.MatchLabels}, Record: inventory.Record{ID: id, Facts: &inventory.Facts{}}})
		s.Claims = append(s.Claims, runs.Claim{Machine: string(id)})
	}
	v.Restore(s, true)
	v.SetFleet(batches.Fleet{Accepted: true, Works: map[string]runs.Work{"pi": w}, Boots: 2}, now)
	want := func(when string, ids ...inventory.MachineID) {
		t.Helper()
		for range 2 { // asking is not telling
			if got := v.Idle(now); !slices.Equal(got, ids) {
				t.Errorf("%s: %v have something new to begin, want %v", when, got, ids)
			}
		}
	}
	want("at first", "m1", "m2")
	first := v.Order("m1", now).Next
	v.Order("m2", now)
	want("both were told")
	if !v.Reserve("m1", *first, now) {
		t.Fatal("m1 does not get its run")
	}
	want("another machine took the item", "m2")
	v.Order("m2", now)
	want("told of the next item")
	counted := *s.Batch
	s.Batch = &counted
	if got := v.Settle(s); len(got) > 0 {
		t.Errorf("%v are looked at because another machine's run counts", got)
	}
}
