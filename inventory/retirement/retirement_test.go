package retirement_test

import (
	"bytes"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/schemas"
)

func retires(policy string, disks ...string) inventory.Desired {
	d := inventory.Desired{ID: "web-3", Commit: "c", RootDisk: &schemas.DiskHints{Serial: "A"}}
	retirement.Apply(&d, schemas.Retire{Disks: disks, Policy: policy}, schemas.Position{})
	return d
}

// TestARetirementIsDoneOnce: what was erased stays erased for the same policy and names, in any order and with other hints;
// anything else is another erase.
func TestARetirementIsDoneOnce(t *testing.T) {
	t.Parallel()
	asked := retires("clear", "root", "data")
	rec := inventory.Record{Last: &inventory.Operation{Kind: inventory.Erase, Outcome: inventory.Succeeded, Inputs: asked.Workload.Inputs,
		Parts: asked.Workload.Parts}}
	hinted := retires("clear", "data", "root")
	hinted.RootDisk.Serial = "B"
	for name, test := range map[string]struct {
		d    inventory.Desired
		done bool
	}{
		"the same": {asked, true}, "other hints": {hinted, true}, "another policy": {retires("purge", "root", "data"), false},
		"other disks": {retires("clear", "all"), false}, "not asked for": {inventory.Desired{}, false},
	} {
		if done := retirement.Done(test.d, rec); done != test.done {
			t.Errorf("%s: Done = %t, want %t", name, done, test.done)
		}
	}
	under := rec
	under.Operation = rec.Last
	if retirement.Done(asked, under) {
		t.Error("done while an operation is under way")
	}
}

// TestAnEraseNeedsItsReader: an earlier ingot must not decide from a record with an erase.
func TestAnEraseNeedsItsReader(t *testing.T) {
	t.Parallel()
	for kind, want := range map[inventory.OperationKind]string{inventory.Erase: `"minReader":10`, inventory.Install: `"minReader":2`} {
		body, err := format.Marshal(inventory.Record{ID: "a", Last: &inventory.Operation{ID: "op", Kind: kind}})
		if err != nil || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: %s, %v, want %s", kind, body, err, want)
		}
	}
}
