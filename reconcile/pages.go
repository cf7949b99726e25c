package reconcile

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// summarizeFleet asks for a push after a change of the whole fleet.
func (l *Loop) summarizeFleet() {
	l.branch.MarkStale()
	sendSignal(l.publish)
	l.watchers.Notify("")
}

// RecordAct puts an operator's act onto the fleet's page.
func (l *Loop) RecordAct(act status.Act) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.acts = status.Do(l.fleet.acts, act)
	l.summarizeFleet()
}

// fleetSummary is the loop's knowledge of the whole fleet. The caller holds the lock.
func (l *Loop) fleetSummary() status.Fleet {
	f := status.Fleet{Commit: l.fleet.accepted.Commit, Title: l.fleet.title, Refused: l.fleet.refused,
		Frozen: l.fleet.frozen, Commits: l.fleet.commits, Acts: l.fleet.acts, TwoSigners: l.fleet.desired.TwoSigners,
		Unknown: l.fleet.unknown}
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
	return f
}

// fleetPages returns a function that encodes the fleet's pages by path, from the present state. Before the first
// examined commit there are no pages.
func (l *Loop) fleetPages() func() map[string][]byte {
	if l.fleet.examined == "" {
		return func() map[string][]byte { return nil }
	}
	documents := l.branch.HostDocuments()
	summary := status.NewFleet(l.fleetSummary(), l.fleet.findings, documents)
	return func() map[string][]byte {
		return map[string][]byte{status.FleetPath: summary.Encode(), status.BoardPath: status.Board(summary, documents)}
	}
}
