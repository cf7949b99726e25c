package reconcile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// forge counts the pushes to the status branch that several daemons share.
type forge struct {
	mu   sync.Mutex
	tips int
}

// own are the ports of one of several daemons: a journal of its own, and what it has seen of the shared branch. It can be suspended, as a virtual machine is.
type own struct {
	*world
	journal *world
	forge   *forge
	loses   int // every so many pushes have no answer

	mu     sync.Mutex
	seen   int
	pushes int
	asleep chan struct{}
	did    []act.Kind
}

func (o *own) suspend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asleep = make(chan struct{})
}

func (o *own) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.asleep)
	o.asleep = nil
}

// awake waits while the daemon is suspended.
func (o *own) awake() {
	o.mu.Lock()
	asleep := o.asleep
	o.mu.Unlock()
	if asleep != nil {
		<-asleep
	}
}

func (o *own) effects() []act.Kind {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]act.Kind{}, o.did...)
}

func (o *own) Latest(ctx context.Context) (inventory.Sources, error) {
	o.awake()
	return o.world.Latest(ctx)
}

func (o *own) Observe(ctx context.Context, d inventory.Desired, r inventory.Record) inventory.Observed {
	o.awake()
	observed := o.world.Observe(ctx, d, r)
	o.awake()
	return observed
}

func (o *own) Do(ctx context.Context, d inventory.Desired, r inventory.Record, a act.Action) act.Outcome {
	o.mu.Lock()
	o.did = append(o.did, a.Kind)
	o.mu.Unlock()
	return o.world.Do(ctx, d, r, a)
}

func (o *own) List(ctx context.Context) ([]journal.Entry, error) { return o.journal.List(ctx) }

func (o *own) Get(ctx context.Context, host inventory.MachineID) (inventory.Record, int64, error) {
	return o.journal.Get(ctx, host)
}

func (o *own) Put(ctx context.Context, r inventory.Record, revision int64) (int64, error) {
	return o.journal.Put(ctx, r, revision)
}

func (o *own) Accepted(ctx context.Context) (journal.Accepted, error) { return o.journal.Accepted(ctx) }

func (o *own) LastLife(ctx context.Context) (journal.LastLife, error) { return o.journal.LastLife(ctx) }

func (o *own) KeepLife(ctx context.Context, last journal.LastLife) error {
	return o.journal.KeepLife(ctx, last)
}

func (o *own) Accept(ctx context.Context, a journal.Accepted) error { return o.journal.Accept(ctx, a) }

func (o *own) Read(ctx context.Context) (map[string]status.File, error) {
	o.awake()
	o.forge.mu.Lock()
	defer o.forge.mu.Unlock()
	o.mu.Lock()
	o.seen = o.forge.tips
	o.mu.Unlock()
	return o.world.Read(ctx)
}

func (o *own) Strayed() bool {
	o.awake()
	o.forge.mu.Lock()
	defer o.forge.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen != o.forge.tips
}

type movedAway struct{ error }

func (movedAway) Moved() bool { return true }

func (o *own) Publish(_ context.Context, changed map[string][]byte, _ string) (string, error) {
	o.awake()
	<-time.After(time.Second)
	o.awake()
	o.forge.mu.Lock()
	defer o.forge.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != o.forge.tips {
		return "", movedAway{errors.New("somebody else pushed there")}
	}
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	maps.Copy(o.branch, changed)
	maps.DeleteFunc(o.branch, func(_ string, page []byte) bool { return page == nil })
	o.forge.tips++
	if o.pushes++; o.loses > 0 && o.pushes%o.loses == 0 {
		return "", errors.New("the connection was reset")
	}
	o.seen = o.forge.tips
	return fmt.Sprintf("tip-%d", o.forge.tips), nil
}

// LastCommit says who pushed last.
func (o *own) LastCommit() string { return "ingot in 1a2b3c4d5e" }

// start runs a loop on the ports until stop.
func (o *own) start(t *testing.T) *daemon {
	t.Helper()
	loop, err := reconcile.New(reconcile.Config{
		Source: o, Load: o.load, Journal: o, Observer: o, Executor: o, Publisher: o, Log: o.log, Jitter: func() float64 { return 0 },
		Mark: markOf,
		NewID: func() string {
			o.world.mu.Lock()
			defer o.world.mu.Unlock()
			o.ids++
			return fmt.Sprintf("id-%d", o.ids)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	return &daemon{loop, sync.OnceValue(func() error { cancel(); return <-ended })}
}

// newOwn are the ports of a daemon with a copy of another one's journal, or an empty one.
func newOwn(w *world, f *forge, journals *own) *own {
	o := &own{world: w, journal: newWorld(0), forge: f}
	if journals != nil {
		journals.journal.mu.Lock()
		defer journals.journal.mu.Unlock()
		o.journal.records, o.journal.accepted, o.journal.revision = maps.Clone(journals.journal.records), journals.journal.accepted, journals.journal.revision
	}
	return o
}

// reinstall asks for another image on all hosts, which may be erased for it.
func (w *world) reinstall(commit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources.Trunk.Commit = fmt.Sprintf("%040d", commit)
	w.fleet.Commit = w.sources.Trunk.Commit
	for name, d := range w.fleet.Hosts {
		workload := *d.Workload
		workload.Inputs = fmt.Sprintf("%016d", commit)
		d.Workload, d.Commit, d.Release = &workload, w.fleet.Commit, w.fleet.Commit
		w.fleet.Hosts[name] = d
	}
}

func newReinstallable(hosts int) *world {
	w := newWorld(hosts)
	for name, d := range w.fleet.Hosts {
		d.Workload.Update, d.Reinstallable = schemas.Reinstall, true
		w.fleet.Hosts[name] = d
	}
	return w
}

func (w *world) snapshot() map[string][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.branch)
}

// TestAResumedSnapshotStandsAside suspends a daemon at every other second of an install, has a successor go on from a copy of its journal for days, and resumes
// the first one: it does nothing to the machine any more, and pushes nothing.
func TestAResumedSnapshotStandsAside(t *testing.T) {
	t.Parallel()
	for at := time.Second; at < 70*time.Second; at += 2 * time.Second {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, f := newReinstallable(1), &forge{}
				m := w.machines["host-0000"]
				first := newOwn(w, f, nil)
				a := first.start(t)
				after(at)
				first.suspend()
				after(10 * time.Second) // what it was about begins, and waits
				second := newOwn(w, f, first)
				b := second.start(t)
				after(24 * time.Hour)
				w.reinstall(2)
				after(24 * time.Hour)
				if got := b.phases(); got[plan.Active] != 1 {
					t.Fatalf("the successor's host is %v, want Active", got)
				}
				w.reinstall(3) // both are to do it
				branch, installs, did := w.snapshot(), m.installs, len(first.effects())
				first.resume()
				after(24 * time.Hour)
				if why := a.View().Another; !strings.Contains(why, "another daemon runs this fleet: the one on an unnamed machine since ") {
					t.Errorf("the first one says %q", why)
				}
				if again := first.effects()[did:]; len(again) > 0 {
					t.Errorf("the first one did %v", again)
				}
				if aside, runs := a.MayAct(), b.MayAct(); aside == nil || runs != nil {
					t.Errorf("what acts beside the loop is told %v by the first one, and %v by its successor", aside, runs)
				}
				if why := b.View().Another; why != "" || b.phases()[plan.Active] != 1 || m.installs != installs+1 {
					t.Errorf("the successor says %q, its hosts are %v, %d installs; want nothing, Active, and one more than %d", why, b.phases(), m.installs, installs)
				}
				if page := status.Path("host-0000"); bytes.Equal(branch[page], w.snapshot()[page]) {
					t.Error("the successor's page is as it was")
				}
				a.end(t)
				b.end(t)
			})
		})
	}
}

// TestTwoDaemonsInstallOnce runs two daemons with journals of their own on one fleet, and asks for a reinstall of every machine: no machine is installed by
// both, and not both go on.
func TestTwoDaemonsInstallOnce(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Millisecond, time.Second, 20 * time.Second, time.Minute, 10 * time.Minute} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, f := newReinstallable(3), &forge{}
				first, second := newOwn(w, f, nil), newOwn(w, f, nil)
				a := first.start(t)
				after(time.Hour)
				after(late)
				b := second.start(t)
				after(time.Hour)
				if one, other := a.View().Another, b.View().Another; !strings.Contains(one, "(life 2); this is life 1") || other != "" {
					t.Errorf("before anything is to be done: %q, %q, want the first to stand aside", one, other)
				}
				w.reinstall(2)
				after(24 * time.Hour)
				if one, other := a.View().Another, b.View().Another; one == "" || other != "" {
					t.Errorf("%q, %q, want the first to stand aside", one, other)
				}
				for name, m := range w.machines {
					if m.installs != 2 {
						t.Errorf("%s was installed %d times, want twice", name, m.installs)
					}
				}
				a.end(t)
				b.end(t)
			})
		})
	}
}

// TestAPushWithoutAnAnswerIsNotAnotherDaemon loses the answers of pushes through installs, and a restart.
func TestAPushWithoutAnAnswerIsNotAnotherDaemon(t *testing.T) {
	t.Parallel()
	for loses := 1; loses < 6; loses++ {
		t.Run(fmt.Sprint(loses), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, f := newReinstallable(3), &forge{}
				w.machines["host-0001"].breaks = "0123456789abcdef"
				o := newOwn(w, f, nil)
				if o.loses = loses; loses == 1 {
					o.loses = 0
				}
				for commit := range 3 {
					d := o.start(t)
					after(time.Hour)
					w.reinstall(commit + 2)
					after(time.Hour)
					if why := d.View().Another; why != "" || d.phases()[plan.Active] < 2 {
						t.Errorf("%q, %v, want no other daemon", why, d.phases())
					}
					d.end(t)
				}
			})
		})
	}
}

// TestWhatIsAnotherDaemonsPage puts pages on the branch while the daemon runs.
func TestWhatIsAnotherDaemonsPage(t *testing.T) {
	page := status.Path("host-0000")
	parsed := func(w *world) status.Document {
		d, err := status.Parse(w.branch[page])
		if err != nil {
			t.Error(err)
		}
		return d
	}
	for name, test := range map[string]struct {
		put  func(w *world, older map[string][]byte)
		want string // of the message; "" when it is no other daemon
	}{
		"a higher epoch": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Epoch += 3
			w.branch[page] = d.Encode()
		}, "on the page of host-0000, a later boot of it is known: stop the other one, then start this one with `ingot serve --take-fleet`"},
		"an operation at the same epoch": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Operation = &inventory.Operation{ID: "theirs", Kind: inventory.Install, Stage: inventory.Published, Attempt: 1, Started: time.Now(), Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank}}}
			w.branch[page] = d.Encode()
		}, "on the page of host-0000, operation theirs is under way"},
		"a consent that was spent": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Spent = append(d.Spent, "disk/0123456789abcdef")
			w.branch[page] = d.Encode()
		}, "consent disk/0123456789abcdef is spent"},
		"of another version, at a higher epoch": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Epoch++
			w.branch[page] = append(d.Encode(), "fromTheFuture: true\n"...)
		}, "on the page of host-0000, a later boot of it is known"},
		"of a higher life, whatever it says": {func(w *world, older map[string][]byte) {
			d, err := status.Parse(older[page])
			if err != nil {
				t.Error(err)
			}
			d.Life = inventory.Life{Number: 7, ID: "other"}
			w.branch[page] = d.Encode()
		}, "on the page of host-0000, a later start of a daemon, life 7, wrote of it"},
		"of a higher life, and of another version": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Life = inventory.Life{Number: 7, ID: "other"}
			w.branch[page] = append(d.Encode(), "fromTheFuture: true\n"...)
		}, "on the page of host-0000, a later start of a daemon, life 7, wrote of it"},
		"a revision that this life did not write": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Revision += 20
			w.branch[page] = d.Encode()
		}, "on the page of host-0000, life 1 wrote revision"},
		"an earlier revision that knows more": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Revision--
			d.Adopted = "SN"
			w.branch[page] = d.Encode()
		}, ""},
		"the fleet's, of a higher life": {func(w *world, _ map[string][]byte) {
			w.branch[status.FleetPath] = driven(t, w.branch, func(d *status.Daemon) { d.Life.Number, d.Life.ID, d.Host = 4, "other", "ctl-2" })
		}, "the one on ctl-2 since 2000-01-01T00:00:00Z (life 4); this is life 1"},
		"the fleet's, of another life with the number": {func(w *world, _ map[string][]byte) {
			w.branch[status.FleetPath] = driven(t, w.branch, func(d *status.Daemon) { d.Life.ID, d.Host = "other", "ctl-2" })
		}, "the one on ctl-2 since 2000-01-01T00:00:00Z (life 1); this is life 1"},
		"the fleet's, with a push of this life that this daemon did not make": {func(w *world, _ map[string][]byte) {
			w.branch[status.FleetPath] = driven(t, w.branch, func(d *status.Daemon) { d.PushID = "copy" })
		}, "a copy of it, on ctl-1 too, made push "},
		"the fleet's, of no daemon": {func(w *world, _ map[string][]byte) {
			f, err := status.ParseFleet(w.branch[status.FleetPath])
			if err != nil {
				t.Error(err)
			}
			f.Daemon = nil
			w.branch[status.FleetPath] = f.Encode()
		}, ""},
		"of another version": {func(w *world, _ map[string][]byte) {
			w.branch[page] = append(w.branch[page], "fromTheFuture: true\n"...)
		}, ""},
		"an older page":   {func(w *world, older map[string][]byte) { w.branch[page] = older[page] }, ""},
		"an older branch": {func(w *world, older map[string][]byte) { w.branch = maps.Clone(older) }, ""},
		"no page":         {func(w *world, _ map[string][]byte) { delete(w.branch, page) }, ""},
		"other words": {func(w *world, _ map[string][]byte) {
			w.branch[page] = bytes.ReplaceAll(w.branch[page], []byte("phase: Active"), []byte("phase: Held"))
		}, ""},
		"of a host nobody knows": {func(w *world, _ map[string][]byte) {
			d := parsed(w)
			d.Metadata.Name = "stranger"
			w.branch[status.Path("stranger")] = d.Encode()
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				var log bytes.Buffer
				w := newReinstallable(2)
				w.log = slog.New(slog.NewTextHandler(&log, nil))
				serve := func(take bool) *daemon {
					return w.run(t, reconcile.Config{Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w, Host: "ctl-1", TakeFleet: take})
				}
				d := serve(false)
				after(40 * time.Second) // the machines were seen off for long enough
				older := w.snapshot()
				after(30 * time.Minute)
				w.mu.Lock()
				before := maps.Clone(w.branch)
				test.put(w, older)
				put := maps.Clone(w.branch)
				w.strayed = true
				w.mu.Unlock()
				after(2 * time.Minute)
				calls := w.calls
				w.reinstall(2)
				after(2 * time.Hour)
				v := d.View()
				d.end(t)
				if test.want == "" {
					if v.Another != "" || strings.Contains(log.String(), "another daemon") || w.machines["host-0000"].installs != 2 || cmp.Equal(before, w.branch) {
						t.Errorf("%q, %d installs; want no other daemon, and that this one goes on", v.Another, w.machines["host-0000"].installs)
					}
					return
				}
				if !strings.Contains(v.Another, "another daemon runs this fleet: ") || !strings.Contains(v.Another, test.want) || !strings.Contains(log.String(), test.want) {
					t.Errorf("%q, want %s; the log:\n%s", v.Another, test.want, log.String())
				}
				for _, h := range v.Hosts {
					if h.Outcome.Why != v.Another || h.Looked.IsZero() {
						t.Errorf("%s says %+v", h.Name, h.Outcome)
					}
				}
				if w.machines["host-0000"].installs+w.machines["host-0001"].installs != 2 || w.calls > calls+1 { // the commit is accepted
					t.Errorf("%d installs, %d writes after it", w.machines["host-0000"].installs+w.machines["host-0001"].installs, w.calls-calls)
				}
				if diff := cmp.Diff(put, w.branch); diff != "" {
					t.Errorf("the branch (-there +now):\n%s", diff)
				}
				w.wantRemembered(t, put, serve)
			})
		})
	}
}

// driven is the fleet's page of a branch, with another daemon in it.
func driven(t *testing.T, branch map[string][]byte, change func(*status.Daemon)) []byte {
	f, err := status.ParseFleet(branch[status.FleetPath])
	if err != nil || f.Daemon == nil {
		t.Fatalf("%+v, %v", f.Daemon, err)
	}
	change(f.Daemon)
	return f.Encode()
}

// wantRemembered restarts a daemon that stood aside: it still does nothing and pushes nothing, until it is told to take
// the fleet.
func (w *world) wantRemembered(t *testing.T, branch map[string][]byte, serve func(take bool) *daemon) {
	t.Helper()
	installs := func() int { return w.machines["host-0000"].installs + w.machines["host-0001"].installs }
	again := serve(false)
	after(2 * time.Hour)
	if why := again.View().Another; !strings.Contains(why, "another daemon runs this fleet: ") || installs() != 2 || !cmp.Equal(branch, w.branch) {
		t.Errorf("after a restart: %q, %d installs, the branch is as it was: %t", why, installs(), cmp.Equal(branch, w.branch))
	}
	again.end(t)
	taker := serve(true)
	after(4 * time.Hour)
	if v := taker.View(); v.Another != "" || taker.phases()[plan.Failed] > 0 || cmp.Equal(branch, w.branch) {
		t.Errorf("with --take-fleet: %q, phases %v", v.Another, taker.phases())
	}
	taker.end(t)
	last := serve(false)
	after(time.Hour)
	if v := last.View(); v.Another != "" {
		t.Errorf("after a restart of the taker: %q", v.Another)
	}
	last.end(t)
}
