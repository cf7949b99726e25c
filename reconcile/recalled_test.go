package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestAnOldPageContinuesNothing keeps every state of the branch during an install, and puts each back after it, when the journal is lost: the page alone, and
// the whole branch. Whatever it says, the machine that runs is neither powered off nor written to, be it that its system calls again or not.
func TestAnOldPageContinuesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ whole, calls bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		whole := test.whole
		for at := 0; ; at++ {
			states := 0
			t.Run(fmt.Sprintf("state %d, %+v", at, test), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(1)
					m, page := w.machines["host-0000"], status.Path("host-0000")
					var history []map[string][]byte
					w.pushed = func() { history = append(history, maps.Clone(w.branch)) }
					d := w.daemon(t, reconcile.Limits{PublishEvery: time.Millisecond})
					after(time.Hour)
					d.end(t)
					states = len(history)
					if m.served = true; at >= states || m.power != inventory.PoweredOn {
						return
					}
					done := len(m.done)
					m.agent = inventory.AgentState{} // the hub's memory is gone with the journal
					if test.calls {
						m.agent.PhoneHome = &inventory.PhoneHome{Install: m.disk}
					}
					w.records, w.accepted = map[inventory.MachineID]journal.Entry{}, journal.Accepted{}
					if whole {
						w.branch = maps.Clone(history[at])
					} else if w.branch[page] = history[at][page]; w.branch[page] == nil {
						return
					}
					d = w.daemon(t, reconcile.Limits{})
					after(24 * time.Hour)
					h, _ := d.ViewHost("host-0000")
					d.end(t)
					if slices.ContainsFunc(m.done[done:], func(k act.Kind) bool { return k != act.FetchImage }) {
						t.Errorf("%s, operation %+v: done %v, want the machine left alone: %+v", h.Plan.Phase, h.Observed.Record.Operation, m.done[done:], h.Plan.Hold)
					}
				})
			})
			if at >= states {
				if states < 3 { // the inspection, the operation, and what came of it are pushed at least; the rest may share a push
					t.Fatalf("the branch had %d states: nothing was proved", states)
				}
				break
			}
		}
	}
}

// TestALostJournalInAnInstall stops the daemon at every effect of an install, and loses the journal: where the agent speaks the install goes on, without
// another boot; where nobody does it is held.
func TestALostJournalInAnInstall(t *testing.T) {
	t.Parallel()
	for at, went := 1, 0; ; at++ {
		died := false
		t.Run(fmt.Sprintf("call %d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(1)
				w.crashAt, w.late = at, true
				first := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				_ = first.stop()
				m := w.machines["host-0000"]
				died, w.crashAt = w.dead, 0
				speaks, boots, done := m.agent.Boot != "", m.boots, len(m.done)
				m.agent.PhoneHome = nil // it calls once, and the hub's memory is gone
				w.records, w.accepted = map[inventory.MachineID]journal.Entry{}, journal.Accepted{}
				d := w.daemon(t, reconcile.Limits{})
				after(2 * time.Hour)
				h, _ := d.ViewHost("host-0000")
				phase := h.Plan.Phase
				d.end(t)
				if m.installs > 1 || m.boots > max(boots, 1) {
					t.Errorf("%d installs, %d boots: %v then %v", m.installs, m.boots, m.done[:done], m.done[done:])
				}
				if h.Plan.Hold != nil && h.Plan.Hold.Reason == change.Recalled && m.power == inventory.PoweredOn && len(m.done) != done {
					t.Errorf("held, but done: %v", m.done[done:])
				}
				if record := h.Observed.Record; speaks && record.Unproved() {
					t.Errorf("%s: its agent speaks, and %+v does not go on", phase, record)
				}
				if phase == plan.Active {
					went++
				}
			})
		})
		if !died {
			if at < 10 || went < at/2 {
				t.Fatalf("%d calls, %d went on to the end: nothing was proved", at, went)
			}
			break
		}
	}
}

// TestAPersonEndsWhatIsNotProved stops the daemon when a machine is armed, and loses the journal and the machine: nobody speaks, and the host is held. A person
// has the host forgotten, as the hold says, with the source away or not.
func TestAPersonEndsWhatIsNotProved(t *testing.T) {
	personEnds(t, reconcile.Limits{PublishEvery: time.Millisecond}, func(*world) {})
}

// TestAPersonEndsWhatIsNotWanted has the page say that the machine is not armed, and the fleet ask for something else meanwhile.
func TestAPersonEndsWhatIsNotWanted(t *testing.T) {
	personEnds(t, reconcile.Limits{}, func(w *world) {
		changed := desired("host-0000")
		workload := *changed.Workload
		workload.Inputs = "fedcba9876543210"
		changed.Workload = &workload
		w.commit("2", changed)
	})
}

func personEnds(t *testing.T, limits reconcile.Limits, meanwhile func(*world)) {
	t.Helper()
	run(t, func(t *testing.T) {
		w := newWorld(1)
		m := w.machines["host-0000"]
		w.watch = func() {
			if m.installs == 1 {
				w.die()
			}
		}
		d := w.daemon(t, limits)
		after(time.Hour)
		_ = d.stop()
		w.watch, m.agent = nil, inventory.AgentState{}
		clear(w.records)
		w.accepted = journal.Accepted{}
		meanwhile(w)
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost("host-0000")
		d.end(t)
		if h.Plan.Hold == nil || h.Plan.Hold.Reason != change.Recalled {
			t.Fatalf("%s, hold %+v, want it held", h.Plan.Phase, h.Plan.Hold)
		}
		before := w.records["host-0000"].Record
		if !before.Unproved() || !strings.Contains(h.Plan.Hold.Message, "ingot forget host-0000") {
			t.Errorf("the journal has %+v, hold %+v: want what is not proved there, as such", before, h.Plan.Hold)
		}
		d = w.daemon(t, reconcile.Limits{})
		after(time.Minute)
		if err := d.ForgetHost(t.Context(), "host-0000"); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		h, _ = d.ViewHost("host-0000")
		d.end(t)
		got := h.Observed.Record
		if h.Plan.Hold == nil || h.Plan.Hold.Reason != change.FoundRunning || got.Operation != nil ||
			got.Epoch <= before.Epoch || got.Forgotten != got.Epoch {
			t.Errorf("%s, hold %+v, record %+v, want a machine of which nobody knows anything", h.Plan.Phase,
				h.Plan.Hold, got)
		}
		page, err := status.Page(status.Path("host-0000"), w.branch[status.Path("host-0000")])
		if err != nil || page.Operation != nil || page.Forgotten != got.Epoch || page.Phase != plan.Held {
			t.Errorf("the page is %+v, %v", page, err)
		}
	})
}
