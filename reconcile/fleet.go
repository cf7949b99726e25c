package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/fleetdiff"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// fleet is the accepted desired state and how the daemon got there.
type fleet struct {
	commit        string // accepted by this process; "" before the first accepted commit
	remembered    string // accepted before this process, by the newer one of journal and branch; "" for none
	accepted      journal.Accepted
	examined      string // key of the last examined sources, good or bad
	title         string
	refused       string // the newest commit when it was not accepted; else ""
	findings      []schemas.Finding
	sourceTrouble string // why the source cannot be read; else ""
	frozen        string // why the history cannot be trusted, so that no disk is erased; else ""
	rings         map[string]inventory.Ring
	settings      schemas.FleetSpec
	reinstall     schemas.Scope
	commits       []status.Commit // accepted commits, the newest first
	acts          []status.Act    // acts of operators, the newest first
	proposals     int             // discovered machines that wait to be merged
	unknown       format.Unknown  // members of the fleet's page from a newer ingot
	desired       inventory.Fleet // the fleet of the accepted commit
	restored      status.Fleet    // the fleet's page as the restore has read it; without Kind, there was none
	lostCommit    bool            // the branch had an accepted commit, and its page was deleted or is not readable
}

// isExamined reports whether the sources were examined before.
func (l *Loop) isExamined(sources inventory.Sources) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sources.Key() == l.fleet.examined
}

// recordSource records whether the source can be read. The log tells changes only.
func (l *Loop) recordSource(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := ""
	if err != nil {
		now = err.Error()
	}
	if now == l.fleet.sourceTrouble {
		return
	}
	if err != nil {
		l.config.Log.Error("fleet not readable: the last good commit stays", "error", err, "commit", l.fleet.commit)
	} else {
		l.config.Log.Info("fleet readable again", "commit", l.fleet.commit)
	}
	l.fleet.sourceTrouble, l.fleet.frozen = now, ""
	if freezes := (interface{ Freezes() bool })(nil); errors.As(err, &freezes) && freezes.Freezes() {
		l.fleet.frozen = now
	}
	l.updateAdmitFleet()
	l.summarizeFleet()
}

// refuseEmpty adds a finding when a commit without fatal findings has no hosts while the daemon knows hosts: an
// accident, not a wish.
func (l *Loop) refuseEmpty(next inventory.Fleet, sources inventory.Sources,
	findings []schemas.Finding) []schemas.Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(next.Hosts) > 0 || len(l.hosts) == 0 || schemas.Fatal(findings) {
		return findings
	}
	return append(findings, schemas.Finding{
		Position: schemas.Position{File: "."},
		Severity: schemas.Error,
		Message: fmt.Sprintf("commit %.12s holds no hosts, but %d are known: nothing is changed", sources.Trunk.Commit,
			len(l.hosts)),
		Hint: "revert it; hosts that shall be left alone stay in the fleet with lifecycle: Unmanaged",
	})
}

// refuseCommit keeps the last good fleet and publishes the findings of the newest commit.
func (l *Loop) refuseCommit(sources inventory.Sources, findings []schemas.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.examined, l.fleet.refused, l.fleet.findings, l.fleet.sourceTrouble = sources.Key(), sources.Trunk.Commit,
		findings, ""
	stays := "the last good one stays"
	if l.fleet.commit == "" {
		stays = "no machine is touched before a good one comes"
	}
	l.config.Log.Error("commit refused: "+stays, "refused", sources.Trunk.Commit, "commit", l.fleet.commit,
		"findings", len(findings), "first", findings[0].String())
	l.summarizeFleet()
}

// adoptFleet writes a good commit into the journal and then makes its fleet the desired state.
func (l *Loop) adoptFleet(ctx context.Context, sources inventory.Sources, next inventory.Fleet,
	findings []schemas.Finding) error {
	l.acceptSlot <- struct{}{}
	defer func() { <-l.acceptSlot }()
	_, before := l.AcceptedCommit()
	accepted := journal.Accepted{Commit: sources.Trunk.Commit, At: l.config.Now(), Resumed: before.Resumed}
	if before.Commit == accepted.Commit {
		accepted = before // the daemon restarted on the same commit
	} else if err := l.config.Journal.Accept(ctx, accepted); err != nil {
		if !l.stopIfDisowned(err) {
			l.recordSource(ctx, err)
		}
		return err
	}
	l.mu.Lock()
	first, last := l.fleet.commit == "", l.fleet.desired
	l.fleet = fleet{
		commit: accepted.Commit, accepted: accepted, examined: sources.Key(), title: sources.Trunk.Title,
		findings: findings, rings: next.Rings, settings: next.Settings, reinstall: next.Reinstall,
		commits: status.Accept(l.fleet.commits, status.Commit{Commit: accepted.Commit, Title: sources.Trunk.Title}),
		acts:    l.fleet.acts, unknown: l.fleet.unknown,
	}
	changes := fleetdiff.Compare(last, next)
	priority, wake := queue.Asked, l.assignDesired(changes, next)
	if first {
		priority, wake = queue.Routine, slices.Collect(maps.Keys(l.hosts))
	}
	l.config.Log.Info("commit accepted", "commit", accepted.Commit, "title", sources.Trunk.Title, "hosts",
		len(next.Hosts), "looks", len(wake))
	for ring, why := range changes.NewTroubles() {
		l.config.Log.Warn("a ring does not follow its tags", "ring", ring, "why", why)
	}
	l.summarizeFleet()
	l.mu.Unlock()
	for _, id := range wake {
		l.queue.AddHost(id, l.config.Now(), priority)
	}
	return nil
}

// assignDesired gives every host the fleet's new desire, and gives the hosts to be looked at soon. A machine that the
// fleet stopped naming stays known under its last name, and the daemon leaves it alone. The caller holds the lock.
func (l *Loop) assignDesired(changes fleetdiff.Changes, next inventory.Fleet) (wake []inventory.MachineID) {
	l.fleet.desired = next
	for id, h := range l.hosts {
		_, named := next.Hosts[id]
		if !named { // guard: orphan
			h.desired, h.orphaned = inventory.Desired{ID: id, Name: cmp.Or(h.desired.Name, string(id)),
				Commit: next.Commit}, true
		}
	}
	for id, desired := range next.Hosts {
		if l.hosts[id] == nil {
			l.hosts[id] = newHost(inventory.Record{ID: id})
		}
		l.hosts[id].desired, l.hosts[id].orphaned = desired, false
	}
	l.updateAdmitFleet()
	concerned := make(map[inventory.MachineID]bool, len(l.hosts))
	for id, h := range l.hosts {
		if concerned[id] = changes.Concerns(id); concerned[id] {
			h.failures = 0 // the commit may have mended the failure
		}
		if changes.ConcernsBMC(id) {
			h.met = false
			l.queue.SetLane(id, h.lane())
		}
		l.indexHost(h)
		if h.lastLook.at.IsZero() { // what is under way from before the restart keeps its place
			h.live.Placed = l.admit.GetMachine(id).Busy
			l.indexHost(h)
		}
	}
	l.takeSurplusPlaces()
	for id, h := range l.hosts {
		h.state = l.admit.GetMachine(id).State
		if concerned[id] || l.isDecidedAnew(h) {
			wake = append(wake, id)
		} else if changes.Moves(id) {
			l.rewritePage(h, h.lastLook.plan)
		}
	}
	return append(wake, l.reviseWaits()...)
}

// AcceptedCommit gives the commit accepted since the start ("" for none), and the last accepted commit of the journal.
func (l *Loop) AcceptedCommit() (commit string, last journal.Accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleet.commit, l.fleet.accepted
}
