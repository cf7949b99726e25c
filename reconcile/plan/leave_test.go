package plan_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// A configuration that stops letting update: Reinstall stand for consent takes that leave from an operation that was not armed.
func TestConfigurationTakesLeaveBack(t *testing.T) {
	t.Parallel()
	m := active(t)
	disk := m.disk
	m.commit(func(d *inventory.Desired) { d.Workload = workload(target, schemas.Reinstall) })
	m.until(t, act.RecordFacts)
	m.desired.Reinstallable = false
	if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsConsent || m.disk != disk {
		t.Errorf("ended %+v with %q", p, m.disk)
	}
}

// A record may come from the status branch, which somebody may have edited: an operation in it gives no leave of its own.
func TestAnOperationNobodyAllowed(t *testing.T) {
	t.Parallel()
	for name, disk := range map[string]inventory.OperationDisk{
		"no consent":           {Content: foundOnDisk, Erases: true},
		"not said to erase":    {Content: foundOnDisk},
		"said to be ours":      {Content: "install:i1"},
		"a consent of another": {Content: foundOnDisk, Erases: true, Consent: "DISK1/0000000000000000"},
	} {
		m := newModel(foundOnDisk, inventory.PoweredOff)
		m.desired.Consent.Erase, disk.Disk = []string{disk.Consent}, rootDisk
		op := inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Published, Attempt: 1,
			Started: m.now, Disks: []inventory.OperationDisk{disk}}
		op.Workload, op.Inputs, op.Update = m.desired.Workload.Name, m.desired.Workload.Inputs,
			m.desired.Workload.Update
		m.record.Operation, m.published["o1"] = &op, true
		if p := m.settles(t); p.Phase != plan.Held || m.disk != foundOnDisk {
			t.Errorf("%s: ended %+v with %q", name, p, m.disk)
		}
	}
}
