package reconcile_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestNoEffectBeforeTheClaim starts a daemon whose pushes are refused: it observes the machine, does nothing to it, and
// writes nothing of it into the journal. Once pushes are taken, the fleet's page names the daemon, and it goes on.
func TestNoEffectBeforeTheClaim(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.refused = errors.New("only bots may push here")
		d := w.run(t, reconcile.Config{
			Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w, Host: "ctl-1",
		})
		after(time.Hour)
		m := w.machines["host-0000"]
		if len(m.looks) == 0 || len(m.done) > 0 || len(w.records) > 0 || w.last != (journal.LastLife{}) {
			t.Errorf("%d looks, did %v, %d records, %+v", len(m.looks), m.done, len(w.records), w.last)
		}
		if h, _ := d.ViewHost("host-0000"); !strings.Contains(h.Outcome.Why, "status branch can be pushed") {
			t.Errorf("the host says %+v", h.Outcome)
		}
		w.mu.Lock()
		w.refused = nil
		w.mu.Unlock()
		after(time.Hour)
		d.end(t)
		fleet, err := status.ParseFleet(w.branch[status.FleetPath])
		if err != nil || fleet.Daemon == nil || fleet.Daemon.Host != "ctl-1" || fleet.Daemon.Life != w.last.Life ||
			w.last.Life.Number != 1 || m.installs != 1 {
			t.Errorf("%+v, %v; the journal has %+v; %d installs", fleet.Daemon, err, w.last, m.installs)
		}
		if board := string(w.branch[status.BoardPath]); !strings.Contains(board, "Run by the daemon on ctl-1 since ") {
			t.Errorf("the board:\n%s", board)
		}
	})
}

// fullJournal is a journal without space for the last life.
type fullJournal struct {
	*world
	full atomic.Bool
}

func (j *fullJournal) KeepLife(ctx context.Context, last journal.LastLife) error {
	if j.full.Load() {
		return errors.New("no space")
	}
	return j.world.KeepLife(ctx, last)
}

// TestAClaimThatTheJournalDidNotTake has the journal fail after the push that claims: the daemon pushes again at a slow
// pace, though no page differs, and claims the fleet when the journal answers.
func TestAClaimThatTheJournalDidNotTake(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		j := &fullJournal{world: w}
		j.full.Store(true)
		d := w.run(t, reconcile.Config{
			Source: w, Load: w.load, Journal: j, Observer: w, Executor: w, Publisher: w, Host: "ctl-1",
		})
		after(time.Hour)
		w.mu.Lock()
		if count := len(w.pushes); count < 2 || count > 100 || w.machines["host-0000"].installs > 0 {
			t.Errorf("%d pushes and %d installs within an hour", count, w.machines["host-0000"].installs)
		}
		w.mu.Unlock()
		j.full.Store(false)
		after(time.Hour)
		d.end(t)
		if w.last.Life.Number != 1 || w.machines["host-0000"].installs != 1 {
			t.Errorf("the journal has %+v; %d installs", w.last, w.machines["host-0000"].installs)
		}
	})
}

// TestTheFirstPushOfALifeIsTheClaim has every push written down: the first of a start has the fleet's page alone, which
// says what it said before.
func TestTheFirstPushOfALifeIsTheClaim(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		for life := uint64(1); life <= 3; life++ {
			before := w.snapshot()
			w.mu.Lock()
			pushes := len(w.pushes)
			w.mu.Unlock()
			d := w.daemon(t, reconcile.Limits{})
			after(time.Second)
			w.mu.Lock()
			now := maps.Clone(w.branch)
			if len(w.pushes) != pushes+1 || w.pushes[pushes].files != 1 {
				t.Errorf("life %d: %d pushes more, want one of one file", life, len(w.pushes)-pushes)
			}
			w.mu.Unlock()
			fleet, err := status.ParseFleet(now[status.FleetPath])
			if err != nil || fleet.Daemon.Life.Number != life {
				t.Fatalf("life %d: %+v, %v", life, fleet.Daemon, err)
			}
			if was, err := status.ParseFleet(before[status.FleetPath]); life > 1 {
				if was.Daemon = fleet.Daemon; err != nil || string(was.Encode()) != string(fleet.Encode()) {
					t.Errorf("life %d: the fleet's page was\n%s\nand is\n%s", life, was.Encode(), fleet.Encode())
				}
			}
			after(time.Hour)
			d.end(t)
		}
	})
}

// TestAnOlderJournalIsBehindTheBranch puts the journal of an earlier moment back: the pages count, with the accepted
// commit of the branch, and the machines are installed once.
func TestAnOlderJournalIsBehindTheBranch(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newReinstallable(2)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		w.mu.Lock()
		records, accepted, last := maps.Clone(w.records), w.accepted, w.last
		w.mu.Unlock()
		w.reinstall(2)
		d = w.daemon(t, reconcile.Limits{})
		after(2 * time.Hour)
		d.end(t)
		w.mu.Lock()
		w.records, w.accepted, w.last = records, accepted, last
		w.mu.Unlock()
		d = w.daemon(t, reconcile.Limits{})
		after(2 * time.Hour)
		phases := d.phases()
		d.end(t)
		for _, id := range slices.Sorted(maps.Keys(w.machines)) {
			if m, r := w.machines[id], w.records[id].Record; m.installs != 2 || r.Installed == nil || r.Recovered == nil {
				t.Errorf("%s: %d installs, %+v", id, m.installs, r)
			}
		}
		if phases[plan.Active] != 2 || w.recalled != w.sources.Trunk.Commit || w.last.Life.Number != 3 {
			t.Errorf("phases %v, recalled %q, %+v", phases, w.recalled, w.last)
		}
	})
}

// TestAnUnclaimedLifeWritesNoRecord restores pages into a lost journal while pushes are refused: the records keep the
// life and revision of their pages, so that what another daemon writes meanwhile is newer.
func TestAnUnclaimedLifeWritesNoRecord(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		page, err := status.Page(status.Path("host-0000"), w.branch[status.Path("host-0000")])
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		clear(w.records)
		w.accepted, w.last, w.refused = journal.Accepted{}, journal.LastLife{}, errors.New("no")
		w.mu.Unlock()
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.end(t)
		got := w.records[inventory.MachineID("host-0000")].Record
		if got.Life != page.Life || got.Revision != page.Revision || got.Recovered == nil {
			t.Errorf("life %+v, revision %d, want the page's %+v, %d", got.Life, got.Revision, page.Life, page.Revision)
		}
	})
}
