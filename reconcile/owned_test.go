package reconcile_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestNoEffectWithoutTheLease has the journal not surely belong to the daemon from the middle of an install on: no
// effect follows, also none that the journal writes nothing for. When the lease is renewed, the install goes on.
func TestNoEffectWithoutTheLease(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		m := w.machines["host-0000"]
		var lost atomic.Bool
		d := w.run(t, reconcile.Config{Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w,
			Owned: func() error {
				if lost.Load() {
					return journal.ErrNotOwner
				}
				return nil
			}})
		defer d.end(t)
		for range 1000 { // until something was done, and the install is not over
			if after(time.Second); w.effects(m) > 0 {
				break
			}
		}
		lost.Store(true)
		before := w.effects(m)
		after(time.Hour)
		if now := w.effects(m); before == 0 || now != before {
			t.Errorf("%d effects without the lease, after %d with it", now-before, before)
		}
		lost.Store(false)
		after(time.Hour)
		if m.installs != 1 {
			t.Errorf("%d installs after the lease was renewed, want 1", m.installs)
		}
	})
}

// effects is how many effects a machine met.
func (w *world) effects(m *machine) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(m.done)
}
