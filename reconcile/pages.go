package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/reconcile/batches/pages"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// summarizeFleet asks for a push after a change of the whole fleet.
func (l *Loop) summarizeFleet() {
	l.branch.MarkStale()
	queue.SendSignal(l.publish)
	l.watchers.Notify("")
}

// RecordAct puts an operator's act onto the fleet's page.
func (l *Loop) RecordAct(act status.Act) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.acts = status.Do(l.fleet.acts, act)
	l.summarizeFleet()
}

// SetProposals has the board say how many discovered machines wait to be merged.
func (l *Loop) SetProposals(waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fleet.proposals != waiting {
		l.fleet.proposals = waiting
		l.summarizeFleet()
	}
}

// fleetSummary is the loop's knowledge of the whole fleet. The caller holds the lock.
func (l *Loop) fleetSummary() status.Fleet {
	f := status.Fleet{Commit: cmp.Or(l.fleet.commit, l.fleet.remembered), Title: l.fleet.title, Refused: l.fleet.refused,
		Frozen: l.fleet.frozen, Commits: l.fleet.commits, Acts: l.fleet.acts, TwoSigners: l.fleet.desired.TwoSigners, Opener: l.fleet.desired.Opener,
		Proposals: l.fleet.proposals, Daemon: l.author.Daemon(), Unknown: l.fleet.unknown, Path: l.fleet.desired.Path,
		Runs: pages.Summarize(l.batches.Report(l.config.Now()))}
	if scope := l.fleet.reinstall; scope.Set() {
		f.Reinstall = &scope
	}
	if l.fleet.settings.Paused {
		f.Paused = "spec.paused in " + schemas.FleetFile + " is true"
	}
	rings := l.admit.RingsProgress()
	for _, name := range slices.Sorted(maps.Keys(rings)) {
		f.Rings = append(f.Rings, rings[name])
	}
	if l.fleet.commit == "" { // a refused commit takes nothing away that the branch alone may remember
		f.Rings = l.fleet.restored.Rings
	}
	return f
}

// fleetPages returns a function that encodes the fleet's pages by path, from the present state. Before the first
// examined commit the fleet's page says what it said before, in the name of this life.
func (l *Loop) fleetPages() func() map[string][]byte {
	if l.fleet.examined == "" {
		page := l.restoredFleet()
		return func() map[string][]byte { return map[string][]byte{status.FleetPath: page.Encode()} }
	}
	documents := l.branch.HostDocuments()
	summary := status.NewFleet(l.fleetSummary(), l.fleet.findings, documents)
	progress, known := l.batches.Report(l.config.Now()), l.branch.Files()
	return func() map[string][]byte {
		files := pages.EncodeAll(progress, known)
		files[status.FleetPath], files[status.BoardPath] = summary.Encode(), status.Board(summary, documents)
		return files
	}
}
