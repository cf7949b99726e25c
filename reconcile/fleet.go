package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// fleet is where the desired state stands.
type fleet struct {
	commit    string // accepted by this process; "" until the first one was
	accepted  journal.Accepted
	examined  string // key of the sources looked at last, good or not
	title     string
	refused   string // the commit that was not accepted; "" when the newest one was
	findings  []schemas.Finding
	trouble   string // why the source cannot be read; "" when it can
	frozen    string // why nothing is erased; "" when the history can be trusted
	rings     map[string]inventory.Ring
	settings  schemas.FleetSpec
	reinstall schemas.Scope
	commits   []status.Commit // accepted, the newest first
	acts      []status.Act    // of operators, the newest first
	unknown   format.Unknown  // what a newer ingot wrote on the fleet's page
	asks      inventory.Fleet // as it was taken last
}

func (l *Loop) known(sources inventory.Sources) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sources.Key() == l.fleet.examined
}

// sourceAnswered notes whether the source can be read; the log hears of changes only.
func (l *Loop) sourceAnswered(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := ""
	if err != nil {
		now = err.Error()
	}
	if now == l.fleet.trouble {
		return
	}
	if err != nil {
		l.config.Log.Error("fleet not readable: the last good commit stays", "error", err, "commit", l.fleet.commit)
	} else {
		l.config.Log.Info("fleet readable again", "commit", l.fleet.commit)
	}
	l.fleet.trouble, l.fleet.frozen = now, ""
	if freezes := (interface{ Freezes() bool })(nil); errors.As(err, &freezes) && freezes.Freezes() {
		l.fleet.frozen = now
	}
	l.tellFleet()
	l.summarizeFleet()
}

// refuseEmpty adds to what is wrong with a commit that it holds not a single host when there were some: that is an accident, not a wish. Hosts that
// could not be read are not gone.
func (l *Loop) refuseEmpty(next inventory.Fleet, sources inventory.Sources, findings []schemas.Finding) []schemas.Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(next.Hosts) > 0 || len(l.hosts) == 0 || schemas.Fatal(findings) {
		return findings
	}
	return append(findings, schemas.Finding{
		Position: schemas.Position{File: "."},
		Severity: schemas.Error,
		Message:  fmt.Sprintf("commit %.12s holds no hosts, but %d are known: nothing is changed", sources.Trunk.Commit, len(l.hosts)),
		Hint:     "revert it; hosts that shall be left alone stay in the fleet with lifecycle: Unmanaged",
	})
}

// refuse keeps the last good fleet and says what is wrong with the newest commit.
func (l *Loop) refuse(sources inventory.Sources, findings []schemas.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.examined, l.fleet.refused, l.fleet.findings, l.fleet.trouble = sources.Key(), sources.Trunk.Commit, findings, ""
	stays := "the last good one stays"
	if l.fleet.commit == "" {
		stays = "no machine is touched before a good one comes"
	}
	l.config.Log.Error("commit refused: "+stays, "refused", sources.Trunk.Commit, "commit", l.fleet.commit,
		"findings", len(findings), "first", findings[0].String())
	l.summarizeFleet()
}

// adopt makes a good commit the fleet, once the journal knows it.
func (l *Loop) adopt(ctx context.Context, sources inventory.Sources, next inventory.Fleet, findings []schemas.Finding) {
	accepted := journal.Accepted{Commit: sources.Trunk.Commit, At: l.config.Now()}
	if _, before := l.Accepted(); before.Commit == accepted.Commit {
		accepted = before // a restart on the same commit
	} else if err := l.config.Journal.Accept(ctx, accepted); err != nil {
		if !l.disowned(err) {
			l.sourceAnswered(ctx, err)
		}
		return
	}
	l.mu.Lock()
	l.fleet = fleet{
		commit: accepted.Commit, accepted: accepted, examined: sources.Key(), title: sources.Trunk.Title, findings: findings, rings: next.Rings, settings: next.Settings, reinstall: next.Reinstall,
		commits: status.Accept(l.fleet.commits, status.Commit{Commit: accepted.Commit, Title: sources.Trunk.Title}), acts: l.fleet.acts, unknown: l.fleet.unknown,
	}
	l.take(next)
	ids := slices.Collect(maps.Keys(l.hosts))
	l.config.Log.Info("commit accepted", "commit", accepted.Commit, "title", sources.Trunk.Title, "hosts", len(next.Hosts))
	l.summarizeFleet()
	l.mu.Unlock()
	for _, id := range ids {
		l.queue.Add(id, l.config.Now())
	}
}

// take gives every host what the fleet asks of it now. A machine that the fleet does not name any more stays known under its last name: hands off. The caller
// holds the lock.
func (l *Loop) take(next inventory.Fleet) {
	l.fleet.asks = next
	for id, h := range l.hosts {
		if _, named := next.Hosts[id]; !named {
			h.desired, h.orphaned = inventory.Desired{ID: id, Name: cmp.Or(h.desired.Name, string(id)), Commit: next.Commit}, true
		}
	}
	for id, desired := range next.Hosts {
		if l.hosts[id] == nil {
			l.hosts[id] = newHost(inventory.Record{ID: id})
		}
		l.hosts[id].desired, l.hosts[id].orphaned = desired, false
	}
	l.tellFleet()
	for _, h := range l.hosts {
		h.failures = 0 // whatever was wrong may be mended
		l.moveStanding(h)
	}
	for id, h := range l.hosts {
		h.standing = l.standing.Of(h.desired, h.record, h.seen.observed)
		if h.seen.at.IsZero() { // what was under way when the daemon was stopped has its place still
			h.live.Placed = admit.Of(h.desired, h.record, h.live).Busy
		}
		l.moved(h)
		h.state = l.admit.Machine(id).State // everybody is looked at now: nobody needs to be woken for that
	}
}

// Accepted gives the accepted commit, "" until one was accepted since the start, and what was accepted last, even before.
func (l *Loop) Accepted() (commit string, last journal.Accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleet.commit, l.fleet.accepted
}
