package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// What a person or trouble stops after an attempt that may have written is not handed out and taken back for ever, and goes on when it may.
func TestAStopAfterAnAttemptThatWrote(t *testing.T) {
	for name, phase := range map[string]plan.Phase{
		"fleet paused": plan.Pending, "ring paused": plan.Pending, "frozen history": plan.Held, "signers": plan.Held, "consent": plan.Held, "protect": plan.Protected,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				r, d, host := serving(t, func(m *machine) { m.breaks = "2222" })
				r.watch = func() { // it is lost sight of when its first attempt has failed, until the stop is accepted
					if r.machines[host].agent.Job.State == inventory.JobFailed {
						r.machines[host].hangs = true
					}
				}
				after(10 * time.Minute)
				r.change(d, func(r *rollout) { stops[name].stop(r, host) })
				after(time.Minute)
				r.mu.Lock()
				m := r.machines[host]
				r.watch, m.hangs, m.breaks, m.script = nil, false, "", true
				done := len(m.done)
				r.mu.Unlock()
				if op := r.record(host).Operation; op == nil || op.Root().Begun != 1 {
					t.Errorf("the operation is %+v, want its first attempt made", op)
				}
				for range 600 { // an agent asks for leave whenever it has a job
					after(5 * time.Second)
					r.mu.Lock()
					running := m.agent.Job.State == inventory.JobRunning
					r.mu.Unlock()
					if running && r.scriptEnds(t, d, host) == "" {
						t.Error("an install step was let begin")
					}
				}
				r.mu.Lock()
				did := slices.Clone(m.done[done:])
				m.script = false
				r.mu.Unlock()
				if h, _ := d.ViewHost(host); h.Plan.Phase != phase || slices.Contains(did, act.AssignStep) {
					t.Errorf("the host is %+v after %v, want it %s without a job", h.Plan, did, phase)
				}
				if name == "signers" {
					d.awaitCause(t, "PermissionWithdrawn", time.Second)
				}
				r.change(d, func(r *rollout) { stops[name].goOn(r, host) })
				after(2 * time.Hour)
				if rec := r.record(host); rec.Installed == nil || rec.Installed.Inputs != "2222" {
					t.Errorf("given back: record %+v", rec)
				}
				d.end(t)
			})
		})
	}
}

// Hosts whose ring is paused while their operation waits to be armed hold no place that others need, and get one again in turn.
func TestAPausedRingHoldsNoPlace(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(6)
		w.fleet.Rings = map[string]inventory.Ring{"a": {Name: "a"}, "b": {Name: "b"}}
		for i, name := range slices.Sorted(maps.Keys(w.fleet.Hosts)) {
			h := w.fleet.Hosts[name]
			h.Ring = []string{"a", "b"}[i/3]
			ring := w.fleet.Rings[h.Ring]
			ring.Hosts = append(ring.Hosts, name)
			w.fleet.Hosts[name], w.fleet.Rings[h.Ring] = h, ring
		}
		pause := func(paused bool) {
			ring := w.fleet.Rings["a"]
			ring.Spec.Paused = paused
			w.fleet.Rings["a"] = ring
			w.ids++
			w.sources.Trunk.Commit = fmt.Sprintf("%040d", w.ids)
		}
		var d *daemon
		w.pushed = func() {
			for _, name := range w.fleet.Rings["a"].Hosts {
				if w.records[name].Record.Operation != nil {
					w.pushed = nil
					pause(true)
					d.RefreshSource()
				}
			}
		}
		d = w.daemon(t, reconcile.Limits{Installs: 1})
		after(3 * time.Hour)
		if got := d.phases(); got[plan.Active] != 3 || got[plan.Pending] != 3 {
			t.Errorf("phases = %v, want ring b Active and ring a Pending", got)
		}
		w.mu.Lock()
		pause(false)
		w.mu.Unlock()
		d.RefreshSource()
		after(3 * time.Hour)
		if got := d.phases(); got[plan.Active] != 6 {
			t.Errorf("phases = %v, want all Active", got)
		}
		d.end(t)
	})
}
