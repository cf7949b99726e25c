package reconcile_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// work is a run that an agent is at.
type work struct {
	run  runs.Run
	ends time.Time // zero: never
	fate fate
}

type fate string

const (
	succeeds fate = "succeeds"
	exits    fate = "exits" // with another code than 0
	crashes  fate = "crashes"
	hangs    fate = "hangs" // the script does not end
)

// fates says what becomes of a run.
type fates func(runs.Run) fate

// beginRun has the agent take a run up.
func (m *machine) beginRun(run runs.UnderWay) {
	if m.agent.Job.ID == run.ID {
		return
	}
	if m.work != nil {
		panic("a second run on one machine: " + run.ID + " beside " + m.work.run.ID)
	}
	m.agent.Job = inventory.Job{ID: run.ID, Attempt: 1, Kind: wire.JobRun, State: inventory.JobRunning, Since: time.Now()}
	m.work = &work{run: run.Run, ends: time.Now().Add(time.Minute), fate: succeeds}
	if m.fates != nil {
		m.work.fate = m.fates(run.Run)
	}
	if m.work.fate == hangs {
		m.work.ends = time.Time{}
	}
}

// passRun ends the run of a machine when its time has come.
func (m *machine) passRun() {
	if m.power != inventory.PoweredOn {
		m.work = nil
	}
	w := m.work
	if w == nil || w.ends.IsZero() || time.Now().Before(w.ends) {
		return
	}
	m.work = nil
	job := &m.agent.Job
	switch w.fate {
	case crashes:
		m.power, m.agent.Boot, m.agent.Job = inventory.PoweredOff, "", inventory.Job{}
	case exits:
		job.State, job.Executed = inventory.JobFailed, &runs.Ended{Exit: 3, Ended: time.Now()}
	default:
		job.State, job.Executed = inventory.JobSucceeded, &runs.Ended{Bytes: 10, Ended: time.Now()}
	}
}

// farm is a world whose machines a Workload may claim.
type farm struct {
	*world
	batches map[string][]byte
}

func newFarm(hosts int, w runs.Work) *farm {
	f := &farm{newWorld(hosts), map[string][]byte{}}
	for id, d := range f.fleet.Hosts {
		d.Workload, d.RootDisk, d.Claimable, d.Labels = nil, nil, true, map[string]string{"pool": "batch"}
		f.fleet.Hosts[id] = d
	}
	f.ask(w)
	return f
}

// ask has the fleet ask for a Workload.
func (f *farm) ask(w runs.Work) {
	f.fleet.Runs = map[string]runs.Work{w.Workload: w}
}

func pi(replicas, items int) runs.Work {
	return runs.Work{Workload: "pi", Batch: "b0123456789abcdef", Replicas: replicas, Completions: items, Retries: 2,
		MatchLabels: map[string]string{"pool": "batch"}, Deadline: 10 * time.Minute}
}

// ListBatches implements store.Documents.
func (f *farm) ListBatches(context.Context) (map[string][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.batches), nil
}

// SaveBatch implements store.Documents.
func (f *farm) SaveBatch(_ context.Context, path string, document []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call(func() {
		if f.batches[path] = document; document == nil {
			delete(f.batches, path)
		}
	})
}

func (f *farm) serve(t *testing.T) *daemon {
	t.Helper()
	return f.run(t, reconcile.Config{Source: f, Load: f.load, Journal: f, Batches: f, Observer: f, Executor: f, Publisher: f})
}

// commit has the fleet accept another commit.
func (f *farm) commit(d *daemon, n int, edit func()) {
	f.mu.Lock()
	f.sources.Trunk.Commit = strings.Repeat(fmt.Sprint(n), 40)
	f.fleet.Commit = f.sources.Trunk.Commit
	for id, host := range f.fleet.Hosts {
		host.Commit, host.Release = f.fleet.Commit, f.fleet.Commit
		f.fleet.Hosts[id] = host
	}
	edit()
	f.mu.Unlock()
	d.RefreshSource()
	after(time.Minute)
}

// progress is how far the only Workload is.
func progress(t *testing.T, d *daemon) batches.Progress {
	t.Helper()
	all := d.ViewRuns()
	if len(all) != 1 {
		t.Fatalf("%d Workloads with runs, want 1", len(all))
	}
	return all[0]
}

// wantFree wants every machine off, without a medium, an override or a run.
func (f *farm) wantFree(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.machines {
		if m.power != inventory.PoweredOff || m.media != "" || m.override == "Cd" && m.boots > 1 {
			t.Errorf("%s is %s, medium %q, override %q, want it off and free", id, m.power, m.media, m.override)
		}
		if r := f.records[id].Record; r.Run != nil || r.Boot != nil || r.Installed != nil {
			t.Errorf("%s: run %+v, boot %+v, want none", id, r.Run, r.Boot)
		}
		if m.installs > 0 || slices.Contains(m.done, act.GiveLeave) {
			t.Errorf("%s: something was written", id)
		}
	}
}

// TestABatchIsRun: 4 items on 2 of 3 machines. Afterwards the machines are off and free, and nothing starts again.
func TestABatchIsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(3, pi(2, 4))
		d := f.serve(t)
		after(2 * time.Hour)
		d.awaitCause(t, "Unclaimed", time.Second)
		p := progress(t, d)
		if want := (runs.Tally{Succeeded: 4}); p.Tally != want {
			t.Errorf("%+v (%s), want %+v", p.Tally, p.Why, want)
			for _, h := range d.View().Hosts {
				t.Logf("%s: %s %s %+v", h.ID, h.Plan.Phase, h.Plan.Waits, h.Plan.Hold)
			}
		}
		if len(p.State.Claims) != 0 {
			t.Errorf("claims %+v, want them released", p.State.Claims)
		}
		f.wantFree(t)
		boots := 0
		for _, m := range f.machines {
			boots += m.boots
		}
		if boots != 3+4 { // an inspection each, and a boot for each run
			t.Errorf("%d boots, want 7", boots)
		}
		if d.phases()[plan.Unmanaged] != 3 {
			t.Errorf("phases %v, want every machine Unmanaged", d.phases())
		}
		d.end(t)
		again := f.serve(t)
		f.commit(again, 2, func() {})
		after(time.Hour)
		if got := progress(t, again).Tally; got != (runs.Tally{Succeeded: 4}) {
			t.Errorf("after a restart and a commit of something else: %+v", got)
		}
		again.end(t)
	})
}

// fateOf gives every tenth run a crash, every twentieth a hang, and some an exit code, the same for the same run.
func fateOf(run runs.Run) fate {
	h := fnv.New32a()
	fmt.Fprint(h, run.Item, "/", run.Attempt)
	switch n := h.Sum32() % 100; {
	case n < 10:
		return crashes
	case n < 15:
		return hangs
	case n < 20:
		return exits
	default:
		return succeeds
	}
}

// TestThreeHundredRuns: 20 machines, 300 items, 10 % of the runs crash their machine, 5 % hang, 5 % fail, and the daemon is
// killed twice. Every item is counted once, and no machine ever has two runs.
func TestThreeHundredRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := pi(20, 300)
		w.Retries = 5
		f := newFarm(20, w)
		for _, m := range f.machines {
			m.fates = fateOf
		}
		d := f.serve(t)
		for range 2 {
			after(40 * time.Minute)
			f.mu.Lock()
			f.crashAt = f.calls + 17 // in the middle of something
			f.mu.Unlock()
			after(5 * time.Minute)
			_ = d.stop()
			f.mu.Lock()
			f.crashAt = 0
			f.mu.Unlock()
			d = f.serve(t)
		}
		after(12 * time.Hour)
		p := progress(t, d)
		if want := (runs.Tally{Succeeded: 300}); p.Tally != want {
			t.Errorf("%+v (%s), want %+v", p.Tally, p.Why, want)
			for _, h := range d.View().Hosts {
				t.Logf("%s: %s %s %+v lost %d", h.ID, h.Plan.Phase, h.Plan.Waits, h.Plan.Hold, h.Observed.Record.LostRuns)
			}
		}
		lost := 0
		for i, item := range p.State.Batch.Items {
			lost += item.Lost
			if item.Outcome != runs.Succeeded {
				t.Errorf("item %d: %+v", i, item)
			}
		}
		if lost < 15 {
			t.Errorf("%d lost runs, want the tenth of 300 that crash", lost)
		}
		f.wantFree(t)
		d.end(t)
	})
}

// TestRunsKeepAwayFromMachinesInUse: protected, not claimable, in service, found running: nothing is done to them.
func TestRunsKeepAwayFromMachinesInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(5, pi(5, 5))
		edit := func(n int, change func(*inventory.Desired, *machine)) {
			id := inventory.MachineID(fmt.Sprintf("host-%04d", n))
			d := f.fleet.Hosts[id]
			change(&d, f.machines[id])
			f.fleet.Hosts[id] = d
		}
		edit(1, func(d *inventory.Desired, _ *machine) { d.Protect = true })
		edit(2, func(d *inventory.Desired, _ *machine) { d.Claimable = false })
		edit(3, func(d *inventory.Desired, m *machine) { m.power = inventory.PoweredOn })
		edit(4, func(d *inventory.Desired, m *machine) { d.OffBy = []string{"ups"} })
		d := f.serve(t)
		after(4 * time.Hour)
		if got := progress(t, d).Tally; got != (runs.Tally{Succeeded: 5}) {
			t.Errorf("%+v, want 5 items on the one free machine", got)
		}
		for n := 1; n < 5; n++ {
			if m := f.machines[inventory.MachineID(fmt.Sprintf("host-%04d", n))]; len(m.done) > 0 {
				t.Errorf("host-%04d: %v was done", n, m.done)
			}
		}
		d.end(t)
	})
}

// TestProtectInTheMiddleOfARun: the run ends and counts, and not even the power-off is sent; without protect the machine is
// freed.
func TestProtectInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(1, pi(1, 1))
		f.machines["host-0000"].fates = func(runs.Run) fate { return hangs }
		d := f.serve(t)
		for i := 0; f.machines["host-0000"].work == nil; i++ {
			if after(time.Minute); i > 120 {
				t.Fatal("no run begins")
			}
		}
		protect := func(n int, on bool) {
			f.commit(d, n, func() {
				host := f.fleet.Hosts["host-0000"]
				host.Protect = on
				f.fleet.Hosts["host-0000"] = host
			})
		}
		protect(2, true)
		f.mu.Lock()
		m := f.machines["host-0000"]
		m.work.ends, m.work.fate = time.Now(), succeeds
		before := len(m.done)
		f.mu.Unlock()
		after(time.Hour)
		if got := progress(t, d).Tally; got != (runs.Tally{Succeeded: 1}) {
			t.Errorf("%+v, want the run counted", got)
		}
		if len(m.done) != before || m.power != inventory.PoweredOn {
			t.Errorf("%v was done to a protected machine, which is %s", m.done[before:], m.power)
		}
		protect(3, false)
		after(time.Hour)
		f.wantFree(t)
		d.end(t)
	})
}

// TestCancel: no more runs begin, and those under way end; with now they are taken back.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, now := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFarm(2, pi(2, 20))
			for _, m := range f.machines {
				m.fates = func(runs.Run) fate { return hangs }
			}
			d := f.serve(t)
			for i := 0; f.machines["host-0000"].work == nil || f.machines["host-0001"].work == nil; i++ {
				if after(time.Minute); i > 120 {
					t.Fatal("no run begins")
				}
			}
			if err := d.CancelRuns(t.Context(), "pi", now); err != nil {
				t.Fatal(err)
			}
			after(5 * time.Minute)
			working := f.machines["host-0000"].work != nil
			if working == now {
				t.Errorf("now %t: the run is under way: %t", now, working)
			}
			after(4 * time.Hour)
			p := progress(t, d)
			if p.Tally.Running != 0 || p.State.Batch.Stopped == "" || p.Tally.Waiting+p.Tally.Failed != 20 {
				t.Errorf("%+v, stopped %q", p.Tally, p.State.Batch.Stopped)
			}
			f.wantFree(t)
			d.end(t)
		})
	}
}

// TestALostJournalRunsNothingTwice: the status branch alone says what is done.
func TestALostJournalRunsNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(2, pi(2, 4))
		d := f.serve(t)
		after(3 * time.Hour)
		d.end(t)
		boots := f.machines["host-0000"].boots + f.machines["host-0001"].boots
		f.mu.Lock()
		clear(f.records)
		clear(f.batches)
		f.mu.Unlock()
		d = f.serve(t)
		after(3 * time.Hour)
		if got := progress(t, d).Tally; got != (runs.Tally{Succeeded: 4}) {
			t.Errorf("%+v, want what the branch says", got)
		}
		if now := f.machines["host-0000"].boots + f.machines["host-0001"].boots; now != boots {
			t.Errorf("%d boots after the loss, want none", now-boots)
		}
		d.end(t)
	})
}
