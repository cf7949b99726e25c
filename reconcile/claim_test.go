package reconcile_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// isOnlyShown reports whether a record of a machine has nothing but what its BMC showed: without a host that the fleet
// leads to the machine, the record owns nothing.
func isOnlyShown(r inventory.Record) bool { return r.Untouched() && r.Epoch == 0 }

// wantOneOwner asserts that one record, and no other, is of a machine.
func (w *world) wantOneOwner(t *testing.T, serial string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	owners := map[inventory.MachineID]inventory.Record{}
	for id, e := range w.records {
		_, asked := w.fleet.Hosts[id]
		if pin := e.Record.BMC; pin != nil && pin.Serial == serial && (asked || !isOnlyShown(e.Record)) {
			owners[id] = e.Record
		}
	}
	if len(owners) != 1 {
		t.Errorf("%s is owned by %+v, want one owner", serial, owners)
	}
}

// TestALateWriteMakesNoSecondOwner has the first write of a host's record arrive an hour late, or without an answer.
// Meanwhile the fleet gives the machine another id: before the daemon knows that there is no answer, before it looks
// again, and after that. One id owns the machine in the end.
func TestALateWriteMakesNoSecondOwner(t *testing.T) {
	for name, at := range map[string]time.Duration{
		"while the write is waited for": 5 * time.Second,
		"when it is given up":           journalTimeout + time.Second/10,
		"when the record is read again": journalTimeout + 2*time.Minute,
	} {
		for _, fate := range []journaltest.Fate{journaltest.Late, journaltest.Unanswered} {
			t.Run(name+", it "+string(fate), func(t *testing.T) {
				run(t, func(t *testing.T) {
					w := newWorld(1)
					w.writes.Hold = func(arrive func()) { time.AfterFunc(time.Hour, arrive) }
					w.writes.SetFates(journaltest.Answered, fate) // the commit is accepted first
					again := desired("host-0000")
					again.ID, again.Name = "again", "again"
					d := w.daemon(t, reconcile.Limits{})
					after(at)
					w.commit("2", again)
					d.RefreshSource()
					after(3 * time.Hour)
					d.end(t)
					w.wantOneOwner(t, serial("host-0000"))
					if m := w.machines["host-0000"]; m.installs > 1 {
						t.Errorf("%d installs", m.installs)
					}
				})
			})
		}
	}
}

// TestTwoLooksAtOneMachine has two hosts look at one machine at the same time, by two ways to its BMC, and decide
// before either has written anything: one of them has the machine, and the other one is held.
func TestTwoLooksAtOneMachine(t *testing.T) {
	const answered, late = journaltest.Answered, journaltest.Late
	for name, fates := range map[string][]journaltest.Fate{
		"writes are answered":            nil,
		"the first write is late":        {answered, answered, late},
		"the first has no answer":        {answered, answered, journaltest.Unanswered},
		"the first two never arrive":     {answered, answered, journaltest.Lost, journaltest.Lost},
		"the second look's is late":      {answered, answered, answered, late},
		"both are late":                  {answered, answered, late, late},
		"what overtakes is not answered": {answered, answered, late, journaltest.Unanswered, late},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				w.writes.Hold = func(arrive func()) { time.AfterFunc(time.Hour, arrive) }
				w.writes.SetFates(fates...)
				one, other := desired("host-0000"), desired("host-0000")
				other.ID, other.Name = "other", "other"
				one.Identity, other.Identity = schemas.Identity{}, schemas.Identity{}
				other.BMC.Address = "https://10.0.0.8/redfish/v1/Systems/host-0000"
				w.commit("2", one, other)
				d := w.run(t, reconcile.Config{
					Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w,
					NewID: func() string { // it was decided that a boot is due
						<-time.After(time.Second)
						return w.newID()
					},
				})
				after(3 * time.Hour)
				phases := d.phases()
				d.end(t)
				w.wantOneOwner(t, serial("host-0000"))
				if m := w.machines["host-0000"]; m.installs != 1 || phases[plan.Active] != 1 || phases[plan.Held] != 1 {
					t.Errorf("%d installs, phases %v, want one host Active and one Held", m.installs, phases)
				}
			})
		})
	}
}

// TestAFirstBootClaimsTheMachine has a look decide on the first boot of a machine, and the fleet give the machine to
// another host before the boot is written: the host is gone, or is led to another machine. The other host has it.
func TestAFirstBootClaimsTheMachine(t *testing.T) {
	for name, moved := range map[string][]inventory.Desired{
		"the host is gone":      nil,
		"the host is elsewhere": {desired("host-0001")},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				one, other := desired("host-0000"), desired("host-0000")
				other.ID, other.Name = "other", "other"
				for i := range moved {
					moved[i].ID, moved[i].Name = one.ID, one.Name
				}
				w.commit("2", one)
				var waited atomic.Bool
				d := w.run(t, reconcile.Config{
					Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w,
					NewID: func() string {
						w.mu.Lock()
						decided := w.records[one.ID].Record.BMC != nil // that the first boot is due
						w.mu.Unlock()
						if decided && !waited.Swap(true) {
							<-time.After(10 * time.Minute)
						}
						return w.newID()
					},
				})
				after(time.Minute)
				w.commit("3", append(moved, other)...)
				d.RefreshSource()
				after(3 * time.Hour)
				d.end(t)
				w.wantOneOwner(t, serial("host-0000"))
				if m := w.machines["host-0000"]; m.installs != 1 || w.records["other"].Record.Installed == nil {
					t.Errorf("%d installs, want the one of the other host", m.installs)
				}
			})
		})
	}
}

// TestAForgetThatIsNotDoneFreesNoMachine has two hosts with one machine, of which one is held, and the other one
// forgotten by a write that never arrives, or an hour late. The machine may be the other one's still, so nobody else
// takes the machine for a new one meanwhile.
func TestAForgetThatIsNotDoneFreesNoMachine(t *testing.T) {
	for _, fate := range []journaltest.Fate{journaltest.Lost, journaltest.Late} {
		t.Run("it "+string(fate), func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				w.writes.Hold = func(arrive func()) { time.AfterFunc(time.Hour, arrive) }
				d := w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				m := w.machines["host-0000"]
				one, other := desired("host-0000"), desired("host-0000")
				one.Power, other.ID, other.Name = schemas.PowerOff, "other", "other"
				one.Identity, other.Identity = schemas.Identity{}, schemas.Identity{}
				other.BMC.Address = "https://10.0.0.8/redfish/v1/Systems/host-0000"
				w.commit("2", one, other)
				d.RefreshSource()
				after(time.Hour)
				w.writes.SetFates(fate)
				forgotten := make(chan error, 1)
				go func() { forgotten <- d.ForgetHost(t.Context(), "host-0000") }()
				after(time.Second)
				d.RequestLook("other")
				if err := <-forgotten; err == nil {
					t.Error("it is forgotten, and the journal did not say so")
				}
				after(3 * time.Hour)
				d.end(t)
				w.wantOneOwner(t, serial("host-0000"))
				if m.boots != 1 || m.installs != 1 {
					t.Errorf("%d boots, %d installs: %v", m.boots, m.installs, m.done)
				}
			})
		})
	}
}

// TestAMoveThatIsNotWrittenFreesNoMachine gives a host that was booted once, and nothing more, another machine, and
// the write that says so never arrives. Another host asks for the machine before meanwhile.
func TestAMoveThatIsNotWrittenFreesNoMachine(t *testing.T) {
	const answered, late, lost = journaltest.Answered, journaltest.Late, journaltest.Lost
	asks := func(machine int, id string) claim {
		return claim{machine: machine, name: id, id: id, inputs: "0123456789abcdef"}
	}
	h := history{
		merges: []merge{
			{claims: []claim{asks(0, "one")}, wait: time.Second, restart: "away"},
			{claims: []claim{asks(0, "one")}, wait: 5 * time.Second, restart: "away"},
			{claims: []claim{asks(0, "another"), asks(1, "one")}, wait: time.Minute, restart: "killed"},
			{claims: []claim{asks(0, "other")}, wait: 15 * time.Second, restart: "killed"},
		},
		fates:  []journaltest.Fate{late, answered, late, lost, answered, lost}, // the last one is of the move
		delays: []time.Duration{time.Second, time.Second},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, wrong := range ownersAfter(t, h) {
			t.Error(wrong)
		}
	})
}
