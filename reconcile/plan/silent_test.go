package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// starting is a machine that was installed and was powered on to start from its disk. Its system does not call while m.silent is set.
func starting(t *testing.T) *model {
	t.Helper()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.silent = true
	for range 500 {
		if op := m.record.Operation; op != nil && op.Starts > 0 {
			return m
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	t.Fatalf("it never started from its disk: %v", m.done)
	return nil
}

// writes is how many jobs were handed out.
func (m *model) writes() int {
	return len(slices.DeleteFunc(slices.Clone(m.done), func(k act.Kind) bool { return k != act.AssignStep }))
}

// looks lets the daemon look every minute for a while, and gives its last plan.
func (m *model) looks(t *testing.T, minutes int) plan.Plan {
	t.Helper()
	var p plan.Plan
	for range minutes {
		p = m.look(nowhere)
		m.pass(time.Minute)
		m.ok(t)
	}
	return p
}

func wantSilent(t *testing.T, m *model, p plan.Plan) {
	t.Helper()
	if p.Phase != plan.Held || p.Hold == nil || p.Hold.Reason != change.NoPhoneHome {
		t.Fatalf("plan = %+v, hold %+v; want it held for want of a phone call", p, p.Hold)
	}
	if op := m.record.Operation; op == nil || op.Starts == 0 || m.writes() != 1 {
		t.Fatalf("%d writes, operation %+v; want one write, and its system started", m.writes(), op)
	}
}

// The daemon, or the way to it, is away while the system comes up and calls: what was verified is not written again, and counts at the first call.
func TestASystemThatCallsWhileNobodyHearsIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	m := starting(t)
	m.pass(31 * time.Minute)
	wantSilent(t, m, m.look(nowhere))
	before := len(m.done)
	wantSilent(t, m, m.looks(t, 24*60))
	if len(m.done) > before {
		t.Errorf("a machine that is on and silent had this done to it: %v", m.done[before:])
	}
	m.silent = false
	if p := m.settles(t); p.Phase != plan.Active || m.writes() != 1 {
		t.Errorf("ended %+v after %d writes, want it Active after one", p, m.writes())
	}
}

// A clock that was ahead when the machine was started, and is put right, or jumps ahead: no deadline leads to a write.
func TestAWrongClockWritesNothing(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour} {
		m := starting(t)
		m.now = m.now.Add(jump)
		m.looks(t, 30)
		m.silent = false
		if p := m.settles(t); p.Phase != plan.Active || m.writes() != 1 {
			t.Errorf("%s: ended %+v after %d writes, want it Active after one", jump, p, m.writes())
		}
	}
}

// A system that powers itself off before it calls is started three times from its disk, then a person has to look.
func TestASystemThatPowersItselfOffIsStartedThreeTimes(t *testing.T) {
	t.Parallel()
	m := starting(t)
	starts := 1
	var p plan.Plan
	for range 600 {
		if m.power == inventory.PoweredOn && m.system == "disk" {
			m.stop()
		}
		from := len(m.done)
		p = m.look(nowhere)
		m.pass(25 * time.Second)
		m.ok(t)
		starts += len(slices.DeleteFunc(slices.Clone(m.done[from:]),
			func(k act.Kind) bool { return k != act.PowerOn }))
	}
	wantSilent(t, m, p)
	if starts != 3 {
		t.Errorf("started %d times from its disk, want 3", starts)
	}
}

// A stale Off of a machine that comes up does not have it cut.
func TestAStaleOffWhileItStartsCutsNothing(t *testing.T) {
	t.Parallel()
	m := starting(t)
	m.pass(time.Minute)
	from := len(m.done)
	m.power = inventory.PoweredOff
	m.look(nowhere)
	m.power = inventory.PoweredOn
	m.looks(t, 5)
	if slices.Contains(m.done[from:], act.PowerOff) || m.writes() != 1 {
		t.Errorf("done = %v, want no power-off", m.done[from:])
	}
}

// What ends the wait: other inputs, which ask for their own consent, no workload, or an operator, who has it started again.
func TestWhatEndsTheWaitForACall(t *testing.T) {
	t.Parallel()
	held := func(t *testing.T) *model {
		m := starting(t)
		wantSilent(t, m, m.looks(t, 40))
		return m
	}
	t.Run("other inputs", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		m.commit(func(d *inventory.Desired) { d.Workload = workload("cccccccccccccccc", schemas.OnConsent) })
		if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsConsent || m.writes() != 1 {
			t.Errorf("ended %+v, hold %+v, after %d writes", p, p.Hold, m.writes())
		}
	})
	t.Run("the consent, which was used, taken out of the file", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
		wantSilent(t, m, m.looks(t, 5))
	})
	t.Run("no workload", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		m.commit(func(d *inventory.Desired) { d.Workload = nil })
		if p := m.settles(t); p.Phase != plan.Unmanaged {
			t.Errorf("ended %+v", p)
		}
	})
	t.Run("an operator", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		from := len(m.done)
		m.retry = true
		o := m.observe()
		o.Record = act.Begin(o.Record, m.identified(*nextAt(m.desired, o, m.now).Action), m.now)
		o.Retry = false
		if p := nextAt(m.desired, o, m.now); p.Action == nil || p.Action.Kind != act.PowerOff ||
			!p.Action.Graceful {
			t.Errorf("plan = %+v, want the system asked to shut down", p)
		}
		m.looks(t, 10)
		if want := []act.Kind{act.OpenBoot, act.PowerOff, act.PowerOn}; !slices.Equal(m.done[from:], want) {
			t.Errorf("done = %v, want %v", m.done[from:], want)
		}
		wantSilent(t, m, m.looks(t, 60))
	})
}

// A system that shall call, and does not, has not come up because the workload that the fleet asks for next needs no call.
func TestTheNextWorkloadNeedsNoCall(t *testing.T) {
	t.Parallel()
	m := starting(t)
	m.commit(func(d *inventory.Desired) {
		d.Workload = workload("cccccccccccccccc", schemas.OnConsent)
		d.Workload.PhoneHome = schemas.PhoneHomeDisabled
	})
	if p := m.settles(t); m.record.Installed != nil || p.Phase != plan.Held {
		t.Errorf("ended %+v, installed %+v", p, m.record.Installed)
	}
}
