package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

func keptOffBy(keys ...string) func(*inventory.Desired) {
	return func(d *inventory.Desired) { d.OffBy = keys }
}

// TestAMachineIsKeptOff keeps a machine in service off, whatever spec.power says, and lets it go again key by key.
func TestAMachineIsKeptOff(t *testing.T) {
	t.Parallel()
	for _, power := range []string{"", schemas.PowerOn, schemas.PowerUnmanaged, schemas.PowerOff} {
		m := active(t)
		m.commit(func(d *inventory.Desired) { d.Power = power })
		m.settles(t)
		m.commit(keptOffBy("ups", "memtest"))
		if p := m.settles(t); m.power != inventory.PoweredOff || p.Phase != plan.Active || p.Waits != "kept off by ups, memtest (spec.offBy)" {
			t.Fatalf("power %q: %s and %s, %q; want it off", power, m.power, p.Phase, p.Waits)
		}
		m.commit(keptOffBy("memtest"))
		if p := m.settles(t); m.power != inventory.PoweredOff || p.Waits != "kept off by memtest (spec.offBy)" {
			t.Errorf("power %q, one key taken out: %s, %q; want it off", power, m.power, p.Waits)
		}
		m.commit(keptOffBy())
		on := power == "" || power == schemas.PowerOn
		if p := m.settles(t); (m.power == inventory.PoweredOn) != on || p.Waits != "" {
			t.Errorf("power %q, no key: %s, %q; want it on: %t", power, m.power, p.Waits, on)
		}
		m.ok(t)
	}
}

// TestNothingBeginsOnAMachineThatIsKeptOff asks for a system while somebody keeps the machine off: nothing is booted
// before the last key is gone.
func TestNothingBeginsOnAMachineThatIsKeptOff(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.commit(keptOffBy("ups"))
	p := m.settles(t)
	if m.boots != 0 || p.Phase != plan.Waiting || p.Waits != "kept off by ups (spec.offBy): nothing is installed before" {
		t.Errorf("%d boots, plan %+v; want it to wait", m.boots, p)
	}
	m.commit(keptOffBy())
	if p := m.settles(t); p.Phase != plan.Active {
		t.Errorf("no key any more: %+v, want it installed", p)
	}
	m.ok(t)
}

// TestASystemThatNobodyKnowsIsNotPoweredOff keeps a machine off that runs what ingot did not start: it is left alone.
func TestASystemThatNobodyKnowsIsNotPoweredOff(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOn)
	m.commit(keptOffBy("ups"))
	p := m.settles(t)
	if slices.Contains(m.done, act.PowerOff) || m.power != inventory.PoweredOn || !strings.Contains(p.Waits, "it is not powered off") {
		t.Errorf("did %v, plan %+v; want the machine left alone", m.done, p)
	}
}

// TestAnOperationMeetsAKey has somebody keep a machine off at every look of an install: what has written nothing ends, and
// the machine is off; what has begun to write goes on to a verified system, which is started when the last key is gone.
func TestAnOperationMeetsAKey(t *testing.T) {
	t.Parallel()
	began, stopped := 0, 0
	for looks := range 60 {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		for range looks {
			m.look(nowhere)
			m.pass(20 * time.Second)
		}
		begun := m.record.Operation != nil && m.record.Operation.HasBegun()
		m.commit(keptOffBy("ups"))
		starts := 0
		if m.record.Operation != nil {
			starts = m.record.Operation.Starts
		}
		p := m.settles(t)
		op := m.record.Operation
		switch {
		case m.power != inventory.PoweredOff:
			t.Errorf("a key at look %d: the machine is %s, %+v", looks, m.power, p)
		case begun && m.record.Installed == nil && (op == nil || !op.Verified()):
			t.Errorf("a key at look %d, which had begun: operation %+v, want a verified system", looks, op)
		case begun && op != nil && op.Starts > starts:
			t.Errorf("a key at look %d: the system was started", looks)
		case !begun && op != nil:
			t.Errorf("a key at look %d: operation %+v goes on", looks, op)
		case begun:
			began++
		default:
			stopped++
		}
		m.commit(keptOffBy())
		if p := m.settles(t); p.Phase != plan.Active || m.power != inventory.PoweredOn {
			t.Errorf("a key at look %d, and none any more: %s, %+v", looks, m.power, p)
		}
		m.ok(t)
	}
	if began < 3 || stopped < 3 {
		t.Errorf("%d keys met a write, %d none: the test proves little", began, stopped)
	}
}

// TestAKeyAndAHold shows what a held install waits for beside the key.
func TestAKeyAndAHold(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOff)
	held := m.settles(t)
	m.commit(keptOffBy("ups"))
	if p := m.settles(t); held.Hold == nil || p.Hold == nil || p.Hold.Reason != held.Hold.Reason || p.Phase != plan.Held ||
		!strings.HasPrefix(p.Waits, "kept off by ups") {
		t.Errorf("plan %+v, want the hold %+v and the key", p, held.Hold)
	}
}
