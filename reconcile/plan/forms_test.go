package plan_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// form is what a host may ask for.
type form struct {
	name     string
	workload *inventory.Workload // nil: none
}

// TestAHostChangesItsForm has a host go from each form to each other one and back: without a workload nothing is done,
// and nothing of an operation stays in the record; what is installed stays known, so that the way back is no
// installation.
func TestAHostChangesItsForm(t *testing.T) {
	t.Parallel()
	forms := []form{{"nothing", nil}, {"an install", workload(earlier, schemas.OnConsent)},
		{"another install", workload(target, schemas.OnConsent)}}
	for _, from := range forms {
		for _, to := range forms {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				t.Parallel()
				m := newModel(inventory.ContentBlank, inventory.PoweredOff)
				m.changeForm(from.workload)
				first := m.settles(t)
				m.wantForm(t, first, from)
				boots := m.boots
				m.changeForm(to.workload)
				second := m.settles(t)
				if held := from.workload != nil && to.workload != nil && from.name != to.name; held {
					if second.Phase != plan.Held || second.Hold.Consents == nil || m.boots != boots {
						t.Fatalf("%d boots, plan %+v, want it held for a consent", m.boots-boots, second)
					}
					m.changeForm(from.workload)
					m.wantForm(t, m.settles(t), from)
					return
				}
				m.wantForm(t, second, to)
				if installed := from.workload != nil && m.boots != boots; installed {
					t.Errorf("%d boots, want none", m.boots-boots)
				}
				m.changeForm(from.workload)
				if back := m.settles(t); from.workload != nil {
					m.wantForm(t, back, from)
				}
				m.ok(t)
			})
		}
	}
}

func (m *model) changeForm(workload *inventory.Workload) {
	m.commit(func(d *inventory.Desired) { d.Workload = workload })
}

// wantForm wants the record to be of a form, without a trace of another one's operation.
func (m *model) wantForm(t *testing.T, p plan.Plan, f form) {
	t.Helper()
	if m.record.Operation != nil {
		t.Errorf("%s: an operation is under way: %+v", f.name, m.record)
	}
	idle := plan.Unmanaged
	if m.record.Installed != nil {
		idle = plan.Active // what is installed goes on
	}
	switch {
	case f.workload == nil && p.Phase != idle:
		t.Errorf("%s: %+v, want nothing to do", f.name, p)
	case f.workload != nil && (p.Phase != plan.Active || m.record.Installed == nil ||
		m.record.Installed.Inputs != f.workload.Inputs):
		t.Errorf("%s: %+v, record %+v, want it installed", f.name, p, m.record)
	}
}
