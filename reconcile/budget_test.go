package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// release has every host of the world installed anew, without a consent per disk.
func (w *world) release(d *daemon, inputs string) {
	w.mu.Lock()
	w.sources.Trunk.Commit = fmt.Sprintf("%040s", inputs)
	for name, host := range w.fleet.Hosts {
		workload := *host.Workload
		workload.Inputs, workload.Parts, workload.Update = inputs, map[string]string{"image": inputs}, schemas.Reinstall
		host.Workload, host.Reinstallable = &workload, true
		w.fleet.Hosts[name] = host
	}
	w.mu.Unlock()
	d.RefreshSource()
}

// countReplaced counts the machines that an install has written since their first one.
func (w *world) countReplaced() (machines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.machines {
		if m.installs > 1 {
			machines++
		}
	}
	return machines
}

// A release that fails on every machine stops after few of them. An operator's resume lets it go on, until it has failed
// again; the next release begins by itself.
func TestAReleaseThatFailsEverywhereStops(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newReinstallable(60)
		d := w.daemon(t, reconcile.Limits{Installs: 4, ErasesPerHour: 1000})
		after(time.Hour)
		if got := d.phases()[plan.Active]; got != 60 {
			t.Fatalf("phases = %v, want all Active", d.phases())
		}
		if err := d.ResumeWorkload(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), "not stopped") {
			t.Errorf("resume of a workload that runs: %v", err)
		}
		if err := d.ResumeWorkload(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("resume of no workload: %v", err)
		}
		for _, m := range w.machines {
			m.breaks = "bad"
		}
		w.release(d, "bad")
		after(8 * time.Hour)
		first := w.countReplaced()
		if first < 3 || first > 6 { // 3 failures, and those that were under way meanwhile
			t.Errorf("%d machines were written by a release that fails everywhere", first)
		}
		d.awaitCause(t, "WorkloadFailed", time.Second)
		waits := 0
		for _, h := range d.View().Hosts {
			if strings.Contains(h.Plan.Waits, "ingot resume") {
				waits++
			}
		}
		if waits != 60-first {
			t.Errorf("%d hosts say what to do, want %d", waits, 60-first)
		}
		if err := d.ResumeWorkload(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		d.end(t)
		d = w.daemon(t, reconcile.Limits{Installs: 4, ErasesPerHour: 1000}) // the resume outlives the daemon
		after(8 * time.Hour)
		if second := w.countReplaced(); second <= first || second > first+8 {
			t.Errorf("%d machines after a resume, %d before", second, first)
		}
		w.release(d, "good")
		after(8 * time.Hour)
		if got := w.countReplaced(); got < 50 {
			t.Errorf("%d machines after a release that works, want the others too; phases %v", got, d.phases())
		}
		d.end(t)
	})
}

// Erases are spread over the hours, over a restart too. A waiting host says until when it waits.
func TestErasesAreSpreadOverTheHours(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newReinstallable(30)
		limits := reconcile.Limits{Installs: 8} // erases: 10 within an hour by default
		d := w.daemon(t, limits)
		after(time.Hour)
		if got := d.phases()[plan.Active]; got != 30 {
			t.Fatalf("phases = %v, want all Active: a blank disk is no erase", d.phases())
		}
		w.release(d, "next")
		for i, want := range []int{10, 20, 30} {
			after(50 * time.Minute)
			if i == 0 {
				d.awaitCause(t, "ManyErases", time.Second)
			}
			if got := w.countReplaced(); got > want {
				t.Errorf("%d machines were erased in hour %d, want at most %d", got, i+1, want)
			}
			if i == 0 {
				d.end(t)
				d = w.daemon(t, limits)
				after(time.Minute)
				for _, h := range d.View().Hosts {
					if strings.Contains(h.Plan.Waits, "to be erased") && h.Plan.Due.IsZero() {
						t.Errorf("host %s waits, and does not say until when: %+v", h.ID, h.Plan)
					}
				}
			}
			after(11 * time.Minute)
		}
		after(time.Hour)
		if got := w.countReplaced(); got != 30 {
			t.Errorf("%d machines were replaced in the end, want 30; phases %v", got, d.phases())
		}
		d.end(t)
	})
}

// One rack at a time: hosts of a failure domain take turns, the other domains go on.
func TestFailureDomainsTakeTurns(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(12)
		i := 0
		for name, host := range w.fleet.Hosts {
			host.Labels = map[string]string{"rack": fmt.Sprint("r", i%3)}
			w.fleet.Hosts[name], i = host, i+1
		}
		w.fleet.Settings.FailureDomain = &schemas.FailureDomain{Label: "rack"}
		most := 0
		w.watch = func() {
			busy := map[string]int{}
			for name, m := range w.machines {
				if m.power == "On" && w.records[name].Record.Installed == nil {
					busy[w.fleet.Hosts[name].Labels["rack"]]++
				}
			}
			for _, count := range busy {
				most = max(most, count)
			}
		}
		d := w.daemon(t, reconcile.Limits{})
		d.awaitCause(t, "DomainBusy", time.Hour)
		after(2 * time.Hour)
		if got := d.phases()[plan.Active]; got != 12 || most != 1 {
			t.Errorf("phases = %v, and %d of one rack were under way at a time; want all Active, 1 at a time", d.phases(), most)
		}
		d.end(t)
	})
}
