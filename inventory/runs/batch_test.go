package runs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/runs"
)

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func end(run string, item int, machine string, outcome runs.Outcome) runs.End {
	return runs.End{Run: runs.Run{ID: run, Batch: "b1", Item: item, Machine: machine}, Outcome: outcome,
		Ended: runs.Ended{Exit: map[runs.Outcome]int{runs.Failed: 3}[outcome], Ended: began.Add(time.Minute)}}
}

// TestCountARun is the table of Batch.Count.
func TestCountARun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ends []runs.End
		want runs.Tally
	}{
		"nothing":                      {nil, runs.Tally{Waiting: 2}},
		"a success":                    {[]runs.End{end("r1", 0, "m1", runs.Succeeded)}, runs.Tally{Waiting: 1, Succeeded: 1}},
		"the same success twice":       {[]runs.End{end("r1", 0, "m1", runs.Succeeded), end("r1", 0, "m1", runs.Succeeded)}, runs.Tally{Waiting: 1, Succeeded: 1}},
		"two successes of one item":    {[]runs.End{end("r1", 0, "m1", runs.Succeeded), end("r2", 0, "m2", runs.Succeeded)}, runs.Tally{Waiting: 1, Succeeded: 1}},
		"withdrawn":                    {[]runs.End{end("r1", 0, "m1", runs.Withdrawn)}, runs.Tally{Waiting: 2}},
		"lost":                         {[]runs.End{end("r1", 0, "m1", runs.Lost)}, runs.Tally{Waiting: 2}},
		"failed once":                  {[]runs.End{end("r1", 0, "m1", runs.Failed)}, runs.Tally{Waiting: 2}},
		"failed beyond the retries":    {[]runs.End{end("r1", 0, "m1", runs.Failed), end("r2", 0, "m2", runs.Failed)}, runs.Tally{Waiting: 1, Failed: 1}},
		"the same failure twice":       {[]runs.End{end("r1", 0, "m1", runs.Failed), end("r1", 0, "m1", runs.Failed)}, runs.Tally{Waiting: 2}},
		"failed, then succeeded":       {[]runs.End{end("r1", 0, "m1", runs.Failed), end("r2", 0, "m2", runs.Succeeded)}, runs.Tally{Waiting: 1, Succeeded: 1}},
		"of an item that is not there": {[]runs.End{end("r1", 7, "m1", runs.Succeeded), end("r2", -1, "m1", runs.Succeeded)}, runs.Tally{Waiting: 2}},
	} {
		b := runs.NewBatch(runs.Work{Batch: "b1", Completions: 2, Retries: 1}, began)
		for _, e := range test.ends {
			b = b.Count(e)
		}
		if got := b.Tally(nil); got != test.want {
			t.Errorf("%s: Tally = %+v, want %+v", name, got, test.want)
		}
	}
}

// TestARunOfADoneItemIsCountedOnce: its machine is free after that, and the run is shown once.
func TestARunOfADoneItemIsCountedOnce(t *testing.T) {
	t.Parallel()
	first, second := end("r1", 0, "m1", runs.Succeeded), end("r2", 0, "m2", runs.Failed)
	s := runs.State{Workload: "pi"}.Follow(runs.Work{Batch: "b1", Completions: 2}, began).Count(first).Count(second)
	if !s.HasCounted(second) {
		t.Fatal("a run whose item was done before is never counted: its machine is never free")
	}
	if got := s.Count(second).Batch.Orphans; len(got) != 1 || got[0].Run != "r2" {
		t.Errorf("orphans %+v, want r2 once", got)
	}
}

// TestALostItemGoesToFiveMoreMachines, and is failed then.
func TestALostItemGoesToFiveMoreMachines(t *testing.T) {
	t.Parallel()
	b := runs.NewBatch(runs.Work{Batch: "b1", Completions: 1}, began)
	for n := range 6 {
		if item, due := b.NextItem(fmt.Sprint("m", n), nil, nil); !due || item != 0 {
			t.Fatalf("after %d lost runs: NextItem = %d, %t, want item 0", n, item, due)
		}
		b = b.Count(end(fmt.Sprint("r", n), 0, fmt.Sprint("m", n), runs.Lost))
	}
	if got := b.Tally(nil); got != (runs.Tally{Failed: 1}) || b.Ended.IsZero() {
		t.Errorf("after 6 lost runs: %+v, ended %v, want it failed and the batch ended", got, b.Ended)
	}
}

// TestAnItemAvoidsItsMachine while another claimed machine could take it.
func TestAnItemAvoidsItsMachine(t *testing.T) {
	t.Parallel()
	b := runs.NewBatch(runs.Work{Batch: "b1", Completions: 1, Retries: 3}, began).Count(end("r1", 0, "m1", runs.Failed))
	if _, due := b.NextItem("m1", []string{"m1", "m2"}, nil); due {
		t.Error("the item goes to the machine that it failed on, although m2 could take it")
	}
	if _, due := b.NextItem("m1", []string{"m1"}, nil); !due {
		t.Error("the item waits, although no other machine is claimed")
	}
}

// TestABatchStops after too many failed items, and starts no more.
func TestABatchStops(t *testing.T) {
	t.Parallel()
	b := runs.NewBatch(runs.Work{Batch: "b1", Completions: 4, StopAfter: 1}, began).Count(end("r1", 2, "m1", runs.Failed))
	if _, due := b.NextItem("m2", nil, nil); due || b.Stopped == "" {
		t.Errorf("Stopped = %q, and another item is due: %t", b.Stopped, due)
	}
}

// TestFollowCommits is the table of State.Follow.
func TestFollowCommits(t *testing.T) {
	t.Parallel()
	work := func(batch string) runs.Work { return runs.Work{Workload: "pi", Batch: batch, Completions: 1} }
	done := func(s runs.State) runs.State {
		e := end("r-"+s.Batch.ID, 0, "m1", runs.Succeeded)
		e.Batch = s.Batch.ID
		return s.Count(e)
	}
	s := runs.State{Workload: "pi"}.Follow(work("a"), began)
	if again := s.Follow(work("a"), began.Add(time.Hour)); !cmp.Equal(again, s) {
		t.Error("the same commit again changes the batch")
	}
	s = done(s)
	if s.Batch.Ended.IsZero() {
		t.Fatal("the batch has not ended")
	}
	s = done(s.Follow(work("b"), began)).Follow(work("c"), began)
	if s.Batch.ID != "c" || s.Before.ID != "b" || len(s.Done) != 2 {
		t.Fatalf("batch %s, before %s, done %v, want c, b and two that are done", s.Batch.ID, s.Before.ID, s.Done)
	}
	if s = s.Follow(work("b"), began); s.Batch.ID != "b" || !s.Batch.IsOver() {
		t.Errorf("the batch before begins anew: %+v", s.Batch)
	}
	if s = s.Follow(work("a"), began); s.Batch.ID != "a" || !s.Batch.IsOver() {
		t.Errorf("a batch that ended long ago begins anew: %+v", s.Batch)
	}
}

// TestABatchThatEndedAsTheOneBeforeIsDone: its last runs ended after a commit with other inputs.
func TestABatchThatEndedAsTheOneBeforeIsDone(t *testing.T) {
	t.Parallel()
	work := func(batch string) runs.Work { return runs.Work{Workload: "pi", Batch: batch, Completions: 1} }
	s := runs.State{Workload: "pi"}.Follow(work("b1"), began).Follow(work("b2"), began).Count(end("r1", 0, "m1", runs.Succeeded))
	s = s.Follow(work("b3"), began)
	if again := s.Follow(work("b1"), began); !again.Batch.IsOver() {
		t.Errorf("a batch that ended begins anew: %+v, done %v", again.Batch, again.Done)
	}
	for range 2 * 100 {
		s = s.Follow(work("b1"), began).Follow(work("b4"), began).Follow(work("b5"), began)
	}
	if len(s.Done) != 1 {
		t.Errorf("done %v, want b1 once", s.Done)
	}
}

// TestTheBatchBeforeComesBackWithTheLimitsOfTheCommit.
func TestTheBatchBeforeComesBackWithTheLimitsOfTheCommit(t *testing.T) {
	t.Parallel()
	s := runs.State{Workload: "pi"}.Follow(runs.Work{Batch: "b1", Completions: 1}, began).Follow(runs.Work{Batch: "b2", Completions: 1}, began)
	if s = s.Follow(runs.Work{Batch: "b1", Completions: 1, Retries: 7}, began); s.Batch.Retries != 7 {
		t.Errorf("%d retries, want the 7 of the commit", s.Batch.Retries)
	}
}

// TestMergeKnowsANewerBatch: a journal from a backup has two batches, the status branch has begun a third.
func TestMergeKnowsANewerBatch(t *testing.T) {
	t.Parallel()
	work := func(batch string) runs.Work { return runs.Work{Workload: "pi", Batch: batch, Completions: 1} }
	old := runs.State{Workload: "pi"}.Follow(work("b1"), began).Follow(work("b2"), began.Add(time.Hour))
	third := end("r3", 0, "m1", runs.Succeeded)
	third.Batch = "b3"
	branch := old.Follow(work("b3"), began.Add(2*time.Hour)).Count(third)
	if got := old.Merge(branch).Follow(work("b3"), began.Add(3*time.Hour)); got.Batch.Tally(nil).Succeeded != 1 {
		t.Errorf("the third batch begins anew: %+v", got.Batch)
	}
}

// TestALateRunCountsForItsOwnBatch, also after a commit with other inputs.
func TestALateRunCountsForItsOwnBatch(t *testing.T) {
	t.Parallel()
	s := runs.State{}.Follow(runs.Work{Batch: "b1", Completions: 2}, began).Follow(runs.Work{Batch: "b2", Completions: 2}, began)
	e := end("r1", 0, "m1", runs.Succeeded)
	if s.HasCounted(e) {
		t.Fatal("the run is counted before it was")
	}
	s = s.Count(e)
	if s.Before.Tally(nil).Succeeded != 1 || s.Batch.Tally(nil).Succeeded != 0 || !s.HasCounted(e) {
		t.Errorf("before %+v, now %+v", s.Before.Tally(nil), s.Batch.Tally(nil))
	}
}

// TestEveryItemIsCountedOnce: whatever ends come in whatever order and how often, also to two copies of the state that
// are merged, an item succeeds once, no item is given to two machines, and the batch ends.
func TestEveryItemIsCountedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "items")
		w := runs.Work{Workload: "pi", Batch: "b1", Completions: n, Retries: rapid.IntRange(0, 2).Draw(t, "retries")}
		state, old := runs.State{}.Follow(w, began), runs.State{}.Follow(w, began)
		machines := []string{"m1", "m2", "m3"}
		running, at := map[int]bool{}, map[string]runs.Run{}
		successes := map[int]int{}
		var past []runs.End
		for next := 0; next < 200 && !state.Batch.IsOver(); next++ {
			machine := rapid.SampledFrom(machines).Draw(t, "machine")
			run, busy := at[machine]
			switch {
			case busy:
				e := end(run.ID, run.Item, machine, rapid.SampledFrom([]runs.Outcome{runs.Succeeded, runs.Failed, runs.Lost,
					runs.Withdrawn}).Draw(t, "outcome"))
				if e.Outcome == runs.Succeeded {
					successes[run.Item]++
				}
				state, past = state.Count(e), append(past, e)
				delete(running, run.Item)
				delete(at, machine)
			case rapid.Bool().Draw(t, "late") && len(past) > 0:
				late := rapid.SampledFrom(past).Draw(t, "again")
				if before := state.Batch.Tally(nil); state.Count(late).Batch.Tally(nil) != before {
					t.Fatalf("%+v counts twice", late)
				}
			case rapid.Bool().Draw(t, "restart"):
				if got := old.Merge(state).Batch.Tally(nil); got != state.Batch.Tally(nil) {
					t.Fatalf("an old copy merged with the new one: %+v, want %+v", got, state.Batch.Tally(nil))
				}
				old = state
			default:
				if item, due := state.Batch.NextItem(machine, machines, running); due {
					if running[item] || state.Batch.Items[item].IsDone() {
						t.Fatalf("item %d is given away twice", item)
					}
					running[item], at[machine] = true, runs.Run{ID: fmt.Sprint("r", next), Item: item}
				}
			}
		}
		for item, count := range successes {
			if count > 1 || state.Batch.Items[item].Outcome != runs.Succeeded {
				t.Fatalf("item %d: %d successes, outcome %s", item, count, state.Batch.Items[item].Outcome)
			}
		}
		if got := state.Batch.Tally(nil).Succeeded; got != len(successes) {
			t.Fatalf("%d items succeeded, %d runs did", got, len(successes))
		}
	})
}
