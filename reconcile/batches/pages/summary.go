package pages

import (
	"slices"

	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/status"
)

// EncodeAll gives the documents of all Workloads by path, and nothing for the path of a document on the branch that no
// batch has any more. The documents of a Workload that cannot be read stay.
func EncodeAll(all []batches.Progress, branch []string) map[string][]byte {
	files := map[string][]byte{}
	for _, path := range branch {
		stays := func(p batches.Progress) bool { return p.State.Unreadable != "" && IsOf(path, p.State.Workload) }
		if IsPage(path) && !slices.ContainsFunc(all, stays) {
			files[path] = nil
		}
	}
	for _, p := range all {
		for path, document := range Encode(p.State, p.Running) {
			files[path] = document
		}
	}
	return files
}

// Summarize gives the progress of all Workloads for the fleet's page and the board.
func Summarize(all []batches.Progress) (list []status.RunProgress) {
	for _, p := range all {
		r := status.RunProgress{Workload: p.State.Workload, Machines: len(p.State.Claims), Lacks: p.Lacks, Why: p.Why,
			Waiting: p.Tally.Waiting, Running: p.Tally.Running, Succeeded: p.Tally.Succeeded, Failed: p.Tally.Failed}
		if p.State.Unreadable != "" {
			r.Why = "its batch cannot be read: " + p.State.Unreadable
		}
		if b := p.State.Batch; b != nil {
			r.Batch, r.Page = b.ID, pathOf(p.State.Workload, b.ID, 1)
			r.Done = !b.Ended.IsZero()
		}
		list = append(list, r)
	}
	return list
}
