package reconcile_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// ages keeps the ages in memory, as the journal does.
type ages struct {
	mu   sync.Mutex
	kept map[inventory.MachineID][]byte
}

func (a *ages) LoadAges(_ context.Context, id inventory.MachineID) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept[id], nil
}

func (a *ages) SaveAges(_ context.Context, id inventory.MachineID, document []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept[id] = document
	return nil
}

// uplink is a world in which nobody can be heard while it is cut: no BMC answers, no agent speaks.
type uplink struct {
	*world
	mu   sync.Mutex
	cuts bool
}

func (u *uplink) cut(cuts bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cuts = cuts
}

func (u *uplink) Observe(ctx context.Context, d inventory.Desired, record inventory.Record) inventory.Observed {
	o := u.world.Observe(ctx, d, record)
	u.mu.Lock()
	defer u.mu.Unlock()
	o.Media.Last = time.Time{}
	if u.cuts {
		o.BMC = inventory.BMCState{At: time.Now(), Reach: inventory.Unreachable, Error: "no route"}
	}
	return o
}

// inRamdisk is a machine whose agent writes, and goes on writing.
func inRamdisk(t *testing.T, u *uplink, config reconcile.Config) (*daemon, *machine) {
	t.Helper()
	m := u.machines["host-0000"]
	m.script = true
	d := u.attended(t, config)
	after(time.Minute)
	if m.agent.Boot == "" || m.boots != 1 {
		t.Fatalf("the machine did not boot: %v", m.done)
	}
	return d, m
}

func (u *uplink) attended(t *testing.T, config reconcile.Config) *daemon {
	t.Helper()
	config.Source, config.Load, config.Journal, config.Observer = u.world, u.load, u.world, u
	config.Executor, config.Publisher = u.world, u.world
	return u.run(t, config)
}

// mute is an agent that says nothing from now on, though its machine runs.
func (u *uplink) mute() {
	u.world.mu.Lock()
	defer u.world.mu.Unlock()
	m := u.machines["host-0000"]
	m.mute = true
}

// TestTimeInWhichNobodyCouldHear has an agent fall silent for hours while the daemon is away, the uplink is cut, or the
// clock is set: the machine is not booted anew. An agent that could be heard for longer than its deadline is.
func TestTimeInWhichNobodyCouldHear(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		away  func(t *testing.T, u *uplink, d *daemon, c *setClock) *daemon
		again bool
	}{
		"it could be heard": {func(_ *testing.T, _ *uplink, d *daemon, _ *setClock) *daemon {
			after(time.Hour)
			return d
		}, true},
		"daemon away": {func(t *testing.T, u *uplink, d *daemon, _ *setClock) *daemon {
			t.Helper()
			if err := d.stop(); err != nil {
				t.Error(err)
			}
			after(3 * time.Hour)
			return u.attended(t, reconcile.Config{})
		}, false},
		"uplink cut": {func(_ *testing.T, u *uplink, d *daemon, _ *setClock) *daemon {
			u.cut(true)
			after(3 * time.Hour)
			u.cut(false)
			return d
		}, false},
		"clock ahead": {func(_ *testing.T, _ *uplink, d *daemon, c *setClock) *daemon {
			c.set(3 * time.Hour)
			return d
		}, false},
		"clock set back and ahead": {func(_ *testing.T, _ *uplink, d *daemon, c *setClock) *daemon {
			c.set(-3 * time.Hour)
			after(time.Minute)
			c.set(3 * time.Hour)
			return d
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u, c := &uplink{world: newWorld(1)}, &setClock{}
				d, m := inRamdisk(t, u, c.config())
				after(10 * time.Minute)
				u.mute()
				d = test.away(t, u, d, c)
				after(4 * time.Minute)
				if again := slices.Contains(m.done, act.PowerOff); again != test.again {
					t.Errorf("the machine booted again: %t, want %t: %v", again, test.again, m.done)
				}
				if err := d.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// setClock is a wall clock that somebody sets, beside the monotonic clock.
type setClock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *setClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

func (c *setClock) config() reconcile.Config {
	first := time.Now()
	return reconcile.Config{
		Now: func() time.Time {
			c.mu.Lock()
			defer c.mu.Unlock()
			return time.Now().Round(0).Add(c.ahead)
		},
		Elapsed: func() time.Duration { return time.Since(first) },
	}
}

// TestAttendedTimeAddsUp restarts a daemon every ten minutes: the time in which the machine could be heard adds up to its
// deadline, and without the kept ages the deadline never ends.
func TestAttendedTimeAddsUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kept  reconcile.Ages
		gives bool
	}{
		"kept":      {&ages{kept: map[inventory.MachineID][]byte{}}, true},
		"forgotten": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &uplink{world: newWorld(1)}
				m := u.machines["host-0000"]
				m.silent, m.image = true, inventory.ImageReady
				held := false
				for range 6 {
					d := u.attended(t, reconcile.Config{Ages: test.kept})
					after(10 * time.Minute)
					held = d.phases()[plan.Held] == 1
					if err := d.stop(); err != nil {
						t.Error(err)
					}
					after(time.Hour)
				}
				if held != test.gives {
					t.Errorf("held: %t, want %t: %v", held, test.gives, m.done)
				}
			})
		})
	}
}
