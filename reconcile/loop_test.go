package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run plays a test in simulated time.
func run(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func (d *daemon) end(t *testing.T) {
	t.Helper()
	if err := d.stop(); err != nil {
		t.Errorf("Run = %v, want no error at the end of its context", err)
	}
}

// wantInstalledOnce asserts the machine's own story, not the loop's.
func (w *world) wantInstalledOnce(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, m := range w.machines {
		record := w.records[name].Record
		if m.installs != 1 || m.boots != 1 || record.Installed == nil || record.Installed.ID != m.disk || m.power != inventory.PoweredOn {
			t.Errorf("%s: %d installs, %d boots from the medium, power %s, record %+v, done %v", name, m.installs, m.boots, m.power, record.Installed, m.done)
		}
	}
}

func TestMachinesBecomeActive(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(100)
		d := w.daemon(t, reconcile.Limits{Installs: 100})
		after(20 * time.Minute)
		if got := d.phases(); got[plan.Active] != 100 {
			t.Errorf("phases = %v, want 100 Active", got)
		}
		d.end(t)
		w.wantInstalledOnce(t)
	})
}

func TestAQuietFleetIsOnlyLookedAt(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1000)
		d := w.daemon(t, reconcile.Limits{Installs: 1000})
		after(time.Hour)
		if got := d.phases(); got[plan.Active] != 1000 {
			t.Fatalf("phases = %v, want 1000 Active", got)
		}
		w.mu.Lock()
		pushes, calls := len(w.pushes), w.calls
		for _, m := range w.machines {
			m.looks = nil
		}
		w.mu.Unlock()
		after(time.Hour)
		d.end(t)
		if len(w.pushes) != pushes || w.calls != calls {
			t.Errorf("an hour of nothing to do: %d pushes, %d effects and writes", len(w.pushes)-pushes, w.calls-calls)
		}
		for name, m := range w.machines {
			if len(m.looks) < 10 || len(m.looks) > 70 {
				t.Errorf("%s was looked at %d times in an hour, want every few minutes", name, len(m.looks))
			}
		}
	})
}

func TestAStuckHostHoldsNobodyUp(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(20)
		for i := range 10 {
			w.machines[inventory.MachineID(fmt.Sprintf("host-%04d", i))].hangs = true
		}
		d := w.daemon(t, reconcile.Limits{Workers: 2, Installs: 20})
		after(15 * time.Minute)
		if got := d.phases(); got[plan.Active] != 10 {
			t.Errorf("phases = %v, want the 10 others Active", got)
		}
		d.end(t)
		for name, m := range w.machines {
			if m.hangs && (len(m.done) > 1 || m.power != inventory.PoweredOff) {
				t.Errorf("%s does not answer, but this was done to it: %v", name, m.done)
			}
		}
	})
}

func TestNoMoreInstallsAtATimeThanAllowed(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(12)
		d := w.daemon(t, reconcile.Limits{Installs: 3})
		most, waited, start := 0, false, time.Now()
		for range 20_000 {
			after(100 * time.Millisecond)
			open := 0
			for _, h := range d.View().Hosts {
				if r := h.Observed.Record; r.Operation != nil || (r.Boot != nil && r.Installed == nil) {
					open++
				}
				waited = waited || h.Plan.Phase == plan.Waiting && strings.Contains(h.Document.Waits, "3 hosts")
			}
			most = max(most, open)
			if d.phases()[plan.Active] == 12 {
				break
			}
		}
		d.end(t)
		if most != 3 || !waited {
			t.Errorf("at most %d hosts were under way, want 3; others said why they wait: %v", most, waited)
		}
		if took := time.Since(start); took > 4*time.Minute {
			t.Errorf("12 installs, 3 at a time, took %s: a freed place must wake who waits for it", took)
		}
		w.wantInstalledOnce(t)
	})
}

func TestHostsThatWaitForAPersonDoNotStopTheLine(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(6)
		for i := range 3 {
			name := inventory.MachineID(fmt.Sprintf("host-%04d", i))
			d := w.fleet.Hosts[name]
			d.RootDisk = &schemas.DiskHints{Serial: "no such disk"}
			w.fleet.Hosts[name] = d
		}
		d := w.daemon(t, reconcile.Limits{Installs: 2})
		after(2 * time.Hour)
		if got := d.phases(); got[plan.Active] != 3 || got[plan.Held] != 3 {
			t.Errorf("phases = %v, want 3 Active and 3 Held", got)
		}
		d.end(t)
		for i := range 3 {
			if m := w.machines[inventory.MachineID(fmt.Sprintf("host-%04d", i))]; m.installs != 0 || m.boots != 1 {
				t.Errorf("a host without a root disk: %d installs, %d boots, want it looked at once", m.installs, m.boots)
			}
		}
	})
}

func TestAnUnreadablePageIsNotANewHost(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		w.branch[status.Path("host-0000")] = []byte("not a document")
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost("host-0000")
		if hold := h.Document.Hold; h.Plan.Phase != plan.Held || hold == nil || !strings.Contains(hold.Message,
			"restore the page and restart, or run `ingot forget host-0000`") {
			t.Errorf("host-0000 is %s, %+v, want it to say what to do", h.Plan.Phase, hold)
		}
		d.awaitCause(t, "RecordUnreadable", time.Second)
		if got := d.phases(); got[plan.Active] != 1 {
			t.Errorf("phases = %v, want the other one Active", got)
		}
		d.end(t)
		if m := w.machines["host-0000"]; len(m.done) != 0 {
			t.Errorf("done to a host of which nothing is known: %v", m.done)
		}
		if got := string(w.branch[status.Path("host-0000")]); got != "not a document" {
			t.Errorf("its page was written over: %s", got)
		}
	})
}

func TestStatusIsPushedInBatches(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(100)
		d := w.daemon(t, reconcile.Limits{Installs: 100, PublishEvery: time.Minute})
		after(30 * time.Minute)
		d.end(t)
		if len(w.pushes) == 0 || len(w.pushes) > 15 {
			t.Errorf("%d pushes for 100 installs, want a few", len(w.pushes))
		}
		most := 0
		for _, p := range w.pushes {
			most = max(most, p.files)
		}
		if most < 100 {
			t.Errorf("the largest push had %d files, want all hosts in one", most)
		}
		for name, h := range w.records {
			page := w.branch[status.Path(name)]
			if page == nil || h.Record.Installed == nil {
				t.Errorf("%s has no page on the branch", name)
			}
		}
	})
}

func TestNothingIsArmedBeforeItIsPushed(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(3)
		w.refused = errors.New("the remote said no: protected branch")
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		if got := d.View().Publish; !strings.Contains(got, "protected branch") {
			t.Errorf("View.Publish = %q, want the remote's words", got)
		}
		for name, m := range w.machines {
			if m.boots > 1 || m.installs != 0 {
				t.Errorf("%s was not only looked at without a push: %v", name, m.done)
			}
		}
		w.mu.Lock()
		w.refused = nil
		w.mu.Unlock()
		after(time.Hour)
		if got := d.View(); got.Publish != "" || d.phases()[plan.Active] != 3 {
			t.Errorf("after the remote takes pushes: Publish %q, phases %v", got.Publish, d.phases())
		}
		d.end(t)
		w.wantInstalledOnce(t)
	})
}

// TestAPausedFleetArmsNothing has an operation wait for its push, and the fleet paused before it is there: the operation stands, and goes on when the
// pause is over.
func TestAPausedFleetArmsNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.watch = func() {
			if w.machines["host-0000"].boots > 0 { // its inspection was pushed, its operation is next
				w.refused = errors.New("not now")
			}
		}
		d := w.daemon(t, reconcile.Limits{})
		after(10 * time.Minute)
		commit := func(id string, paused bool) {
			w.mu.Lock()
			w.refused, w.watch = nil, nil
			w.fleet.Commit, w.fleet.Settings.Paused = strings.Repeat(id, 40), paused
			w.sources.Trunk.Commit = w.fleet.Commit
			w.mu.Unlock()
			d.RefreshSource()
			after(time.Hour)
		}
		commit("2", true)
		h, _ := d.ViewHost("host-0000")
		if op := h.Observed.Record.Operation; h.Plan.Phase != plan.Pending || op == nil || op.Stage != inventory.Published || w.machines["host-0000"].installs != 0 {
			t.Errorf("paused: %s, operation %+v, done %v; want it published and no more", h.Plan.Phase, op, w.machines["host-0000"].done)
		}
		commit("3", false)
		if d.phases()[plan.Active] != 1 {
			t.Errorf("after the pause: %v", d.phases())
		}
		d.end(t)
		w.wantInstalledOnce(t)
	})
}

func TestTheLastGoodFleetStays(t *testing.T) {
	broken := map[string]struct {
		spoil func(*world)
		want  func(reconcile.View) string
	}{
		"the source is away": {
			func(w *world) { w.source = errors.New("connection refused") },
			func(v reconcile.View) string { return v.Source },
		},
		"a fatal finding": {
			func(w *world) {
				w.sources.Trunk.Commit = "2222222222222222222222222222222222222222"
				w.fleet.Hosts = map[inventory.MachineID]inventory.Desired{"host-0000": desired("host-0000")}
				w.findings = []schemas.Finding{{Position: schemas.Position{File: "hosts/a.yaml", Line: 3}, Severity: schemas.Error, Message: "connection refused"}}
			},
			func(v reconcile.View) string { return fmt.Sprint(v.Refused, v.Findings) },
		},
		"every file is gone": {
			func(w *world) {
				w.sources.Trunk.Commit = "2222222222222222222222222222222222222222"
				w.fleet.Hosts = map[inventory.MachineID]inventory.Desired{}
			},
			func(v reconcile.View) string { return fmt.Sprint(v.Refused, v.Findings) },
		},
	}
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				d := w.daemon(t, reconcile.Limits{})
				after(20 * time.Minute)
				w.mu.Lock()
				c.spoil(w)
				calls := w.calls
				w.mu.Unlock()
				d.RefreshSource()
				after(20 * time.Minute)
				v := d.View()
				if v.Commit != "1111111111111111111111111111111111111111" || d.phases()[plan.Active] != 2 {
					t.Errorf("commit %s, phases %v, want the last good fleet", v.Commit, d.phases())
				}
				if c.want(v) == "" || v.Hosts[0].Orphaned || v.Hosts[1].Orphaned {
					t.Errorf("view = %+v, want it to say what is wrong", v)
				}
				d.end(t)
				if effects := w.calls - calls; effects > 2 { // the fleet's page
					t.Errorf("%d effects, want none but a push", effects)
				}
			})
		})
	}
}

func TestNothingIsDoneBeforeACommitIsAccepted(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		w.records["host-0000"] = journal.Entry{Record: inventory.Record{ID: "host-0000", Epoch: 3}, Revision: 1}
		w.accepted = journal.Accepted{Commit: "0000000000000000000000000000000000000000"}
		w.source = errors.New("connection refused")
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		d.RequestLook("host-0000")
		after(time.Hour)
		v := d.View()
		if v.Commit != "" || v.Last == "" || v.Source == "" {
			t.Errorf("view = %+v, want no commit, the last one, and why", v)
		}
		d.end(t)
		for name, m := range w.machines {
			if len(m.looks)+len(m.done) > 0 {
				t.Errorf("%s was looked at or touched", name)
			}
		}
	})
}

func TestAHostThatLeavesTheFleetIsLeftAlone(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		w.mu.Lock()
		w.sources.Trunk.Commit, w.fleet.Commit = "2222222222222222222222222222222222222222", "2222222222222222222222222222222222222222"
		delete(w.fleet.Hosts, "host-0001")
		done := len(w.machines["host-0001"].done)
		w.mu.Unlock()
		d.RefreshSource()
		after(time.Hour)
		if h, known := d.ViewHost("host-0001"); !known || !h.Orphaned || h.Plan.Phase != plan.Orphaned {
			t.Errorf("host-0001 = %+v, want it orphaned", h)
		}
		d.end(t)
		if got := w.machines["host-0001"]; len(got.done) != done || got.power != inventory.PoweredOn {
			t.Errorf("an orphaned machine was touched: %v", got.done[done:])
		}
	})
}

func TestAConflictingWriteIsSeenBeforeAnythingIsDone(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.rival = func(r inventory.Record) inventory.Record {
			r.Epoch = 41
			return r
		}
		d := w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		d.end(t)
		if got := w.records["host-0000"].Record; got.Epoch != 43 {
			t.Errorf("epoch = %d, want the rival's 41 and two boots", got.Epoch)
		}
		w.wantInstalledOnce(t)
	})
}

func TestADisownedLoopStops(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.owner = fmt.Errorf("put: %w", journal.ErrNotOwner)
		d := w.daemon(t, reconcile.Limits{})
		after(time.Minute)
		if err := d.stop(); !errors.Is(err, journal.ErrNotOwner) {
			t.Errorf("Run = %v, want journal.ErrNotOwner", err)
		}
		if m := w.machines["host-0000"]; m.power != inventory.PoweredOff {
			t.Errorf("a disowned loop did %v", m.done)
		}
	})
}

// TestAStoppedDaemonInstallsOnce kills the daemon at every single effect, journal write and push, before and after it, and starts it again.
func TestAStoppedDaemonInstallsOnce(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for at := 1; ; at++ {
			died := false
			t.Run(fmt.Sprintf("call %d, after it %v", at, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(1)
					w.crashAt, w.late = at, late
					first := w.daemon(t, reconcile.Limits{})
					after(30 * time.Minute)
					_ = first.stop()
					died, w.crashAt = w.dead, 0
					second := w.daemon(t, reconcile.Limits{})
					after(2 * time.Hour)
					if got := second.phases(); got[plan.Active] != 1 {
						t.Errorf("phases = %v, want Active: %+v", got, second.View().Hosts[0].Plan.Hold)
					}
					second.end(t)
					w.wantInstalledOnce(t)
				})
			})
			if !died {
				if at < 10 {
					t.Fatalf("only %d calls: nothing was proved", at)
				}
				break
			}
		}
	}
}

func TestALostJournalIsRebuiltFromTheBranch(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(5)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		d.end(t)
		w.records, w.accepted = map[inventory.MachineID]journal.Entry{}, journal.Accepted{}
		before := map[inventory.MachineID][]act.Kind{}
		for name, m := range w.machines {
			before[name] = slices.Clone(m.done)
		}
		d = w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		if got := d.phases(); got[plan.Active] != 5 {
			t.Errorf("phases = %v, want 5 Active", got)
		}
		d.end(t)
		for name, m := range w.machines {
			if !slices.Equal(before[name], m.done) {
				t.Errorf("%s was touched: %v", name, m.done[len(before[name]):])
			}
		}
	})
}

// The journal was lost, and the trunk's newest commit is refused: the branch goes on naming the accepted commit and the
// releases, as nothing else remembers them.
func TestARefusedCommitForgetsNoAcceptedOne(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		d.end(t)
		before, err := status.ParseFleet(w.branch[status.FleetPath])
		if err != nil || before.Commit == "" {
			t.Fatalf("the fleet's page names the commit %q: %v", before.Commit, err)
		}
		w.records, w.accepted = map[inventory.MachineID]journal.Entry{}, journal.Accepted{}
		w.sources.Trunk.Commit = "2222222222222222222222222222222222222222"
		w.findings = []schemas.Finding{{Position: schemas.Position{File: "hosts/a.yaml", Line: 3}, Severity: schemas.Error,
			Message: "no"}}
		d = w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		d.end(t)
		now, err := status.ParseFleet(w.branch[status.FleetPath])
		if err != nil || now.Commit != before.Commit || now.Refused != w.sources.Trunk.Commit {
			t.Errorf("the fleet's page names the commit %q and refuses %q, %v; want %q, and the newest refused", now.Commit,
				now.Refused, err, before.Commit)
		}
		if diff := cmp.Diff(before.Rings, now.Rings); diff != "" {
			t.Errorf("the rings' releases (-before +now):\n%s", diff)
		}
	})
}

// heard counts log records by level.
type heard struct {
	slog.Handler
	errors *[]string
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		*h.errors = append(*h.errors, r.Message)
	}
	return nil
}

func TestTroubleIsLoggedOnce(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(3)
		w.refused = errors.New("no")
		var errs []string
		w.log = slog.New(heard{slog.DiscardHandler, &errs})
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		w.mu.Lock()
		w.source = errors.New("away")
		w.mu.Unlock()
		after(time.Hour)
		d.end(t)
		if len(errs) != 2 {
			t.Errorf("errors logged in two hours = %q, want one for the push and one for the source", errs)
		}
	})
}

func TestWatchersHearOfHosts(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.daemon(t, reconcile.Limits{})
		watch := d.Watch()
		after(10 * time.Minute)
		watch.Stop()
		got := watch.TakeIDs()
		d.end(t)
		if want := []inventory.MachineID{"", "host-0000", "host-0001"}; !slices.Equal(got, want) {
			t.Errorf("heard of %v, want %v", got, want)
		}
	})
}
