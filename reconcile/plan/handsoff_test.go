package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// The medium of a machine that is left alone goes out, and the override with it, once the machine is off; nothing else is
// done to it. Of a host that left the fleet both stay. Behind that the install goes on.
func TestTheMediumOfAMachineThatIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave func(*inventory.Desired)
		phase plan.Phase
		want  []act.Kind
	}{
		"protected": {func(d *inventory.Desired) { d.Protect = true }, plan.Protected, []act.Kind{act.BootFromDisk, act.EjectMedia}},
		"unmanaged": {func(d *inventory.Desired) { d.Lifecycle = schemas.Unmanaged }, plan.Unmanaged,
			[]act.Kind{act.BootFromDisk, act.EjectMedia}},
		"out of the fleet": {func(d *inventory.Desired) { d.Lifecycle = "" }, plan.Orphaned, nil},
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.until(t, act.BootFromMedia)
		before, done := m.desired, len(m.done)
		m.commit(test.leave)
		p := m.looks(t, 5)
		if got := m.done[done:]; p.Phase != test.phase || !slices.Equal(got, test.want) {
			t.Errorf("%s: phase %s, done %v, want %v", name, p.Phase, got, test.want)
		}
		m.commit(func(d *inventory.Desired) { *d = before })
		if p := m.settles(t); p.Phase != plan.Active || m.boots != 1 {
			t.Errorf("%s: ended %+v with %d boots after %v", name, p, m.boots, m.done)
		}
	}
}

// While the machine is on, and while a write may have begun, the medium stays.
func TestTheMediumStaysWhileItIsNeeded(t *testing.T) {
	t.Parallel()
	for _, kind := range []act.Kind{act.PowerOn, act.GiveLeave} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.until(t, kind)
		done := len(m.done)
		m.commit(func(d *inventory.Desired) { d.Protect = true })
		if kind == act.GiveLeave { // the power fails while it writes
			m.stop()
		}
		for range 40 {
			m.look(nowhere)
			m.pass(10 * time.Second)
		}
		m.ok(t)
		if got := m.done[done:]; slices.Contains(got, act.EjectMedia) || slices.Contains(got, act.BootFromDisk) {
			t.Errorf("after %s: done %v", kind, got)
		}
	}
}
