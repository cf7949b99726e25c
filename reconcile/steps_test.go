package reconcile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// withScripts is a world of one machine whose workload has a script in front of the install and one behind it.
func withScripts() *world {
	w := newWorld(1)
	d := w.fleet.Hosts[polled]
	workload := *d.Workload
	workload.Steps = []inventory.Step{{Name: "before", Seconds: 60}, {Name: schemas.StepInstall, Seconds: 3600}, {Name: "after", Seconds: 60}}
	d.Workload = &workload
	w.fleet.Hosts[polled] = d
	return w
}

// The daemon is restarted after each step, and dies at each of its calls, before and after their effect: each script runs
// once in the attempt, and the system is written once.
func TestADaemonThatDiesBetweenSteps(t *testing.T) {
	for _, late := range []bool{false, true} {
		for at := 1; at <= 45; at++ {
			t.Run(fmt.Sprintf("call %d, late %t", at, late), func(t *testing.T) {
				run(t, func(t *testing.T) {
					w := withScripts()
					w.crashAt, w.late = at, late
					d := w.daemon(t, reconcile.Limits{})
					after(30 * time.Minute)
					_ = d.stop()
					w.crashAt = 0
					d = w.daemon(t, reconcile.Limits{})
					after(time.Hour)
					h, _ := d.ViewHost(polled)
					d.end(t)
					m := w.machines[polled]
					if h.Plan.Phase != plan.Active || m.installs != 1 || !slices.Equal(m.ran, []string{"before 1", "after 1"}) {
						t.Errorf("died at call %d (late %t): %s, %d installs, scripts %v, done %v", at, late, h.Plan.Phase, m.installs, m.ran, m.done)
					}
				})
			})
		}
	}
}

// Protect that is taken between two steps, while the daemon is away, lets none follow; the operation goes on behind it, and
// runs no step again.
func TestProtectBetweenTwoSteps(t *testing.T) {
	for cursor := 1; cursor <= 2; cursor++ {
		t.Run(fmt.Sprint("before step ", cursor+1), func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := stoppedAt(t, cursor)
				protect := func(is bool) {
					d := w.fleet.Hosts[polled]
					d.Protect = is
					w.fleet.Hosts[polled] = d
				}
				protect(true)
				done := len(w.machines[polled].done)
				d := w.daemon(t, reconcile.Limits{})
				after(10 * time.Minute)
				h, _ := d.ViewHost(polled)
				_ = d.stop()
				if got := w.machines[polled].done; h.Plan.Phase != plan.Protected || len(got) != done {
					t.Errorf("the host is %+v, done %v, want it protected", h.Plan, got[done:])
				}
				protect(false)
				d = w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				h, _ = d.ViewHost(polled)
				d.end(t)
				m := w.machines[polled]
				if h.Plan.Phase != plan.Active || m.installs != 1 || !slices.Equal(m.ran, []string{"before 1", "after 1"}) {
					t.Errorf("%s, %d installs, scripts %v, done %v", h.Plan.Phase, m.installs, m.ran, m.done)
				}
			})
		})
	}
}

// stoppedAt is a world whose daemon died when a step was recorded, and the next one, at the cursor, was not handed out.
func stoppedAt(t *testing.T, cursor int) *world {
	t.Helper()
	for at := 1; at <= 45; at++ {
		w := withScripts()
		w.crashAt, w.late = at, true
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		_ = d.stop()
		op := w.records[polled].Record.Operation
		if op == nil || op.Cursor != cursor {
			continue
		}
		if step, due := op.Step(); due && step.State == inventory.StepWaiting {
			return w
		}
	}
	t.Fatalf("no daemon died before step %d", cursor+1)
	return nil
}
