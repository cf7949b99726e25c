package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// TestAnOlderJournalInstallsNothingAgain takes a copy of the journal at every effect of an install and puts it back a day after the machine became Active,
// while the status branch is as it was left: the machine is neither powered off nor written to, and is Active again.
func TestAnOlderJournalInstallsNothingAgain(t *testing.T) {
	t.Parallel()
	for at, effects := 1, 2; at < effects; at++ {
		t.Run(fmt.Sprintf("of effect %d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(1)
				m := w.machines["host-0000"]
				w.crashAt, w.late = at, true
				first := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				_ = first.stop()
				records, accepted, revision := maps.Clone(w.records), w.accepted, w.revision
				w.crashAt = 0
				d := w.daemon(t, reconcile.Limits{})
				after(24 * time.Hour)
				d.end(t)
				effects = max(effects, w.calls)
				done, installs := len(m.done), m.installs
				if installs != 1 || m.power != inventory.PoweredOn {
					t.Fatalf("%d installs, power %s: want one, and the machine on", installs, m.power)
				}
				m.agent = inventory.AgentState{} // the hub forgot, as its memory is in the same directory
				w.records, w.accepted, w.revision = maps.Clone(records), accepted, revision
				d = w.daemon(t, reconcile.Limits{})
				after(24 * time.Hour)
				h, _ := d.ViewHost("host-0000")
				d.end(t)
				again := slices.DeleteFunc(slices.Clone(m.done[done:]), func(k act.Kind) bool { return k == act.FetchImage })
				if m.installs != installs || len(again) > 0 || h.Plan.Phase != plan.Active {
					t.Errorf("%s, %d installs, done again: %v; hold %+v; want Active, one, and nothing", h.Plan.Phase, m.installs, again, h.Plan.Hold)
				}
				want := w.records["host-0000"].Record
				if want.Installed == nil || want.Operation != nil {
					t.Errorf("the journal has %+v, want the installed system", want)
				}
			})
		})
	}
}

// TestAConsentThatAPageHasSpentStaysSpent puts back a journal that is older than the end of an operation, and forgets on the way that its consent was used.
func TestAConsentThatAPageHasSpentStaysSpent(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		before := maps.Clone(w.records)
		e := w.records["host-0000"]
		e.Record.Spent = []string{"disk-host-0000/0123456789abcdef"}
		e.Revision++
		w.records["host-0000"], w.revision = e, e.Revision
		w.fleet.Hosts["host-0000"] = desired("host-0000")
		d = w.daemon(t, reconcile.Limits{})
		w.machines["host-0000"].hangs = true // its page changes, and is pushed
		after(time.Hour)
		d.end(t)
		w.records = map[inventory.MachineID]journal.Entry{}
		maps.Copy(w.records, before)
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		if got := w.records["host-0000"].Record.Spent; !slices.Equal(got, e.Record.Spent) {
			t.Errorf("spent: %v, want %v", got, e.Record.Spent)
		}
	})
}
