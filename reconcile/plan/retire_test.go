package plan_test

import (
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// retire has a machine leave the fleet with its root disk erased.
func (m *model) retire() {
	m.commit(func(d *inventory.Desired) {
		d.Lifecycle = schemas.Retired
		retirement.Apply(d, schemas.Retire{Disks: schemas.RetireDisks{"root"}, Policy: "clear"}, schemas.Position{})
	})
}

// A machine with somebody's data waits for the consent, is erased once, and is off; nothing is done to it any more.
func TestARetiredMachineIsErasedOnce(t *testing.T) {
	t.Parallel()
	m := newModel("content:data", inventory.PoweredOff)
	m.retire()
	p := m.settles(t)
	if p.Hold == nil || p.Hold.Reason != change.NeedsConsent || len(p.Hold.Consents) != 1 || len(m.ran) > 0 {
		t.Fatalf("hold %+v after %v", p.Hold, m.ran)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	m.run(600)
	p = m.settles(t)
	last := m.record.Last
	if p.Phase != plan.Retired || m.power != inventory.PoweredOff || m.disk != inventory.ContentBlank || m.record.Installed != nil ||
		last == nil || last.Kind != inventory.Erase || last.Outcome != inventory.Succeeded || !slices.Equal(m.ran, []string{"erase-disks 1"}) {
		t.Errorf("phase %s, power %s, disk %s, last %+v, ran %v", p.Phase, m.power, m.disk, last, m.ran)
	}
	boots := m.boots
	m.commit(func(*inventory.Desired) {})
	m.run(100)
	m.ok(t)
	if m.boots != boots || len(m.ran) != 1 {
		t.Errorf("a retired machine was booted: %d boots, ran %v", m.boots-boots, m.ran)
	}
}

// A machine in service is asked to go off and is erased; an erase that fails three times is no retirement, and the system is not
// Active again.
func TestAFailedEraseIsNoRetirement(t *testing.T) {
	t.Parallel()
	m := newModel("content:data", inventory.PoweredOff)
	m.retire()
	p := m.settles(t)
	m.scriptFails = schemas.StepErase
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	m.run(600)
	p = m.settles(t)
	m.ok(t)
	if last := m.record.Last; p.Phase != plan.Held || p.Hold.Reason != change.ConsentSpent || last.Outcome != inventory.Quarantined ||
		!slices.Equal(m.ran, []string{"erase-disks 1", "erase-disks 2", "erase-disks 3"}) {
		t.Errorf("phase %s, hold %+v, last %+v, ran %v", p.Phase, p.Hold, last, m.ran)
	}
	m.scriptFails = ""
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	m.run(600)
	if p := m.settles(t); p.Phase != plan.Retired {
		t.Errorf("phase %s, hold %+v after another consent", p.Phase, p.Hold)
	}
}

// A file that is changed back, protected or deleted before leave ends the operation, and nothing is written.
func TestARetirementIsTakenBackBeforeLeave(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(*inventory.Desired){
		"reverted":  func(d *inventory.Desired) { d.Retires, d.Workload = false, nil },
		"managed":   func(d *inventory.Desired) { d.Retires, d.Workload, d.Lifecycle = false, nil, schemas.Managed },
		"protected": func(d *inventory.Desired) { d.Protect = true },
		"deleted":   func(d *inventory.Desired) { d.Retires, d.Workload, d.Lifecycle = false, nil, "" },
		"consent":   func(d *inventory.Desired) { d.Consent.Erase = nil },
	} {
		turns := 0
		for began := false; !began; turns++ {
			m := newModel("content:data", inventory.PoweredOff)
			m.retire()
			p := m.settles(t)
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
			m.run(turns)
			began = len(m.began) > 0
			m.commit(back)
			m.run(300)
			m.ok(t)
			if !began && (m.disk != "content:data" || len(m.ran) > 0) {
				t.Fatalf("%s after %d turns: disk %s, ran %v", name, turns, m.disk, m.ran)
			}
		}
		if turns < 10 {
			t.Errorf("%s: leave was given after %d turns", name, turns)
		}
	}
}
