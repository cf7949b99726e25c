package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
)

// TestForgetKeepsWhatCountsBeyondTheMachine forgets a machine: what keeps a consent from counting again, and what the
// fleet's limits count, stays.
func TestForgetKeepsWhatCountsBeyondTheMachine(t *testing.T) {
	t.Parallel()
	erased := []time.Time{time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	got := act.Forget(inventory.Record{
		ID: "web-1", Life: inventory.Life{Number: 3}, Revision: 9, Epoch: 4, Spent: []string{"S1/aa"}, Erased: erased,
		Adopted: "SN1", Installed: &inventory.Installed{ID: "i1"}, Facts: &inventory.Facts{}, Boot: &inventory.Boot{ID: "b"},
		Operation: &inventory.Operation{ID: "o1", Stage: inventory.Working,
			Disks: []inventory.OperationDisk{{Consent: "S1/bb", Begun: 1}}},
	})
	want := inventory.Record{ID: "web-1", Life: inventory.Life{Number: 3}, Revision: 9, Epoch: 5, Forgotten: 5,
		Spent: []string{"S1/aa", "S1/bb"}, Erased: erased}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Forget (-want +got):\n%s", diff)
	}
}
