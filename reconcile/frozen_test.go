package reconcile_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// A history that stops being trusted while the ramdisk boots stops what would have erased: only a write that has begun ends.
func TestAFrozenHistoryArmsNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30})
		after(time.Hour)
		r.mu.Lock()
		host := r.fleet.Rings["canary"].Hosts[0]
		r.watch = func() { // the machine is lost sight of as soon as its operation is on the status branch
			op := r.records[host].Record.Operation
			r.machines[host].hangs = op != nil && op.Stage == inventory.Published
		}
		r.mu.Unlock()
		r.release(d, "v2", "2222", nil)
		after(time.Hour)
		r.mu.Lock()
		if op := r.records[host].Record.Operation; op == nil || op.Stage != inventory.Published || !op.Erases() {
			t.Errorf("the operation is %+v, want it on the status branch", op)
		}
		r.mu.Unlock()
		r.distrust(d) // before the machine can be seen again
		r.mu.Lock()
		r.watch, r.machines[host].hangs = nil, false
		r.mu.Unlock()
		after(time.Hour)
		r.wantDone(t, "a moved tag", "1111", 10, 10, 10)
		if h, _ := d.ViewHost(host); h.Plan.Hold == nil || h.Plan.Hold.Reason != change.Frozen {
			t.Errorf("the host is %+v", h.Plan)
		}
		d.end(t)
	})
}
