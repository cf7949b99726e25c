package reconcile

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// summarizeFleet notes that something about the whole fleet changed.
func (l *Loop) summarizeFleet() {
	l.branch.Touch()
	signal(l.publish)
	l.watchers.Notify("")
}

// Acted notes what an operator had the daemon do; it goes onto the fleet's page.
func (l *Loop) Acted(act status.Act) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.acts = status.Do(l.fleet.acts, act)
	l.summarizeFleet()
}

// summary is what the loop knows of the whole fleet. The caller holds the lock.
func (l *Loop) summary() status.Fleet {
	f := status.Fleet{Commit: l.fleet.accepted.Commit, Title: l.fleet.title, Refused: l.fleet.refused, Frozen: l.fleet.frozen, Commits: l.fleet.commits, Acts: l.fleet.acts, TwoSigners: l.fleet.asks.TwoSigners, Unknown: l.fleet.unknown}
	if scope := l.fleet.reinstall; scope.Set() {
		f.Reinstall = &scope
	}
	if l.fleet.settings.Paused {
		f.Paused = "spec.paused in " + schemas.FleetFile + " is true"
	}
	rings := l.admit.Progress()
	for _, name := range slices.Sorted(maps.Keys(rings)) {
		f.Rings = append(f.Rings, rings[name])
	}
	return f
}

// fleetPages gives what encodes the pages of the whole fleet, by path, from what is known now. There are none before a commit was looked at, good or not.
func (l *Loop) fleetPages() func() map[string][]byte {
	if l.fleet.examined == "" {
		return func() map[string][]byte { return nil }
	}
	documents := l.branch.Documents()
	summary := status.NewFleet(l.summary(), l.fleet.findings, documents)
	return func() map[string][]byte {
		return map[string][]byte{status.FleetPath: summary.Encode(), status.BoardPath: status.Board(summary, documents)}
	}
}
