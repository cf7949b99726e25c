package reconcile_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// sign has the source say who signed the tag that every ring runs, and the daemon's configuration ask for two.
func (r *rollout) sign(d *daemon, s inventory.Signatures) {
	r.mu.Lock()
	for name, ring := range r.fleet.Rings {
		release := r.sources.Releases[name]
		s.Tag = ring.Tag
		ring.Signatures, release.Signatures = s, s
		r.fleet.Rings[name], r.sources.Releases[name] = ring, release
	}
	everywhere := schemas.Scope{AllHosts: true} // as a rollout's hosts are
	r.fleet = load.ApplyEraseRules(r.fleet, load.EraseRules{Reinstall: everywhere, TwoSigners: true})
	r.mu.Unlock()
	if d != nil {
		d.RefreshSource()
	}
}

// A countersignature that is deleted while the ramdisk boots takes back what would have erased; one that comes again lets it begin anew.
func TestADeletedCountersignatureArmsNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		one, two := inventory.Signatures{Object: "1111", Signer: "jo"}, inventory.Signatures{Object: "1111", Signer: "jo", Second: "ann"}
		r.release(nil, "v1", "1111", nil)
		r.sign(nil, one)
		d := r.daemon(t, reconcile.Limits{Installs: 30})
		after(time.Hour)
		r.wantDone(t, "blank disks need one signer", "1111", 10, 10, 10)
		r.mu.Lock()
		host := r.fleet.Rings["canary"].Hosts[0]
		r.watch = func() { // the machine is lost sight of as soon as its operation is on the status branch
			op := r.records[host].Record.Operation
			r.machines[host].hangs = op != nil && op.Stage == inventory.Published
		}
		r.mu.Unlock()
		r.release(d, "v2", "2222", nil)
		r.sign(d, two)
		after(time.Hour)
		r.mu.Lock()
		if op := r.records[host].Record.Operation; op == nil || op.Stage != inventory.Published || !op.Erases() {
			t.Errorf("the operation is %+v, want it on the status branch", op)
		}
		r.mu.Unlock()
		r.sign(d, one) // before the machine can be seen again
		r.mu.Lock()
		r.watch, r.machines[host].hangs = nil, false
		r.mu.Unlock()
		after(time.Hour)
		r.wantDone(t, "a deleted countersignature", "1111", 10, 10, 10)
		if h, _ := d.ViewHost(host); h.Plan.Hold == nil || h.Plan.Hold.Reason != change.NeedsSigners || h.Observed.Record.Last.Outcome != inventory.Superseded {
			t.Errorf("the host is %+v", h.Plan)
		}
		r.sign(d, two)
		after(24 * time.Hour)
		r.wantDone(t, "countersigned again", "2222", 10, 10, 10)
		d.end(t)
	})
}
