package pages_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/batches/pages"
)

// TestPagesKeepAState: whatever the state, its documents give it back, and with runs under way too.
func TestPagesKeepAState(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		s := runs.State{Workload: "pi"}
		for batch := range rapid.IntRange(1, 3).Draw(t, "batches") {
			w := runs.Work{Workload: "pi", Batch: fmt.Sprintf("b%016x", batch), Text: "t", Commit: "c",
				Completions: rapid.SampledFrom([]int{1, 500, 501, 1300}).Draw(t, "items"), Retries: 1}
			s = s.Follow(w, began.Add(time.Duration(batch)*time.Hour))
			for n := range rapid.IntRange(0, 5).Draw(t, "runs") {
				e := runs.End{Run: runs.Run{ID: fmt.Sprint("r", batch, n), Batch: w.Batch, Machine: "m1",
					Item: rapid.IntRange(0, w.Completions-1).Draw(t, "item")},
					Outcome: rapid.SampledFrom([]runs.Outcome{runs.Succeeded, runs.Failed, runs.Lost}).Draw(t, "outcome"), Why: "why"}
				e.Ended = runs.Ended{Exit: n, Bytes: 7, Output: "π is 3", Ended: began.Add(time.Minute)}
				s = s.Count(e)
			}
		}
		s.Claims = []runs.Claim{{Machine: "m1", Since: began}, {Machine: "m2", Since: began, Leaving: "no longer selected"}}
		running := map[int]runs.UnderWay{0: {Run: runs.Run{Machine: "m9"}, Stage: runs.Running}}
		files := pages.Encode(s, running)
		for path := range files {
			if !pages.IsPage(path) || !pages.IsOf(path, "pi") || pages.IsOf(path, "p") {
				t.Fatalf("%s is no path of a document", path)
			}
		}
		got := pages.Decode(files)
		if len(got) != 1 {
			t.Fatalf("%d states", len(got))
		}
		if diff := cmp.Diff(s, got[0]); diff != "" {
			t.Fatalf("the documents give another state (-want +got):\n%s", diff)
		}
	})
}

// TestUnreadablePages: a Workload with a document that is missing, edited or of a newer ingot is unreadable.
func TestUnreadablePages(t *testing.T) {
	t.Parallel()
	s := runs.State{Workload: "pi"}.Follow(runs.Work{Workload: "pi", Batch: "b0123456789abcdef", Completions: 600}, time.Unix(0, 0))
	const first, second = "runs/pi/b0123456789abcdef.yaml", "runs/pi/b0123456789abcdef-2.yaml"
	for name, spoil := range map[string]func(map[string][]byte){
		"the first is missing":  func(f map[string][]byte) { delete(f, first) },
		"the second is missing": func(f map[string][]byte) { delete(f, second) },
		"not genuine":           func(f map[string][]byte) { f[first] = nil },
		"no YAML":               func(f map[string][]byte) { f[second] = []byte("{") },
		"of another path":       func(f map[string][]byte) { f[second] = f[first] },
		"an outcome of tomorrow": func(f map[string][]byte) {
			f[first] = []byte(strings.Replace(string(f[first]), "state: Waiting", "outcome: Tomorrow\n  state: Waiting", 1))
		},
	} {
		files := pages.Encode(s, nil)
		spoil(files)
		if got := pages.Decode(files); len(got) != 1 || got[0].Unreadable == "" {
			t.Errorf("%s: %+v, want it unreadable", name, got)
		}
	}
}
