package batches

import (
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
)

// Progress is how far a Workload with runs is, for people.
type Progress struct {
	State runs.State
	Work  *runs.Work // nil where the fleet has none any more
	Tally runs.Tally
	// Lacks is how many machines the Workload wants and does not get, and Why says why the Workload stands still.
	Lacks int
	Why   string
	// Running are the runs under way, by item.
	Running map[int]runs.UnderWay
}

// Report gives the progress of every Workload, sorted by name.
func (v *View) Report(now time.Time) (all []Progress) {
	v.choose(now)
	underWay := v.underWay()
	for _, name := range slices.Sorted(maps.Keys(v.states)) {
		p := Progress{State: v.states[name], Running: map[int]runs.UnderWay{}}
		work, wanted := v.fleet.Works[name]
		if wanted {
			p.Work, p.Lacks, p.Why = &work, v.choices[name].Missing(work), v.whyClaimsNothing(work, p.State)
		} else {
			p.Why = "the fleet has no such workload any more"
		}
		if b := p.State.Batch; b != nil {
			items := map[int]bool{}
			for _, run := range underWay[name] {
				if run.Batch == b.ID {
					p.Running[run.Item], items[run.Item] = *run, true
				}
			}
			p.Tally = b.Tally(items)
			if b.IsOver() {
				p.Lacks = 0
			}
			if p.Why == "" && b.Stopped != "" {
				p.Why = b.Stopped
			}
		}
		all = append(all, p)
	}
	return all
}

// underWay gives the runs that have not ended, by Workload.
func (v *View) underWay() map[string][]*runs.UnderWay {
	all := map[string][]*runs.UnderWay{}
	for _, run := range v.runs {
		if !run.IsOver() {
			all[run.Workload] = append(all[run.Workload], run)
		}
	}
	return all
}

// Keep gives what the fleet asks to be kept of the ended batches of a Workload.
func (v *View) Keep(workload string) runs.Keep { return v.fleet.Works[workload].Keep }

// IsOpen reports whether a batch of a Workload may still get results: a machine has a run of the batch, or the fleet asks
// for the batch and the batch starts more runs. Every batch of a Workload whose State cannot be read is open.
func (v *View) IsOpen(workload, batch string) bool {
	s := v.states[workload]
	if s.Unreadable != "" {
		return true
	}
	if _, wanted := v.fleet.Works[workload]; wanted && s.Batch != nil && s.Batch.ID == batch && !s.Batch.IsOver() {
		return true
	}
	for _, run := range v.runs {
		if run.Workload == workload && run.Batch == batch {
			return true
		}
	}
	return false
}
