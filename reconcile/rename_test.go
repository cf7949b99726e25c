package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// commit has the trunk ask for exactly these hosts.
func (w *world) commit(id string, hosts ...inventory.Desired) {
	w.mu.Lock()
	defer w.mu.Unlock()
	commit := strings.Repeat(id, 40)
	w.sources.Trunk.Commit, w.fleet.Commit, w.fleet.Hosts = commit, commit, map[string]inventory.Desired{}
	for _, h := range hosts {
		h.Commit, h.Release = commit, commit
		w.fleet.Hosts[h.Name] = h
	}
}

// called is a host under another name. Its machine answers to both, as a BMC does whatever the fleet calls it.
func (w *world) called(d inventory.Desired, name string) inventory.Desired {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machines[name] = w.machines[d.Name]
	d.Former, d.Name = d.Name, name
	return d
}

// wantOnly asserts which hosts there are, everywhere: in the loop, in the journal, on the branch, in its counts.
func (w *world) wantOnly(t *testing.T, d *daemon, names ...string) {
	t.Helper()
	var known []string
	for _, h := range d.View().Hosts {
		known = append(known, h.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var pages []string
	for file, page := range w.branch {
		if status.IsHost(file) {
			document, err := status.Page(file, page)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			pages = append(pages, document.Metadata.Name)
		}
	}
	slices.Sort(pages)
	for where, got := range map[string][]string{"the loop": known, "the journal": slices.Sorted(maps.Keys(w.records)), "the branch": pages} {
		if !slices.Equal(got, names) {
			t.Errorf("%s knows %v, want %v", where, got, names)
		}
	}
	counted, err := status.ParseFleet(w.branch[status.FleetPath])
	total := 0
	for _, n := range counted.Hosts {
		total += n
	}
	if err != nil || total != len(names) {
		t.Errorf("the fleet's page counts %v, %v, want %d hosts", counted.Hosts, err, len(names))
	}
}

func TestARenamedHostLeavesNoGhost(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		before, m := w.records["host-0000"].Record, w.machines["host-0000"]
		done := len(m.done)
		w.commit("2", w.called(desired("host-0000"), "web-03"))
		d.Refresh()
		after(time.Hour)
		w.wantOnly(t, d, "web-03")
		h, _ := d.Host("web-03")
		if got := h.Observed.Record; h.Plan.Phase != plan.Active || got.Epoch != before.Epoch || got.Installed.ID != before.Installed.ID || !slices.Equal(h.Document.Formerly, []string{"host-0000"}) {
			t.Errorf("web-03 = %s, record %+v, want what was known as host-0000: %+v", h.Plan.Phase, got, before)
		}

		w.commit("3", w.called(w.fleet.Hosts["web-03"], "host-0000")) // the rename is taken back, as any rename
		d.Refresh()
		after(time.Hour)
		w.wantOnly(t, d, "host-0000")
		d.end(t)
		if got := w.records["host-0000"].Record; got.Epoch != before.Epoch || len(m.done) != done {
			t.Errorf("back again: epoch %d, want %d; done %v", got.Epoch, before.Epoch, m.done[done:])
		}
	})
}

// TestAStoppedDaemonRenamesOnce kills the daemon at every journal write and push of a rename, before and after it, and starts it again, with its journal
// and without.
func TestAStoppedDaemonRenamesOnce(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]death{
		"before": {}, "after": {late: true}, "before, journal lost": {lost: true}, "after, journal lost": {late: true, lost: true},
	} {
		for how.at = 1; ; how.at++ {
			died := false
			t.Run(fmt.Sprintf("%s, call %d", name, how.at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { died = renameWithADeath(t, how) })
			})
			if !died {
				if how.at < 3 {
					t.Fatalf("%s: only %d calls: nothing was proved", name, how.at)
				}
				break
			}
		}
	}
}

// death is how a daemon is killed.
type death struct {
	at   int  // at this call from when the rename is merged on
	late bool // after it
	lost bool // and the journal with it
}

func renameWithADeath(t *testing.T, how death) (died bool) {
	w := newWorld(1)
	d := w.daemon(t, reconcile.Limits{})
	after(30 * time.Minute)
	before, m := w.records["host-0000"].Record, w.machines["host-0000"]
	done := len(m.done)
	w.commit("2", w.called(desired("host-0000"), "web-03"))
	w.mu.Lock()
	w.crashAt, w.late = w.calls+how.at, how.late
	w.mu.Unlock()
	d.Refresh()
	after(time.Hour)
	_ = d.stop()
	died, w.crashAt = w.dead, 0
	if how.lost {
		w.records, w.accepted = map[string]journal.Entry{}, journal.Accepted{}
	}
	d = w.daemon(t, reconcile.Limits{})
	after(2 * time.Hour)
	if got := d.phases(); got[plan.Active] != 1 || len(got) != 1 {
		t.Errorf("phases = %v, want one host, Active", got)
	}
	h, _ := d.Host("web-03")
	if got := h.Observed.Record; got.Epoch != before.Epoch || got.Installed == nil || got.Installed.ID != before.Installed.ID {
		t.Errorf("web-03 = %+v, want what was known as host-0000: %+v", got, before)
	}
	if !how.lost {
		w.wantOnly(t, d, "web-03")
	}
	d.end(t)
	if len(w.branch) != 3 || w.branch[status.Path("web-03")] == nil {
		t.Errorf("the branch has %v, want web-03 alone", slices.Collect(maps.Keys(w.branch)))
	}
	if len(m.done) != done {
		t.Errorf("the rename did %v", m.done[done:])
	}
	return died
}

// TestAnUnansweredRenameIsAskedAbout has the journal write a rename and its answer get lost.
func TestAnUnansweredRenameIsAskedAbout(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		done := len(w.machines["host-0000"].done)
		w.commit("2", w.called(desired("host-0000"), "web-03"))
		w.mu.Lock()
		w.unanswered = errors.New("deadline exceeded")
		w.mu.Unlock()
		d.Refresh()
		after(time.Hour)
		w.wantOnly(t, d, "web-03")
		d.end(t)
		if m := w.machines["web-03"]; len(m.done) != done {
			t.Errorf("the rename did %v", m.done[done:])
		}
	})
}

// TestARenameWaitsForWhatWasBegun merges a rename at every moment of an install: what was begun under the old name, whose tokens name it, ends under it.
func TestARenameWaitsForWhatWasBegun(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		ended := false
		t.Run(fmt.Sprintf("effect %d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(1)
				m, effects := w.machines["host-0000"], 0
				var running atomic.Pointer[daemon]
				w.watch = func() {
					if effects++; effects == at {
						renamed := desired("host-0000")
						renamed.Name, renamed.Former, renamed.Commit = "web-03", "host-0000", strings.Repeat("2", 40)
						renamed.RootDisk = &schemas.DiskHints{Serial: "disk-" + m.name}
						w.machines["web-03"] = m
						w.sources.Trunk.Commit, w.fleet.Commit = renamed.Commit, renamed.Commit
						w.fleet.Hosts = map[string]inventory.Desired{"web-03": renamed}
						running.Load().Refresh()
					}
				}
				m.name = "host-0000"
				d := w.daemon(t, reconcile.Limits{})
				running.Store(d)
				after(2 * time.Hour)
				w.wantOnly(t, d, w.theOnlyName())
				if got := d.phases(); got[plan.Active] != 1 {
					t.Errorf("phases = %v, want Active", got)
				}
				d.end(t)
				if m.installs != 1 || m.boots != 1 {
					t.Errorf("%d installs and %d boots, want one each: %v", m.installs, m.boots, m.done)
				}
				ended = effects < at
			})
		})
		if ended {
			if at < 8 {
				t.Fatalf("only %d effects: nothing was proved", at)
			}
			break
		}
	}
}

func (w *world) theOnlyName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.fleet.Hosts {
		return name
	}
	return ""
}

// TestAFormerNameIsFree gives the old name to another machine, with the commit that renames and with a later one.
func TestAFormerNameIsFree(t *testing.T) {
	for name, commits := range map[string]int{"in the same commit": 1, "later": 2} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				d := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				old := w.machines["host-0000"]
				done, before := len(old.done), w.records["host-0000"].Record
				renamed := w.called(desired("host-0000"), "web-03")
				another := desired("host-0000")
				another.Identity.Serial, another.RootDisk = "SN-another", &schemas.DiskHints{Serial: "VOL-another"}
				if commits == 2 {
					w.commit("2", renamed)
					d.Refresh()
					after(time.Hour)
				}
				w.mu.Lock()
				w.machines["host-0000"] = &machine{serial: "SN-another", volume: "VOL-another", power: inventory.PoweredOff}
				w.mu.Unlock()
				w.commit("3", renamed, another)
				d.Refresh()
				after(2 * time.Hour)
				w.wantOnly(t, d, "host-0000", "web-03")
				if got := d.phases(); got[plan.Active] != 2 {
					t.Errorf("phases = %v, want both Active", got)
				}
				d.end(t)
				if got := w.records["web-03"].Record; len(old.done) != done || got.Installed.ID != before.Installed.ID {
					t.Errorf("the renamed machine was touched: %v", old.done[done:])
				}
				if m := w.machines["host-0000"]; m.installs != 1 {
					t.Errorf("the new machine was installed %d times, want once", m.installs)
				}
				w.records = map[string]journal.Entry{}
				w.accepted = journal.Accepted{}
				d = w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				if got := d.phases(); got[plan.Active] != 2 {
					t.Errorf("after the loss of the journal: phases = %v, want both Active", got)
				}
				d.end(t)
			})
		})
	}
}

// TestNamesMoveUp gives each of several machines the name of the next, with one commit, and the ring counts them all along.
func TestNamesMoveUp(t *testing.T) {
	run(t, func(t *testing.T) {
		const hosts = 6
		w := newWorld(hosts)
		name := func(i int) string { return fmt.Sprintf("host-%04d", i) }
		ring := func(first int) {
			all := inventory.Ring{Name: "all", Commit: w.fleet.Commit}
			for i := range hosts {
				all.Hosts = append(all.Hosts, name(first+i))
			}
			w.fleet.Rings = map[string]inventory.Ring{"all": all}
		}
		for name, h := range w.fleet.Hosts {
			h.Ring = "all"
			w.fleet.Hosts[name] = h
		}
		ring(0)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		before, moved, names := maps.Clone(w.records), make([]inventory.Desired, 0, hosts), []string{}
		for i := range hosts {
			h := w.fleet.Hosts[name(hosts-1-i)] // the last one first: its machine answers to the next name
			moved, names = append(moved, w.called(h, name(hosts-i))), append(names, name(1+i))
		}
		w.commit("2", moved...)
		ring(1)
		d.Refresh()
		after(2 * time.Minute) // sooner than anybody looks unasked: each waits for the name of the next
		w.wantOnly(t, d, names...)
		d.end(t)
		for i := range hosts {
			if got, want := w.records[name(i+1)].Record.Installed, before[name(i)].Record.Installed; got == nil || got.ID != want.ID {
				t.Errorf("%s has %+v installed, want its machine's own %s", name(i+1), got, want.ID)
			}
		}
		if p := d.View().Fleet.Rings[0]; p.Done != hosts {
			t.Errorf("ring = %+v, want all done", p)
		}
	})
}
