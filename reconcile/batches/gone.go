package batches

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
)

// Bounds of what is kept of Workloads that the fleet does not have any more: a fleet may name each job by a new Workload.
const (
	maxGone   = 500_000 // items
	batchCost = 500     // items that a batch counts for beside its own
)

// forgetGone forgets the Workloads that the fleet does not have any more and that no machine runs, those with the oldest
// batches first, beyond maxGone. Such a Workload begins anew when the fleet has it again.
func (v *View) forgetGone() {
	if !v.fleet.Accepted {
		return
	}
	running := map[string]bool{}
	for _, run := range v.runs {
		running[run.Workload] = true
	}
	var gone []string
	for name, s := range v.states {
		if _, wanted := v.fleet.Works[name]; !wanted && !running[name] && s.Unreadable == "" {
			gone = append(gone, name)
		}
	}
	slices.SortFunc(gone, func(a, b string) int {
		return cmp.Or(lastOf(v.states[b]).Compare(lastOf(v.states[a])), strings.Compare(a, b))
	})
	kept := 0
	for _, name := range gone {
		if kept += costOf(v.states[name]); kept > maxGone {
			delete(v.states, name)
		}
	}
}

// lastOf is when a Workload last began or ended a batch.
func lastOf(s runs.State) (last time.Time) {
	for _, b := range []*runs.Batch{s.Batch, s.Before} {
		if b != nil {
			last = slices.MaxFunc([]time.Time{last, b.Began, b.Ended}, time.Time.Compare)
		}
	}
	return last
}

func costOf(s runs.State) (items int) {
	for _, b := range []*runs.Batch{s.Batch, s.Before} {
		if b != nil {
			items += batchCost + len(b.Items)
		}
	}
	return items
}

// forgotten gives what the journal must keep of the Workloads that were forgotten: first no batch before, then nothing.
// The journal can be read in between.
func (v *View) forgotten() (states []runs.State) {
	for _, name := range slices.Sorted(maps.Keys(v.saved)) {
		saved := v.saved[name]
		if _, known := v.states[name]; known {
			continue
		}
		if saved.Before == nil {
			saved = runs.State{Workload: name}
		}
		saved.Before = nil
		states = append(states, saved)
	}
	return states
}
