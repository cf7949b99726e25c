package reconcile_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// TestAMachineChangesBetweenRunsAndAnInstall: a machine of a batch farm gets a system while its run is under way, keeps
// nothing of the runs, and is not claimed again while its system is on the disk, whatever its file says.
func TestAMachineChangesBetweenRunsAndAnInstall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(1, pi(1, 1000))
		d := f.serve(t)
		m := f.machines["host-0000"]
		for i := 0; m.work == nil || m.boots < 3; i++ { // an inspection, a run that ended, and a run under way
			if after(10 * time.Second); i > 1200 {
				t.Fatal("no second run begins")
			}
		}
		ask := func(n int, change func(*inventory.Desired)) {
			f.commit(d, n, func() {
				host := f.fleet.Hosts["host-0000"]
				change(&host)
				f.fleet.Hosts["host-0000"] = host
			})
		}
		system := desired("host-0000")

		ask(2, func(h *inventory.Desired) {
			h.Workload, h.RootDisk, h.Claimable = system.Workload, system.RootDisk, false
		})
		after(6 * time.Hour)
		rec := f.records["host-0000"].Record
		if m.installs != 1 || rec.Installed == nil || d.phases()[plan.Active] != 1 {
			t.Fatalf("%d installs, phases %v, record %+v; want one system", m.installs, d.phases(), rec)
		}
		if rec.Run != nil || rec.LostRuns != 0 || m.work != nil {
			t.Errorf("run %+v, %d lost runs; want nothing of the runs", rec.Run, rec.LostRuns)
		}
		tally := progress(t, d).Tally
		if tally.Succeeded == 0 || tally.Running != 0 || tally.Failed != 0 {
			t.Errorf("%+v, want the run that was under way counted, and none under way", tally)
		}

		boots := m.boots
		ask(3, func(h *inventory.Desired) { h.Workload, h.Claimable = nil, true })
		after(6 * time.Hour)
		if got := progress(t, d).Tally; got != tally || m.boots != boots || m.power != inventory.PoweredOn {
			t.Errorf("%+v, %d boots, %s; want a machine with a system left alone", got, m.boots-boots, m.power)
		}
		if slices.Contains(m.done[len(m.done)-1:], act.PowerOff) {
			t.Errorf("its system was taken down: %v", m.done)
		}

		ask(4, func(h *inventory.Desired) { h.Workload, h.Claimable = system.Workload, false })
		after(6 * time.Hour)
		if m.installs != 1 || m.boots != boots || d.phases()[plan.Active] != 1 {
			t.Errorf("%d installs, %d boots, phases %v; want the system that is there", m.installs, m.boots-boots, d.phases())
		}
		if got := (runs.Tally{Succeeded: tally.Succeeded, Waiting: tally.Waiting}); tally != got {
			t.Errorf("%+v, want %+v", tally, got)
		}
		d.end(t)
	})
}
