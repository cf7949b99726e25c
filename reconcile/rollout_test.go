package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// tiers are the rings of the rollouts, 10 hosts each, in their order.
var tiers = map[string]schemas.RingSpec{
	"canary": {Tag: "v*"},
	"early":  {Tag: "v*", After: []string{"canary"}, MaxUnavailable: "2"},
	"broad":  {Tag: "v*", After: []string{"early"}, MaxUnavailable: "30%"},
}

// rollout is a world of 30 machines in three rings, the most machines of each ring that were ever down at a time, and the most that were replaced.
type rollout struct {
	*world
	worst, most map[string]int
	gone        inventory.Desired // of a host whose file was deleted
}

func newRollout() *rollout {
	r := &rollout{world: newWorld(30), worst: map[string]int{}, most: map[string]int{}}
	r.fleet.Rings = map[string]inventory.Ring{}
	for name, spec := range tiers {
		r.fleet.Rings[name] = inventory.Ring{Name: name, Spec: spec}
	}
	for i, name := range slices.Sorted(maps.Keys(r.fleet.Hosts)) {
		d := r.fleet.Hosts[name]
		d.Ring = []string{"canary", "early", "broad"}[i/10]
		d.Canary = i == 0 || i == 13 // within a ring only canaries have an order
		ring := r.fleet.Rings[d.Ring]
		ring.Hosts = append(ring.Hosts, name)
		r.fleet.Rings[d.Ring], r.fleet.Hosts[name] = ring, d
	}
	r.watch = r.count
	return r
}

// count looks at the machines themselves after every effect: down is one that served and does not run from its disk now.
func (r *rollout) count() {
	for name, ring := range r.fleet.Rings {
		down, replaced := 0, 0
		for _, host := range ring.Hosts {
			if op := r.records[host].Record.Operation; op != nil && op.Erases() {
				replaced++
			}
			if m := r.machines[host]; m.served && (m.power != inventory.PoweredOn || m.agent.Boot != "") {
				down++
			}
		}
		r.worst[name], r.most[name] = max(r.worst[name], down), max(r.most[name], replaced)
	}
}

// release has every ring run a tag on a commit; hosts get inputs and their consents.
func (r *rollout) release(d *daemon, tag, inputs string, consents map[inventory.MachineID]string) {
	r.mu.Lock()
	commit := strings.Repeat(inputs[:1], 40)
	r.sources.Releases = map[string]inventory.Release{}
	for name, ring := range r.fleet.Rings {
		ring.Tag, ring.Commit = tag, commit
		r.fleet.Rings[name] = ring
		r.sources.Releases[name] = inventory.Release{Tag: tag, Snapshot: inventory.Snapshot{Commit: commit}}
	}
	for name, h := range r.fleet.Hosts {
		w := *h.Workload
		w.Inputs, w.Update, w.Parts = inputs, schemas.Reinstall, map[string]string{"image": inputs}
		h.Workload, h.Release, h.Consent.Erase, h.Reinstallable = &w, commit, nil, true
		if consent := consents[name]; consent != "" {
			h.Consent.Erase = []string{consent}
		}
		r.fleet.Hosts[name] = h
	}
	r.mu.Unlock()
	if d != nil {
		d.RefreshSource()
	}
}

// distrust has the source say of every ring's release that its tag was moved.
func (r *rollout) distrust(d *daemon) {
	r.mu.Lock()
	for name, ring := range r.fleet.Rings {
		release := r.sources.Releases[name]
		ring.Trouble, release.Trouble = "tag v2 was moved", "tag v2 was moved"
		r.fleet.Rings[name], r.sources.Releases[name] = ring, release
	}
	r.mu.Unlock()
	d.RefreshSource()
}

// done gives how many hosts of each ring run some inputs.
func (r *rollout) done(inputs string) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := map[string]int{"canary": 0, "early": 0, "broad": 0}
	for name, h := range r.fleet.Hosts {
		if i := r.records[name].Record.Installed; i != nil && i.Inputs == inputs {
			done[h.Ring]++
		}
	}
	return done
}

func (r *rollout) wantDone(t *testing.T, what, inputs string, canary, early, broad int) {
	t.Helper()
	if got, want := r.done(inputs), map[string]int{"canary": canary, "early": early, "broad": broad}; !maps.Equal(got, want) {
		t.Errorf("%s: %s runs on %v, want %v", what, inputs, got, want)
	}
}

// TestARolloutGoesRingByRing installs a fleet, replaces its system ring by ring, stops at a canary that fails, goes on with the next release, and goes
// back to the first. Never is more of a ring down than it may.
func TestARolloutGoesRingByRing(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
		after(time.Hour)
		r.wantDone(t, "the first release", "1111", 10, 10, 10)

		first := r.fleet.Rings["canary"].Hosts[0]
		r.machines[first].breaks = "2222"
		r.release(d, "v2", "2222", nil)
		after(12 * time.Hour)
		r.wantDone(t, "a canary failed", "2222", 0, 0, 0)
		r.wantDone(t, "a canary failed", "1111", 9, 10, 10)
		d.awaitCause(t, "RingFailed", time.Second)
		failed, _ := d.ViewHost(first)
		if failed.Plan.Phase != plan.Held || len(failed.Plan.Hold.Consents) != 1 {
			t.Errorf("the failed canary is %+v", failed.Plan)
		}
		waits, _ := d.ViewHost(r.fleet.Rings["broad"].Hosts[5])
		if want := "ring broad comes after ring early, of which 0 of 10 hosts are done"; waits.Plan.Phase != plan.Pending || waits.Plan.Waits != want {
			t.Errorf("a host of the last ring is %s, waits for %q; want %q", waits.Plan.Phase, waits.Plan.Waits, want)
		}
		if board := string(r.branch["README.md"]); !strings.Contains(board, "| canary | v2 `2222222222` | 0 of 10 |  |  | "+string(first)+" | paused: "+string(first)+" failed") {
			t.Errorf("the board says\n%s", board)
		}

		r.release(d, "v3", "3333", nil)
		after(time.Hour)
		failed, _ = d.ViewHost(first)
		r.release(d, "v4", "3333", map[inventory.MachineID]string{first: failed.Plan.Hold.Consents[0]})
		after(24 * time.Hour)
		r.wantDone(t, "the release that mends it", "3333", 10, 10, 10)

		r.release(d, "v5", "1111", nil)
		after(24 * time.Hour)
		r.wantDone(t, "the rollback", "1111", 10, 10, 10)
		for name, spec := range tiers {
			if r.worst[name] > spec.Limit(10) || r.worst[name] == 0 || r.most[name] != spec.Limit(10) {
				t.Errorf("ring %s: %d machines were down and %d replaced at a time, want at most, and as many as, %d", name, r.worst[name], r.most[name], spec.Limit(10))
			}
		}
		d.end(t)
	})
}

// TestProtectInTheMiddleOfARollout takes what has not begun out of it at once; what is left goes on.
func TestProtectInTheMiddleOfARollout(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
		after(time.Hour)
		r.release(d, "v2", "2222", nil)
		for r.done("2222")["early"] < 4 {
			after(time.Second)
		}
		r.mu.Lock()
		protected := map[inventory.MachineID]int{}
		for name, h := range r.fleet.Hosts {
			if i := r.records[name].Record; i.Installed != nil && i.Installed.Inputs == "1111" && i.Operation == nil && h.Ring == "early" {
				h.Protect = true
				r.fleet.Hosts[name] = h
				protected[name] = len(r.machines[name].done)
			}
		}
		r.sources.Trunk.Commit = strings.Repeat("9", 40)
		r.mu.Unlock()
		d.RefreshSource()
		after(24 * time.Hour)
		for name, before := range protected {
			if m := r.machines[name]; len(m.done) > before {
				t.Errorf("%s is protected, and this was done to it: %v", name, m.done[before:])
			}
		}
		if len(protected) < 2 {
			t.Fatalf("only %v were protected", protected)
		}
		r.wantDone(t, "with some protected", "2222", 10, 10-len(protected), 10)
		d.end(t)
	})
}

// TestARingWaitsForItsWindow begins nothing before it opens, without anybody asking.
func TestARingWaitsForItsWindow(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		opens := time.Now().UTC().Add(3 * time.Hour).Truncate(time.Minute)
		ring := r.fleet.Rings["canary"]
		ring.Spec.Windows = []schemas.Window{{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "2h"}}
		r.fleet.Rings["canary"] = ring
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
		after(time.Until(opens) - time.Second)
		r.wantDone(t, "before the window", "1111", 0, 0, 0)
		after(time.Hour)
		r.wantDone(t, "in the window", "1111", 10, 10, 10)
		d.end(t)
	})
}

// TestAFrozenHistoryErasesNothing has the source say that the trunk was rewritten: what erases is held, what does not goes on.
func TestAFrozenHistoryErasesNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
		after(time.Hour)
		r.mu.Lock()
		ring := r.fleet.Rings["canary"]
		r.mu.Unlock()
		r.release(d, "v2", "2222", nil)
		r.distrust(d)
		after(time.Hour)
		r.wantDone(t, "a moved tag", "1111", 10, 10, 10)
		h, _ := d.ViewHost(ring.Hosts[0])
		if want := "nothing is erased until an operator has looked: tag v2 was moved"; h.Plan.Phase != plan.Held || h.Plan.Hold.Reason != change.Frozen || h.Plan.Hold.Message != want {
			t.Errorf("the host is %+v", h.Plan)
		}
		d.end(t)
	})
}

// TestAClosedWindowArmsNothing has an operation begin in a window, and its push be taken only after it closed: the machine is not taken down before
// the next one opens.
func TestAClosedWindowArmsNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		opens := time.Now().UTC().Add(3 * time.Hour).Truncate(time.Minute)
		ring := r.fleet.Rings["canary"]
		ring.Spec.Windows = []schemas.Window{{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "1h"}}
		r.fleet.Rings["canary"] = ring
		host := ring.Hosts[0]
		r.release(nil, "v1", "1111", nil)
		r.watch = func() { // its inspection was pushed, its operation is next
			if r.machines[host].boots > 0 {
				r.refused = errors.New("not now")
			}
		}
		d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
		after(time.Until(opens) + 90*time.Minute)
		r.mu.Lock()
		r.refused, r.watch = nil, nil
		r.mu.Unlock()
		after(2 * time.Hour)
		r.mu.Lock()
		op := r.records[host].Record.Operation
		r.mu.Unlock()
		h, _ := d.ViewHost(host)
		if op == nil || op.Stage != inventory.Published || h.Plan.Phase != plan.Pending || !strings.Contains(h.Plan.Waits, "in its windows only") {
			t.Errorf("after the window: operation %+v, plan %+v; want it published and no more", op, h.Plan)
		}
		after(21 * time.Hour)
		r.wantDone(t, "in the next window", "1111", 10, 10, 10)
		d.end(t)
	})
}

// TestWhatStopsARolloutStopsTheWayDown has a boot begun in a window, and the BMC not take the machine down before something stops it: the machine that serves is
// left on, and nothing is written to it before that is over.
func TestWhatStopsARolloutStopsTheWayDown(t *testing.T) {
	pause := func(paused bool) func(*rollout) {
		return func(r *rollout) {
			r.fleet.Settings.Paused = paused
			r.sources.Trunk.Commit = fmt.Sprintf("%040d", r.ids)
		}
	}
	for name, test := range map[string]struct {
		wait       time.Duration
		stop, goOn func(*rollout)
	}{
		"the window closes":   {90 * time.Minute, func(*rollout) {}, func(*rollout) {}},
		"the fleet is paused": {time.Minute, pause(true), pause(false)},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				r := newRollout()
				host := r.fleet.Rings["canary"].Hosts[0]
				r.release(nil, "v1", "1111", nil)
				d := r.daemon(t, reconcile.Limits{Installs: 30, ErasesPerHour: 1000})
				after(time.Hour)
				opens := time.Now().UTC().Add(3 * time.Hour).Truncate(time.Minute)
				r.change(d, func(r *rollout) {
					ring := r.fleet.Rings["canary"]
					ring.Spec.Windows = []schemas.Window{{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "1h"}}
					r.fleet.Rings["canary"], r.machines[host].busy = ring, true
				})
				r.release(d, "v2", "2222", nil)
				after(time.Until(opens) + 30*time.Minute)
				r.change(d, test.stop)
				after(test.wait)
				r.mu.Lock()
				r.machines[host].busy = false
				before, boot := len(r.machines[host].done), r.records[host].Record.Boot
				r.mu.Unlock()
				if boot == nil || boot.Target != inventory.FromRamdisk || boot.Stage != inventory.Preparing {
					t.Errorf("the boot is %+v, want it begun", boot)
				}
				after(2 * time.Hour)
				h, _ := d.ViewHost(host)
				if did := r.machines[host].done[before:]; len(did) > 0 || h.Plan.Phase != plan.Pending {
					t.Errorf("stopped: done %v, plan %+v; want the machine left on", did, h.Plan)
				}
				r.change(d, test.goOn)
				after(24 * time.Hour)
				r.wantDone(t, "when that is over", "2222", 10, 10, 10)
				d.end(t)
			})
		})
	}
}

// change has the source give something else, which the daemon looks at.
func (r *rollout) change(d *daemon, how func(*rollout)) {
	r.mu.Lock()
	r.ids++
	how(r)
	r.mu.Unlock()
	d.RefreshSource()
}

// TestAPlaceThatIsGivenUpGoesToTheNextHost closes the window of a ring while a host of the ring is inspected: the host
// gives its place up and waits for the window, and the host that waits for a place begins at once.
func TestAPlaceThatIsGivenUpGoesToTheNextHost(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		const inspected, next = "host-0000", "host-0001"
		opens := time.Now().UTC()
		window := schemas.Window{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "10m"}
		w.fleet.Rings = map[string]inventory.Ring{"prod": {Name: "prod", Hosts: []inventory.MachineID{inspected},
			Spec: schemas.RingSpec{Windows: []schemas.Window{window}}}}
		d0 := w.fleet.Hosts[inspected]
		d0.Ring = "prod"
		w.fleet.Hosts[inspected] = d0
		m := w.machines[inspected]
		w.machines[next].hangs = true // until the other host has the place
		var facts *inventory.Facts
		w.watch = func() { // the agent is slow to report the hardware
			if facts == nil && m.agent.Facts != nil {
				facts, m.agent.Facts = m.agent.Facts, nil
				w.machines[next].hangs = false
			}
		}
		d := w.daemon(t, reconcile.Limits{Installs: 1, Resync: 24 * time.Hour})
		after(11 * time.Minute)
		if h, _ := d.ViewHost(next); facts == nil || h.Plan.Phase != plan.Waiting || w.machines[next].boots != 0 {
			t.Fatalf("facts %v, the next host is %+v, want it to wait for a place", facts, h.Plan)
		}
		w.mu.Lock()
		w.watch, m.agent.Facts = nil, facts
		w.mu.Unlock()
		d.RequestLook(inspected)
		after(time.Minute)
		if h, _ := d.ViewHost(inspected); h.Plan.Phase != plan.Pending {
			t.Errorf("the inspected host is %+v, want it to wait for its window", h.Plan)
		}
		if w.machines[next].boots == 0 {
			t.Error("nobody has the place that was given up")
		}
		d.end(t)
	})
}
