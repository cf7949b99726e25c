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

// atBMC are the actions that reach a machine through its BMC.
var atBMC = []act.Kind{act.PowerOff, act.PowerOn, act.EjectMedia, act.InsertMedia, act.BootFromMedia,
	act.BootFromDisk}

// An address in the fleet that leads to another machine's BMC, from whatever moment on and however long it lasts: that machine is not touched.
func TestAnotherMachineBehindTheBMC(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	looks := 0
	for ; m.record.Installed == nil && looks < 400; looks++ {
		leavesStrangerAlone(t, m)
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	if m.record.Installed == nil {
		t.Fatalf("not installed after %v", m.done)
	}
	leavesStrangerAlone(t, m)
	m.desired.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent)
	leavesStrangerAlone(t, m)
}

// leavesStrangerAlone plays the daemon's next two hours with a stranger's BMC at the host's address.
func leavesStrangerAlone(t *testing.T, m *model) {
	t.Helper()
	for _, running := range []inventory.PowerState{inventory.PoweredOn, inventory.PoweredOff} {
		for _, power := range []string{schemas.PowerOn, schemas.PowerOff} {
			desired, record, now := m.desired, m.record, m.now
			desired.Power = power
			for range 120 {
				now = now.Add(time.Minute)
				o := m.observe()
				o.Record, o.BMC.At, o.BMC.Power, o.BMC.System.Serial = record, now, running, "SN2"
				o.BMC.Override.Target = "None"
				p := nextAt(desired, o, now)
				if p.Action == nil {
					continue
				}
				if slices.Contains(atBMC, p.Action.Kind) {
					t.Fatalf("%s of another machine (it is %s, spec.power %s) with record %+v", p.Action.Kind, running,
						power, record)
				}
				record = act.Begin(record, m.identified(*p.Action), now)
			}
		}
	}
}

// After a failed attempt the disk may hold anything. When the fleet asks for something else by then, or takes the consent back, the next attempt
// would write what nobody asked for: it does not start, and what is left is erased only with a consent that names it.
func TestNoNextAttemptForAChangedFleet(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*inventory.Desired){
		"no workload":      func(d *inventory.Desired) { d.Workload = nil },
		"another workload": func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent) },
		"no consent":       func(d *inventory.Desired) { d.Consent.Erase = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := failedOnce(t)
			before := len(m.done)
			m.commit(change)
			m.halfWritten = false
			p := m.settles(t)
			if slices.Contains(m.done[before:], act.AssignStep) {
				t.Errorf("another attempt began: %v", m.done[before:])
			}
			last := m.record.Last
			if m.record.Operation != nil || last == nil || last.Outcome != inventory.Quarantined ||
				m.power != inventory.PoweredOff {
				t.Errorf("the machine is %s, the operation ended as %+v", m.power, last)
			}
			if m.desired.Workload != nil &&
				(p.Phase != plan.Held || !slices.Contains(p.Hold.Consents, inventory.EraseConsent(hostName, rootDisk, "failed:"+last.ID,
					m.desired.Workload.Inputs))) {
				t.Errorf("ended %s with %+v", p.Phase, p.Hold)
			}
		})
	}
}

// failedOnce is a machine whose first attempt has failed in the middle of the write.
func failedOnce(t *testing.T) *model {
	t.Helper()
	m := newModel(foundOnDisk, inventory.PoweredOff)
	m.desired.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen,
		m.desired.Workload.Inputs)}
	m.halfWritten = true
	for range 400 {
		m.look(nowhere)
		if o := m.record.Operation; o != nil && o.Attempt == 2 {
			return m
		}
		m.pass(5 * time.Second)
	}
	t.Fatalf("no attempt failed: %v", m.done)
	return nil
}

// While the job is being written, a changed fleet waits for its end.
func TestAWriteThatHasBegunEnds(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	for range 100 {
		if m.agent.Job.Begun {
			break
		}
		m.look(nowhere)
		if len(m.done) > 100 {
			t.Fatalf("no job began: %v", m.done)
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	m.commit(func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent) })
	p := m.settles(t)
	if i := m.record.Installed; i == nil || i.Inputs != "aaaaaaaaaaaaaaaa" || p.Hold == nil ||
		p.Hold.Reason != change.NeedsConsent {
		t.Errorf("ended %+v with %+v", p, m.record.Installed)
	}
}

// A BMC that does not answer says nothing about the machine, least of all that it is off and may be started.
func TestNoAnswerIsNotOff(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	again := false
	for range 400 {
		o := m.observe()
		o.BMC = inventory.BMCState{At: m.now, Reach: inventory.Unreachable, Error: "no answer"}
		for _, later := range []time.Duration{0, time.Minute, time.Hour} {
			p := nextAt(m.desired, o, m.now.Add(later))
			if p.Action != nil && slices.Contains(atBMC, p.Action.Kind) {
				t.Fatalf("%s without an answer from the BMC, record %+v", p.Action.Kind, m.record)
			}
		}
		m.look(nowhere)
		if o := m.record.Operation; o != nil && o.Starts > 0 && m.record.Boot.Stage == inventory.Running &&
			m.record.Boot.Attempt == 1 {
			m.stop() // before it phones home the started machine goes off, and is prepared again
			m.now = m.now.Add(time.Minute)
			again = true
		}
		m.pass(5 * time.Second)
	}
	if m.record.Installed == nil || !again {
		t.Fatalf("installed: %+v, prepared again: %t, after %v", m.record.Installed, again, m.done)
	}
}
