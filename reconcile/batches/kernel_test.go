package batches_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/schemas"
)

// TestAKernelWaitsForALook: a machine is claimed, looked at, and gets its run; a disk that is not blank at that look ends the
// claim.
func TestAKernelWaitsForALook(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	for name, content := range map[string]inventory.Content{"blank": {Blank: true}, "not blank": {Signature: "12"}} {
		v := batches.New()
		m := claims.Machine{Desired: inventory.Desired{ID: "m1", Name: "m1", Lifecycle: schemas.Managed, Claimable: true, BMC: &schemas.BMC{},
			Labels: map[string]string{"pool": "batch"}},
			Record: inventory.Record{ID: "m1", Epoch: 4, Facts: &inventory.Facts{Epoch: 4, Disks: []inventory.Disk{{Serial: "SN0", Content: inventory.Content{Blank: true}}}}}}
		v.SetMachine("m1", m)
		work := runs.Work{Workload: "own", Batch: "b1", Replicas: 1, Completions: 1, MatchLabels: map[string]string{"pool": "batch"}, Kernel: &runs.Kernel{}}
		v.SetFleet(batches.Fleet{Accepted: true, Works: map[string]runs.Work{"own": work}, Boots: 1}, now)
		for _, s := range v.Unsaved(now) {
			v.Settle(s)
		}
		if o := v.Order("m1", now); !o.Look || o.Next != nil || o.Waits == "" {
			t.Errorf("%s: %+v, want a look first", name, o)
		}
		if work := v.FindWork("m1"); work == nil || work.Kernel == nil {
			t.Errorf("%s: the machine has the work %+v", name, work)
		}
		m.Unready, m.Record.Epoch = "a boot that is under way", 5
		v.SetMachine("m1", m)
		if o := v.Order("m1", now); !o.Look {
			t.Errorf("%s, while it boots: %+v, want a look", name, o)
		}
		m.Unready, m.Record.Facts = "", &inventory.Facts{Epoch: 5, Disks: []inventory.Disk{{Serial: "SN0", Content: content}}}
		v.SetMachine("m1", m)
		o := v.Order("m1", now)
		if free := content.Blank; o.Look || (o.Next != nil) != free || free != (o.Workload == "own") {
			t.Errorf("%s, looked at: %+v", name, o)
		}
		if other := v.FindWork("m2"); other != nil {
			t.Errorf("another machine has the work %+v", other)
		}
	}
}
