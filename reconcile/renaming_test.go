package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// pausing is a world in which one look at a host lasts until it is let go on.
type pausing struct {
	*world
	host   string
	next   atomic.Bool // the next look is the one
	inside chan struct{}
	goOn   chan struct{}
}

// Observe implements reconcile.Observer.
func (p *pausing) Observe(ctx context.Context, d inventory.Desired, r inventory.Record) inventory.Observed {
	o := p.world.Observe(ctx, d, r)
	if d.Name == p.host && p.next.CompareAndSwap(true, false) {
		close(p.inside)
		<-p.goOn
	}
	return o
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// record is what the journal has of a host.
func (w *world) record(host string) inventory.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records[host].Record
}

// TestALookUnderWayBeginsNothingUnderAReservedName merges a rename while the new name is looked at, which was merged without metadata.formerly before.
func TestALookUnderWayBeginsNothingUnderAReservedName(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		p := &pausing{world: w, host: "web-03", inside: make(chan struct{}), goOn: make(chan struct{})}
		d := w.observed(t, p, reconcile.Limits{})
		after(30 * time.Minute)
		before, m := w.record("host-0000"), w.machines["host-0000"]
		renamed := w.called(desired("host-0000"), "web-03")
		renamed.Identity = schemas.Identity{}
		another := renamed
		another.Former = ""
		done := 0
		w.set(func() { m.power, done, w.refused = inventory.PoweredOff, len(m.done), errors.New("not now") }) // nothing begins while no page can be pushed
		w.commit("2", another)
		d.Refresh()
		after(time.Minute)
		w.set(func() { w.refused = nil })
		p.next.Store(true)
		<-p.inside
		after(time.Minute)
		w.commit("3", renamed)
		d.Refresh()
		after(time.Minute)
		close(p.goOn)
		after(30 * time.Minute)
		w.wantOnly(t, d, "web-03")
		if got := w.record("web-03"); got.Epoch < before.Epoch || got.Installed == nil || got.Installed.ID != before.Installed.ID {
			t.Errorf("web-03 = %+v, want what was known as host-0000: %+v", got, before)
		}
		d.end(t)
		for _, kind := range m.done[done:] {
			if kind == plan.InsertMedia || kind == plan.AssignInstall {
				t.Errorf("the machine did %v, want it powered on from its disk only", m.done[done:])
			}
		}
	})
}

// TestARenameThatWasNotWrittenIsDecidedAnew takes a rename back while the journal is away, and gives the new name to another machine.
func TestARenameThatWasNotWrittenIsDecidedAnew(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		before, m := w.record("host-0000"), w.machines["host-0000"]
		done := len(m.done)
		w.set(func() { w.owner = errors.New("etcd is away") })
		w.commit("2", w.called(desired("host-0000"), "web-03"))
		d.Refresh()
		after(time.Minute)
		another := &machine{serial: "SN-another", volume: "VOL-another", power: inventory.PoweredOff}
		w.set(func() { w.machines["web-03"] = another })
		other := desired("web-03")
		other.Identity, other.RootDisk = schemas.Identity{}, &schemas.DiskHints{Serial: "VOL-another"}
		w.commit("3", desired("host-0000"), other)
		d.Refresh()
		after(time.Second)
		w.set(func() { w.owner = nil })
		after(2 * time.Hour)
		w.wantOnly(t, d, "host-0000", "web-03")
		if got := d.phases(); got[plan.Active] != 2 {
			t.Errorf("phases = %v, want both Active", got)
		}
		d.end(t)
		if got := w.record("host-0000"); got.Installed == nil || got.Installed.ID != before.Installed.ID || len(got.Formerly) != 0 || len(m.done) != done {
			t.Errorf("host-0000 = %+v and did %v, want it as it was: %+v", got, m.done[done:], before)
		}
		if got := w.record("web-03"); len(got.Formerly) != 0 || another.installs != 1 {
			t.Errorf("web-03 = %+v, installed %d times, want its own install", got, another.installs)
		}
	})
}

// TestARingCountsAMachineThatGetsAnotherName renames a machine that went down for its rollout and hangs: the next one waits, whether or not the new name
// was known before.
func TestARingCountsAMachineThatGetsAnotherName(t *testing.T) {
	for name, merged := range map[string]bool{"new name unknown": false, "new name merged before without formerly": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				a, b := desired("host-0000"), desired("host-0001")
				d := w.daemon(t, reconcile.Limits{})
				rollout := func(id string, hosts ...inventory.Desired) {
					w.commit(id, hosts...)
					w.set(func() {
						ring := inventory.Ring{Name: "all", Spec: schemas.RingSpec{Tag: "v*"}, Tag: "v1", Commit: w.fleet.Commit}
						for _, h := range hosts {
							ring.Hosts = append(ring.Hosts, h.Name)
						}
						w.fleet.Rings = map[string]inventory.Ring{"all": ring}
					})
					d.Refresh()
				}
				rollout("1", inRing(a, "1111"), inRing(b, "1111"))
				after(time.Hour)
				ma, mb := w.machines["host-0000"], w.machines["host-0001"]
				w.set(func() {
					w.watch = func() {
						if op := w.records["host-0000"].Record.Operation; op != nil && op.Erases && ma.power == inventory.PoweredOff {
							ma.hangs = true
						}
					}
				})
				rollout("2", inRing(a, "2222"), inRing(b, "1111"))
				after(10 * time.Minute)
				renamed := w.called(a, "web-03")
				if merged {
					another := renamed
					another.Former = ""
					rollout("3", inRing(b, "1111"), inRing(another, "2222"))
					after(10 * time.Minute)
				}
				rollout("4", inRing(b, "2222"), inRing(renamed, "2222"))
				after(time.Hour)
				w.set(func() {
					if ma.power != inventory.PoweredOff || !ma.hangs {
						t.Fatalf("the first machine is %+v, want it down: nothing was proved", ma)
					}
					if mb.installs != 1 {
						t.Errorf("the second machine was installed %d times, want once: maxUnavailable is 1 and the first is down", mb.installs)
					}
				})
				d.end(t)
			})
		})
	}
}

// inRing is a host of the one ring that may be reinstalled, with these inputs.
func inRing(d inventory.Desired, inputs string) inventory.Desired {
	workload := *d.Workload
	workload.Inputs, workload.Update, workload.Parts = inputs, schemas.Reinstall, map[string]string{"image": inputs}
	d.Workload, d.Reinstallable, d.Ring = &workload, true, "all"
	return d
}

// TestAFormerNameIsHeldUntilSerialsTell gives the old name of a machine that says no serial to another one: neither is touched.
func TestAFormerNameIsHeldUntilSerialsTell(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.machines["host-0000"].serial = "Not Specified"
		silent := desired("host-0000")
		silent.Identity = schemas.Identity{}
		w.commit("1", silent)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		before, m := w.record("host-0000"), w.machines["host-0000"]
		done := len(m.done)
		renamed := w.called(desired("host-0000"), "web-03")
		another := desired("host-0000")
		another.Identity.Serial = "SN-another"
		b := &machine{serial: "SN-another", power: inventory.PoweredOff}
		w.set(func() { w.machines["host-0000"] = b })
		w.commit("2", renamed, another)
		d.Refresh()
		after(time.Hour)
		for _, name := range []string{"host-0000", "web-03"} {
			h, _ := d.Host(name)
			if h.Plan.Phase != plan.Held || h.Plan.Hold == nil || h.Plan.Hold.Reason != plan.Renamed {
				t.Errorf("%s = %s %+v, want it Held as Renamed", name, h.Plan.Phase, h.Plan.Hold)
			}
		}
		w.set(func() {
			if len(b.done) > 0 || len(m.done) != done {
				t.Errorf("the machines did %v and %v, want nothing", b.done, m.done[done:])
			}
		})

		w.commit("3", renamed) // what the hold says to do
		d.Refresh()
		after(time.Hour)
		w.wantOnly(t, d, "web-03")
		d.end(t)
		if got := w.record("web-03"); got.Installed == nil || got.Installed.ID != before.Installed.ID {
			t.Errorf("web-03 = %+v, want what was known as host-0000", got)
		}
	})
}

// TestAPageThatSaysWhatEndedIsNoGhost merges a rename during an install, and stops the daemon when the journal has the new name: the page under the former
// one still speaks of the operation, and of the ramdisk.
func TestAPageThatSaysWhatEndedIsNoGhost(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		renamed := w.called(desired("host-0000"), "web-03")
		var d *daemon
		w.watch = func() {
			op := w.records["host-0000"].Record.Operation
			if op == nil {
				return
			}
			if renamed.Commit = strings.Repeat("2", 40); op.Stage == inventory.Armed && w.fleet.Commit != renamed.Commit {
				renamed.Release = renamed.Commit
				w.sources.Trunk.Commit, w.fleet.Commit, w.fleet.Hosts = renamed.Commit, renamed.Commit, map[string]inventory.Desired{"web-03": renamed}
				go d.Refresh()
			}
			if op.Stage == inventory.Written || op.Stage == inventory.Starting {
				w.refused = errors.New("the forge is away")
			}
		}
		d = w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		_ = d.stop() // it cannot push
		old, err := status.Page(status.Path("host-0000"), w.branch[status.Path("host-0000")])
		if now := w.record("web-03"); err != nil || now.Installed == nil || old.Record().AtRest() {
			t.Fatalf("web-03 = %+v, host-0000's page = %+v, %v: want it installed, and the page of before", now, old, err)
		}
		w.set(func() { w.refused, w.watch = nil, nil })
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		w.wantOnly(t, d, "web-03")
		if got := d.phases(); got[plan.Active] != 1 {
			t.Errorf("phases = %v, want it Active", got)
		}
		d.end(t)
	})
}
