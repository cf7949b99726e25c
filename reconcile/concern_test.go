package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// rarely has a host at rest looked at once a day: what is looked at sooner was asked for.
var rarely = reconcile.Limits{Resync: 24 * time.Hour, Installs: 20}

// offer has the source give another commit, in which the fleet is changed. Like a reader of a repository, it gives
// every host the new commit, and hosts that did not change new values that say the same.
func (w *world) offer(d *daemon, number int, edit func()) {
	w.mu.Lock()
	commit := strings.Repeat(string(rune('a'+number%6)), 40)
	w.sources.Trunk.Commit, w.fleet.Commit = commit, commit
	w.fleet.Hosts, w.fleet.Secrets = maps.Clone(w.fleet.Hosts), maps.Clone(w.fleet.Secrets)
	for id, h := range w.fleet.Hosts {
		h.Commit, h.Line, h.Labels = commit, h.Line+1, maps.Clone(h.Labels)
		if h.Release != "" {
			h.Release = commit
		}
		bmc, workload := *h.BMC, *h.Workload
		h.BMC, h.Workload = &bmc, &workload
		w.fleet.Hosts[id] = h
	}
	edit()
	w.mu.Unlock()
	d.RefreshSource()
}

// edited changes one host.
func (w *world) edited(id inventory.MachineID, edit func(*inventory.Desired)) {
	h := w.fleet.Hosts[id]
	edit(&h)
	w.fleet.Hosts[id] = h
}

// lookedAt gives the machines whose BMCs were asked since the last call.
func (w *world) lookedAt() (ids []inventory.MachineID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, m := range w.machines {
		if len(m.looks) > 0 {
			ids = append(ids, id)
		}
		m.looks = nil
	}
	slices.Sort(ids)
	return ids
}

// TestACommitAsksTheBMCsOfTheMachinesItChanges changes one thing by each commit, on a fleet at rest: no other BMC than
// those of the machines that the change is about is asked anything.
func TestACommitAsksTheBMCsOfTheMachinesItChanges(t *testing.T) {
	type ids = []inventory.MachineID
	const one, two, three = "host-0001", "host-0002", "host-0003"
	run(t, func(t *testing.T) {
		w := newWorld(20)
		w.fleet.Secrets = map[string]inventory.Sealed{"bmc": {Document: []byte("sealed")}, "own": {Document: []byte("sealed")}}
		w.edited(two, func(d *inventory.Desired) { d.BMC.Credentials = "own" })
		w.edited(three, func(d *inventory.Desired) { d.Workload.Secrets = []refs.Secret{{Name: "own", Key: "key"}} })
		d := w.daemon(t, rarely)
		after(20 * time.Minute)
		if got := d.phases(); got[plan.Active] != 20 {
			t.Fatalf("phases = %v, want 20 Active", got)
		}
		everyone := slices.Sorted(maps.Keys(w.machines))
		for number, test := range []struct {
			name string
			edit func()
			want ids
		}{
			{"nothing of a host", func() {}, nil},
			{"a label of a host", func() {
				w.edited(one, func(d *inventory.Desired) { d.Labels = map[string]string{"rack": "r2"} })
			}, ids{one}},
			{"protect", func() { w.edited(one, func(d *inventory.Desired) { d.Protect = true }) }, ids{one}},
			{"no protect", func() { w.edited(one, func(d *inventory.Desired) { d.Protect = false }) }, ids{one}},
			{"a consent is given", func() {
				w.edited(two, func(d *inventory.Desired) { d.Consent.Erase = []string{"x/y"} })
			}, ids{two}},
			{"a consent is withdrawn", func() { w.edited(two, func(d *inventory.Desired) { d.Consent.Erase = nil }) }, ids{two}},
			{"another name", func() { w.edited(two, func(d *inventory.Desired) { d.Name = "two" }) }, ids{two}},
			{"what a Workload asks for", func() {
				w.edited(three, func(d *inventory.Desired) { d.Workload.Inputs = "fedcba9876543210" })
			}, ids{three}},
			{"a Secret of two hosts", func() { w.fleet.Secrets["own"] = inventory.Sealed{Document: []byte("again")} }, ids{two, three}},
			{"the Secret of the others' BMCs", func() {
				w.fleet.Secrets["bmc"] = inventory.Sealed{Document: []byte("again")}
			}, slices.DeleteFunc(slices.Clone(everyone), func(id inventory.MachineID) bool { return id == two })},
			{"another file", func() { w.edited(one, func(d *inventory.Desired) { d.File = "hosts/rack/one.yaml" }) }, nil},
			{"the fleet is paused", func() { w.fleet.Settings.Paused = true }, nil},
			{"an orphan", func() { delete(w.fleet.Hosts, one) }, nil}, // without an address, no BMC is asked
			{"a host is new", func() {
				w.machines["host-0020"] = &machine{serial: serial("host-0020"), power: inventory.PoweredOff}
				w.fleet.Hosts["host-0020"] = desired("host-0020")
			}, ids{"host-0020"}},
		} {
			w.lookedAt()
			w.offer(d, number, test.edit)
			after(time.Minute)
			if diff := cmp.Diff(test.want, w.lookedAt()); diff != "" {
				t.Errorf("%s: machines whose BMCs were asked (-want +got):\n%s", test.name, diff)
			}
			view, _ := d.ViewHost(one)
			if view.Document.File != view.Desired.File || (view.Document.Phase == plan.Orphaned) != view.Orphaned ||
				view.Desired.Commit != d.ViewFleet().Commit {
				t.Errorf("%s: the page says %s of %s, in a fleet at %s; desired are %+v", test.name, view.Document.Phase, view.Document.File,
					d.ViewFleet().Commit, view.Desired)
			}
		}
		d.end(t)
	})
}

// TestACommitLooksAtAHeldMachineThatItEnds: a host that is held until a later commit is tried again by any commit, and
// no other host is looked at.
func TestACommitLooksAtAHeldMachineThatItEnds(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(5)
		d := w.daemon(t, rarely)
		after(20 * time.Minute)
		w.mu.Lock()
		m := w.machines["host-0003"]
		m.power, m.refuses = inventory.PoweredOff, true
		w.mu.Unlock()
		w.offer(d, 1, func() { // its system does not start: nothing powers it on
			w.edited("host-0003", func(d *inventory.Desired) { d.Workload.Inputs = "fedcba9876543210"; d.Consent.Erase = nil })
		})
		after(time.Minute)
		held := func() change.Reason {
			if view, _ := d.ViewHost("host-0003"); view.Plan.Hold != nil {
				return view.Plan.Hold.Reason
			}
			return ""
		}
		if got := held(); got != change.NeedsConsent {
			t.Fatalf("held for %q, want %s", got, change.NeedsConsent)
		}
		w.lookedAt()
		w.offer(d, 2, func() {})
		after(time.Minute)
		if got := w.lookedAt(); len(got) != 0 {
			t.Errorf("%v looked at, and a commit does not end %s", got, held())
		}
		d.end(t)
	})
	for _, reason := range []change.Reason{change.BootFailed, change.TokenAlarm} {
		if !reason.EndsWithCommit() {
			t.Errorf("%s does not end with a commit", reason)
		}
	}
}

// TestACommitWakesThoseWhoseTurnItIs: a fleet that was paused goes on. As many machines are looked at as there are
// places; the others' pages say what they wait for now, and nobody asks their BMCs.
func TestACommitWakesThoseWhoseTurnItIs(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(20)
		w.fleet.Settings.Paused = true
		limits := rarely
		limits.Installs = 3
		d := w.daemon(t, limits)
		after(10 * time.Minute)
		waits := func() (paused, turn int) {
			for _, h := range d.View().Hosts {
				switch {
				case strings.Contains(h.Document.Waits, "spec.paused"):
					paused++
				case strings.Contains(h.Document.Waits, "its turn"):
					turn++
				}
			}
			return paused, turn
		}
		if paused, _ := waits(); paused != 20 {
			t.Fatalf("%d pages say that the fleet is paused, want 20: %v", paused, d.phases())
		}
		w.lookedAt()
		w.offer(d, 1, func() {})
		after(time.Second)
		if got := w.lookedAt(); len(got) != 0 {
			t.Errorf("%v looked at for a commit that leaves the pause", got)
		}
		w.offer(d, 2, func() { w.fleet.Settings.Paused = false })
		after(time.Second)
		got := w.lookedAt()
		if paused, turn := waits(); len(got) != 3 || paused != 0 || turn != 17 {
			t.Errorf("%d machines looked at, %d pages say paused, %d its turn; want 3, 0, 17", len(got), paused, turn)
		}
		w.offer(d, 3, func() { w.fleet.Settings.Paused = true })
		after(time.Second)
		if paused, _ := waits(); paused != 20 { // nothing was done yet at the three
			t.Errorf("%d pages say that the fleet is paused, want 20", paused)
		}
		w.offer(d, 4, func() { w.fleet.Settings.Paused = false })
		after(time.Hour)
		if got := d.phases(); got[plan.Active] != 20 {
			t.Errorf("phases = %v, want 20 Active", got)
		}
		d.end(t)
	})
}

// TestAnOldObservationIsNoGroundForAnEffect: after a commit that asks for nothing of a host, whose page is written anew
// from what the last look saw, the machine has changed. Nothing is done to it before another look.
func TestAnOldObservationIsNoGroundForAnEffect(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.fleet.Settings.Paused = true
		d := w.daemon(t, rarely)
		after(10 * time.Minute)
		w.mu.Lock()
		m := w.machines["host-0000"]
		m.serial, m.looks, m.done = "another", nil, nil
		w.mu.Unlock()
		w.offer(d, 1, func() { w.fleet.Settings.Paused = false })
		after(time.Minute)
		view, _ := d.ViewHost("host-0000")
		w.mu.Lock()
		looks, done := len(m.looks), slices.Clone(m.done)
		w.mu.Unlock()
		if looks == 0 || len(done) != 0 || view.Plan.Hold == nil || view.Plan.Hold.Reason != change.IdentityMismatch {
			t.Errorf("%d looks, done %v, plan %+v; want a look that finds another machine", looks, done, view.Plan)
		}
		d.end(t)
	})
}

// TestTroubleStaysInItsLane has more dead BMCs than workers. Neither a commit that changes every host, nor a restart,
// makes a healthy machine wait for one of them.
func TestTroubleStaysInItsLane(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(40)
		dead := func(id inventory.MachineID) bool { return id < "host-0030" }
		limits := rarely
		limits.Workers = 4
		d := w.daemon(t, limits)
		after(20 * time.Minute)
		w.mu.Lock()
		for id, m := range w.machines {
			m.hangs = dead(id)
		}
		w.mu.Unlock()
		relabel := func(number int) {
			w.offer(d, number, func() {
				for id := range w.fleet.Hosts {
					w.edited(id, func(d *inventory.Desired) { d.Labels = map[string]string{"n": fmt.Sprint(number)} })
				}
			})
		}
		w.lookedAt()
		relabel(1) // nobody knows yet which machines are dead
		after(20 * time.Second)
		if got := slices.DeleteFunc(w.lookedAt(), dead); len(got) != 10 {
			t.Errorf("%d healthy machines looked at within 20 seconds of the others' end, want 10", len(got))
		}
		after(time.Hour)
		for number := 2; number < 5; number++ {
			w.lookedAt()
			relabel(number)
			after(time.Second)
			if got := slices.DeleteFunc(w.lookedAt(), dead); len(got) != 10 {
				t.Errorf("%d healthy machines looked at within a second of commit %d, want 10", len(got), number)
			}
		}
		d.end(t)
		w.lookedAt()
		d = w.daemon(t, limits)
		after(20 * time.Second)
		if got := slices.DeleteFunc(w.lookedAt(), dead); len(got) != 10 {
			t.Errorf("%d healthy machines looked at within 20 seconds of a restart, want 10", len(got))
		}
		relabel(5)
		after(time.Second)
		if got := slices.DeleteFunc(w.lookedAt(), dead); len(got) != 10 {
			t.Errorf("%d healthy machines looked at within a second of a commit after the restart, want 10", len(got))
		}
		d.end(t)
	})
}

// TestACommitFindsAnOperationUnderWay keeps an operation under way over commits that do not concern its host.
func TestACommitFindsAnOperationUnderWay(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(4)
		d := w.daemon(t, rarely)
		for number := range 60 {
			w.offer(d, number, func() {})
			after(5 * time.Second)
		}
		after(10 * time.Minute)
		if got := d.phases(); got[plan.Active] != 4 {
			t.Errorf("phases = %v, want 4 Active", got)
		}
		d.end(t)
		w.wantInstalledOnce(t)
		for id, m := range w.machines {
			if slices.Contains(m.done, act.WithdrawJob) {
				t.Errorf("%s: a job was taken back: %v", id, m.done)
			}
		}
	})
}
