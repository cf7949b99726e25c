package batches_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/schemas"
)

// TestOpenBatches: results are swept only of batches that get no more.
func TestOpenBatches(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v := batches.New()
	v.Restore(runs.State{Workload: "pi", Batch: &runs.Batch{ID: "b3"}, Before: &runs.Batch{ID: "b2"}, Done: []string{"b1"}}, true)
	v.Restore(runs.State{Workload: "done", Batch: &runs.Batch{ID: "b1", Ended: now}}, true)
	v.Restore(runs.State{Workload: "cancelled", Batch: &runs.Batch{ID: "b2", Stopped: "it was cancelled"}, Before: &runs.Batch{ID: "b1"}}, true)
	v.Restore(runs.State{Workload: "deleted", Batch: &runs.Batch{ID: "b2"}, Before: &runs.Batch{ID: "b1"}}, true)
	v.Restore(runs.State{Workload: "torn", Unreadable: "unexpected end"}, true)
	v.SetFleet(batches.Fleet{Works: map[string]runs.Work{"pi": {Batch: "b3"}, "done": {Batch: "b1"}, "cancelled": {Batch: "b2"},
		"torn": {Batch: "b1"}}}, now)
	for id, run := range map[string]runs.Run{"m1": {Workload: "pi", Batch: "b2"}, "m2": {Workload: "deleted", Batch: "b2"}} {
		v.SetMachine(inventory.MachineID(id), claims.Machine{Record: inventory.Record{Run: &runs.UnderWay{Run: run}}})
	}
	check := func(workload, batch string, want bool) {
		t.Helper()
		if got := v.IsOpen(workload, batch); got != want {
			t.Errorf("IsOpen(%s, %s) = %v, want %v", workload, batch, got, want)
		}
	}
	check("pi", "b3", true)
	check("pi", "b2", true)
	check("pi", "b1", false)
	check("done", "b1", false)
	check("torn", "b1", true)
	check("cancelled", "b2", false)
	check("cancelled", "b1", false)
	check("deleted", "b2", true)
	check("deleted", "b1", false)
	check("unknown", "b1", false)
	v.SetMachine("m1", claims.Machine{})
	check("pi", "b2", false) // its last run has ended, and it starts no more
}

const manyMachines = 10_000

// manyIdle is the end of a batch of 10,000 items: ten machines have the last ones, all others have nothing to do.
func manyIdle(now time.Time) (v *batches.View, s runs.State, host func(i int) (inventory.MachineID, claims.Machine)) {
	w := runs.Work{Workload: "pi", Batch: "b1", Replicas: manyMachines, Completions: manyMachines, Keeps: true,
		MatchLabels: map[string]string{"pool": "batch"}}
	s = runs.State{Workload: "pi"}.Follow(w, now)
	for i := range manyMachines - 10 {
		s.Batch.Items[i].Outcome = runs.Succeeded
	}
	v = batches.New()
	facts := &inventory.Facts{}
	host = func(i int) (inventory.MachineID, claims.Machine) {
		id := inventory.MachineID(fmt.Sprintf("m%05d", i))
		m := claims.Machine{Desired: inventory.Desired{ID: id, Claimable: true, Lifecycle: schemas.Managed, BMC: &schemas.BMC{},
			Labels: w.MatchLabels}, Record: inventory.Record{ID: id, Facts: facts}}
		if i < 10 {
			m.Record.Run = &runs.UnderWay{Run: runs.Run{Workload: "pi", Batch: "b1", Item: manyMachines - 1 - i}, Stage: runs.Running}
		}
		return id, m
	}
	for i := range manyMachines {
		v.SetMachine(host(i))
		s.Claims = append(s.Claims, runs.Claim{Machine: fmt.Sprintf("m%05d", i)})
	}
	v.Restore(s, true)
	v.SetFleet(batches.Fleet{Works: map[string]runs.Work{"pi": w}, Boots: 20}, now)
	return v, s, host
}

// TestIdleMachines: nobody begins an item that is under way, and as many begin a free one as may boot.
func TestIdleMachines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v, s, host := manyIdle(now)
	for i := range 20 {
		if ids := v.Idle(now); len(ids) > 0 {
			t.Fatalf("%v have a run to begin, and every item is under way", ids)
		}
		v.SetMachine(host(10 + i))
	}
	s.Batch.Items[0].Outcome = ""
	v.Settle(s)
	if ids := v.Idle(now); len(ids) != 20 {
		t.Errorf("%d machines have a run to begin, want the 20 that may boot", len(ids))
	}
}

// BenchmarkIdle is the part of one look at an idle machine among 10,000.
func BenchmarkIdle(b *testing.B) {
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v, _, host := manyIdle(now)
	for i := 0; b.Loop(); i++ {
		v.SetMachine(host(10 + i%1000))
		v.Idle(now)
	}
}

// TestOldWorkloadsAreForgotten: of Workloads that the fleet does not have any more, the oldest go from the journal, after
// their runs; those that the fleet has stay.
func TestOldWorkloadsAreForgotten(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v := batches.New()
	names := func() string {
		var all []string
		for _, p := range v.Report(began) {
			all = append(all, p.State.Workload)
		}
		return strings.Join(all, " ")
	}
	for i := range 60 {
		name := fmt.Sprintf("job-%02d", i)
		s := runs.State{Workload: name}
		for _, batch := range []string{"b1", "b2"} {
			s = s.Follow(runs.Work{Workload: name, Batch: batch, Completions: 10_000}, began.Add(time.Duration(i)*time.Hour))
		}
		v.Restore(s, true)
	}
	if v.SetFleet(batches.Fleet{}, began); strings.Count(names(), "job") != 60 {
		t.Fatalf("%s: forgotten before a commit was accepted", names())
	}
	run := runs.UnderWay{Run: runs.Run{Workload: "job-01", Batch: "b2"}}
	v.SetMachine("m1", claims.Machine{Record: inventory.Record{Run: &run}})
	v.SetFleet(batches.Fleet{Accepted: true, Works: map[string]runs.Work{"job-00": {Batch: "b2"}}}, began)
	const newest = 500_000 / 21_000
	got := names()
	if strings.Count(got, "job") != newest+2 || !strings.HasPrefix(got, "job-00 job-01 job-37") {
		t.Errorf("kept %s", got)
	}
	for range 2 {
		for _, s := range v.Unsaved(began) {
			if s.Before != nil && s.Workload != "job-00" {
				t.Fatalf("%s is written with the batch before", s.Workload)
			}
			v.Settle(s)
		}
	}
	if left := v.Unsaved(began); len(left) > 0 {
		t.Errorf("%d states are not saved", len(left))
	}
}

// TestReportCostsLittle: the page of a site with 10,000 machines and 5,000 Workloads of the past is no second under the
// loop's lock.
func TestReportCostsLittle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	v := batches.New()
	for i := range 5_000 {
		name := fmt.Sprintf("job-%04d", i)
		v.Restore(runs.State{Workload: name}.Follow(runs.Work{Workload: name, Batch: "b1", Completions: 1}, now), true)
	}
	for i := range 10_000 {
		run := runs.UnderWay{Run: runs.Run{Workload: "job-0007", Batch: "b1"}, Stage: runs.Running}
		v.SetMachine(inventory.MachineID(fmt.Sprintf("m%05d", i)), claims.Machine{Record: inventory.Record{Run: &run}})
	}
	v.SetFleet(batches.Fleet{}, now)
	v.Report(now) // claims are made
	began := time.Now()
	all := v.Report(now)
	if took := time.Since(began); took > time.Second {
		t.Errorf("a report takes %s", took)
	}
	if len(all) != 5_000 || len(all[7].Running) != 1 || len(all[8].Running) != 0 {
		t.Errorf("%d Workloads, %d items of job-0007 run", len(all), len(all[7].Running))
	}
}
