package plan_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// What is known of a host is known of one machine. When the fleet gives the name to another, that one is not taken for it: a system that runs there is
// not ours to stop, and not the one that was installed; until the fleet says so.
func TestAnotherMachineUnderTheName(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*inventory.Desired){
		"the same workload": func(*inventory.Desired) {},
		"another workload": func(d *inventory.Desired) {
			d.Workload = workload("cccccccccccccccc",
				schemas.OnConsent)
		},
		"off": func(d *inventory.Desired) { d.Power = schemas.PowerOff },
	} {
		m := active(t)
		m.commit(edit)
		m.commit(func(d *inventory.Desired) { d.Identity.Serial = "SN2" })
		o := m.observe()
		o.BMC.System = inventory.System{Serial: "SN2", UUID: anotherUUID}
		p := nextAt(m.desired, o, m.now)
		if p.Action != nil || p.Hold == nil || p.Hold.Reason != change.IdentityMismatch {
			t.Errorf("%s: plan %+v, want it held", name, p)
		}
		m.commit(func(d *inventory.Desired) { d.Consent.Takeover = p.Hold.Takeover })
		if p := nextAt(m.desired, o, m.now); p.Hold != nil && p.Hold.Reason == change.IdentityMismatch {
			t.Errorf("%s, taken over: plan %+v", name, p)
		}
	}
}

// A takeover is for the machine it names: another one behind the same BMC address is not handed over with it.
func TestATakeoverIsForOneMachine(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOn)
	m.desired.Identity.Serial = ""
	m.takeOver(t)
	m.until(t, act.RecordTakeover)
	o := m.observe()
	o.BMC.System.Serial = "SN2"
	if p := nextAt(m.desired, o, m.now); p.Action != nil || p.Hold == nil || p.Hold.Reason != change.IdentityMismatch {
		t.Errorf("plan %+v, want it held", p)
	}
}
