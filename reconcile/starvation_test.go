package reconcile_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// TestDeadMachinesSlowNobodyDown installs 70 machines, five at a time, each in about a quarter of an hour: alone, and beside 30 others. Beside
// BMCs that never answer the slowest of the 70 is at most a tenth slower. A machine whose BMC falls silent in the middle of the
// install, or refuses everything, has a place for a few looks: then the slowest is at most a quarter slower.
func TestDeadMachinesSlowNobodyDown(t *testing.T) {
	t.Parallel()
	alone := percentile(healthyTimes(t, "alone", nil), 99)
	for name, test := range map[string]struct {
		most    time.Duration
		trouble func(m *machine, since time.Duration)
	}{
		"never answers": {alone + alone/10, func(m *machine, _ time.Duration) { m.hangs = true }},
		"falls silent":  {alone + alone/4, func(m *machine, _ time.Duration) { m.hangs = m.hangs || len(m.done) > 2 }},
		"refuses":       {alone + alone/4, func(m *machine, _ time.Duration) { m.refuses = true }},
	} {
		if got := percentile(healthyTimes(t, name, test.trouble), 99); got > test.most {
			t.Errorf("beside machines whose BMC %s p99 of the healthy ones is %s, %s alone, want at most %s", name, got, alone, test.most)
		}
	}
}

// healthyTimes gives how long each of 70 healthy machines takes to be Active, in order; with trouble, beside 30 others.
func healthyTimes(t *testing.T, name string, trouble func(*machine, time.Duration)) (took []time.Duration) {
	t.Helper()
	const healthy, all = 70, 100
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(all)
			var sick []*machine
			for i, id := range slices.Sorted(maps.Keys(w.machines)) {
				m := w.machines[id]
				m.post = 7 * time.Minute // twice in an install
				switch {
				case i%10 < 7:
				case trouble == nil:
					delete(w.fleet.Hosts, id)
				default:
					sick = append(sick, m)
				}
			}
			d := w.daemon(t, reconcile.Limits{Workers: 8, Installs: 5})
			took = w.watchHealthy(d, healthy, func(since time.Duration) {
				for _, m := range sick {
					trouble(m, since)
				}
			})
			d.end(t)
			if len(took) != healthy {
				t.Fatalf("%d of %d healthy machines are Active in the end", len(took), healthy)
			}
		})
	})
	return took
}

// watchHealthy waits until a number of machines that were never in trouble are Active, at most twelve hours, and gives their times.
func (w *world) watchHealthy(d *daemon, count int, trouble func(since time.Duration)) []time.Duration {
	began, done := time.Now(), map[inventory.MachineID]time.Duration{}
	for ids := slices.Sorted(maps.Keys(w.machines)); len(done) < count && time.Since(began) < 12*time.Hour; after(time.Minute) {
		w.mu.Lock()
		trouble(time.Since(began))
		w.mu.Unlock()
		for _, h := range d.View().Hosts {
			if id := h.Desired.ID; h.Plan.Phase == plan.Active && done[id] == 0 && slices.Index(ids, id)%10 < 7 {
				done[id] = time.Since(began)
			}
		}
	}
	return slices.Sorted(maps.Values(done))
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent-1)/100]
}
