package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// erasingRoot is a machine with somebody's data on its root disk, whose workload erases the disk and installs.
func erasingRoot() *model {
	m := newModel("content:data", inventory.PoweredOff)
	m.desired.Workload.Steps = []inventory.Step{{Name: schemas.StepErase, Writes: []string{schemas.RootDiskName},
		Arguments: steps.Arguments{Args: map[string]any{"disks": []any{"root"}, "policy": "clear"}}}, {Name: schemas.StepInstall}}
	return m
}

// The erase of the root disk and the install are one operation under one consent; leave for the erase comes after begun.
func TestAnEraseOfTheRootDiskNeedsOneConsent(t *testing.T) {
	t.Parallel()
	m := erasingRoot()
	p := m.settles(t)
	if p.Hold == nil || p.Hold.Reason != change.NeedsConsent || len(p.Hold.Consents) != 1 || len(m.ran) > 0 {
		t.Fatalf("hold %+v after %v", p.Hold, m.ran)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	var erased []inventory.Erased
	for range 600 {
		m.run(1)
		if op := m.record.Operation; op != nil && op.Steps[0].State == inventory.StepDone {
			if erased = op.Steps[0].Erased; op.Disks[0].Begun == 0 {
				t.Error("the disk is erased, and nothing has begun")
			}
		}
	}
	m.ok(t)
	if m.record.Installed == nil || !slices.Equal(m.ran, []string{"erase-disks 1"}) || len(m.wrote) != 1 {
		t.Errorf("ran %v, wrote %v, installed %+v", m.ran, m.wrote, m.record.Installed)
	}
	want := []inventory.Erased{{Name: "root", Serial: rootDisk.Serial, Policy: "clear", Method: "overwrite", Attempt: 1}}
	if diff := cmp.Diff(want, erased); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

// An erase that fails is no erased disk: no system is written in that attempt, and the next attempt erases again.
func TestAFailedEraseIsRepeated(t *testing.T) {
	t.Parallel()
	m := erasingRoot()
	p := m.settles(t)
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	m.scriptFails = schemas.StepErase
	for range 600 {
		if m.run(1); len(m.ran) > 0 {
			m.scriptFails = ""
		}
	}
	m.ok(t)
	if m.record.Installed == nil || !slices.Equal(m.ran, []string{"erase-disks 1", "erase-disks 2"}) || len(m.wrote) != 1 {
		t.Errorf("ran %v, wrote %v, installed %+v", m.ran, m.wrote, m.record.Installed)
	}
}
