package reconcile_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// used is a world whose disks hold somebody's data, and later what was installed.
type used struct{ *world }

// Observe implements reconcile.Observer.
func (u used) Observe(ctx context.Context, d inventory.Desired, r inventory.Record) inventory.Observed {
	o := u.world.Observe(ctx, d, r)
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.at(d)
	if m == nil {
		return o
	}
	onDisk := func(disks []inventory.Disk) []inventory.Disk {
		disks = slices.Clone(disks)
		disks[0].Content = inventory.Content{Signature: "sig-" + m.disk, Summary: "data " + m.disk}
		return disks
	}
	if o.Agent.Facts != nil {
		facts := *o.Agent.Facts
		facts.Disks = onDisk(facts.Disks)
		o.Agent.Facts = &facts
	}
	if o.Agent.Job.Question != nil {
		q := *o.Agent.Job.Question
		q.Disks = onDisk(q.Disks)
		o.Agent.Job.Question = &q
	}
	return o
}

// enrols gives a host the consent with which one pull request enrols and installs it: it stays in the fleet when it is spent.
func enrols(d inventory.Desired) inventory.Desired {
	d.Consent.Erase = []string{inventory.EraseConsent(d.ID, inventory.NamedDisk(d.RootDisk), inventory.ContentUnseen, d.Workload.Inputs)}
	return d
}

// fails has the journal fail the next writes of records, for so long.
func (w *world) fails(d time.Duration) {
	w.mu.Lock()
	w.owner = errors.New("etcd: deadline exceeded")
	w.mu.Unlock()
	after(d)
	w.mu.Lock()
	w.owner = nil
	w.mu.Unlock()
}

// TestWhatTheBranchKnowsIsNotForgotten enrols a machine, loses the journal or puts an older one back, powers the machine off, and has the first writes of the
// new journal fail, or none: the consent that was spent erases nothing again, and the journal knows the machine before anything else happens.
func TestWhatTheBranchKnowsIsNotForgotten(t *testing.T) {
	t.Parallel()
	lost := func(journal.Entry) (journal.Entry, bool) { return journal.Entry{}, false }
	for name, test := range map[string]struct {
		journal func(journal.Entry) (journal.Entry, bool) // what is left of it
		fails   time.Duration
	}{
		"the journal is lost":                            {lost, 0},
		"the journal is lost, and its first write fails": {lost, 500 * time.Millisecond},
		"the journal is lost, and writes fail for long":  {lost, time.Hour},
		"an older journal is back": {func(e journal.Entry) (journal.Entry, bool) {
			return journal.Entry{Record: inventory.Record{ID: e.Record.ID}, Revision: e.Revision}, true
		}, 0},
		"an older journal is back, and its first write fails": {func(e journal.Entry) (journal.Entry, bool) {
			e.Record.Epoch--
			e.Record.Installed, e.Record.Last, e.Record.Spent = nil, nil, nil
			return e, true
		}, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				w.fleet.Hosts["host-0000"] = enrols(w.fleet.Hosts["host-0000"])
				d := w.observed(t, used{w}, reconcile.Limits{})
				after(30 * time.Minute)
				d.end(t)
				m, want := w.machines["host-0000"], w.records["host-0000"].Record
				if m.installs != 1 || want.Installed == nil || len(want.Spent) != 1 {
					t.Fatalf("%d installs, record %+v: nothing to lose", m.installs, want)
				}
				e, there := test.journal(w.records["host-0000"])
				if clear(w.records); there {
					w.records["host-0000"] = e
				}
				w.accepted, m.power = journal.Accepted{}, inventory.PoweredOff
				done := len(m.done)
				d = w.observed(t, used{w}, reconcile.Limits{})
				if test.fails > 0 {
					w.fails(test.fails)
					if w.mu.Lock(); len(m.done) != done {
						t.Errorf("done without a journal: %v", m.done[done:])
					}
					w.mu.Unlock()
				}
				after(time.Hour)
				d.end(t)
				got := w.records["host-0000"].Record
				if m.installs != 1 || m.power != inventory.PoweredOn || got.Installed == nil || !slices.Equal(got.Spent, want.Spent) || got.Epoch <= want.Epoch {
					t.Errorf("%d installs, %s, record %+v, done %v: want it started from its disk, and %+v", m.installs, m.power, got, m.done[done:], want)
				}
			})
		})
	}
}

// TestAnOldPageBringsNoConsentBack enrols a machine, loses the journal, and puts the page back from before anybody looked at the machine, which is off: the consent over a
// disk nobody looked at is in the fleet still, and erases nothing.
func TestAnOldPageBringsNoConsentBack(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.fleet.Hosts["host-0000"] = enrols(w.fleet.Hosts["host-0000"])
		d := w.observed(t, used{w}, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		m, file := w.machines["host-0000"], status.Path("host-0000")
		old, err := status.Page(file, w.branch[file])
		if err != nil || m.installs != 1 {
			t.Fatalf("%v, %d installs: nothing to put back", err, m.installs)
		}
		old.Phase, old.Epoch, old.Boot, old.Installed, old.LastOperation, old.Spent, old.Hardware = plan.Held, 1, nil, nil, nil, nil, nil
		w.branch[file] = old.Encode()
		clear(w.records)
		w.accepted, m.power, m.agent = journal.Accepted{}, inventory.PoweredOff, inventory.AgentState{}
		for range 2 { // the journal knows it too
			d = w.observed(t, used{w}, reconcile.Limits{})
			after(24 * time.Hour)
			h, _ := d.ViewHost("host-0000")
			d.end(t)
			if m.installs != 1 || h.Plan.Hold == nil || h.Plan.Hold.Reason != change.ConsentForOther || len(h.Plan.Hold.Consents) == 0 {
				t.Fatalf("%d installs, %s, hold %+v, done %v: want it held, and the consent to give", m.installs, h.Plan.Phase, h.Plan.Hold, m.done)
			}
		}
	})
}
