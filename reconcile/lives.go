package reconcile

import (
	"context"

	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Each start of the daemon is a life: a number above every number in journal and branch, and a random id. The first
// push of a life names the life in the fleet's page, on the tip that the restore has read: that claims the fleet.
// Before the claim the daemon observes, and does nothing. A daemon that runs already finds the higher life on the
// branch, and stands aside. Nothing is written into the journal under a life that was not claimed: a record from a page
// keeps the life and the revision of the page.
//
//	a start                                                        does
//	its journal remembers that another daemon runs the fleet       nothing, until `ingot serve --take-fleet`
//	nobody can say which commit was accepted last                  claims after a commit was accepted, see restore.go
//	any other                                                      claims at once, before it follows the fleet
//	cannot push to the branch                                      observes, and claims once it can

// beginLife gives this start of the daemon a number above all known lives.
func (l *Loop) beginLife(highest uint64) {
	if l.life.ID == "" {
		l.life.ID = l.config.NewID()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life.Number = max(l.life.Number, highest+1)
	l.author.BeginLife(l.config.Host, l.life, l.config.Now())
}

// claimFleet makes the first push of this life. An error says that the branch must be restored again.
func (l *Loop) claimFleet(ctx context.Context) error {
	l.mu.Lock()
	ready := l.otherDaemon == "" && l.mayClaim()
	l.mu.Unlock()
	if !ready {
		return nil
	}
	return l.pushChange(ctx, l.gatherChange())
}

// mayClaim reports whether the first push may be made: the fleet's page then has the accepted commit. The caller holds
// the lock.
func (l *Loop) mayClaim() bool { return !l.fleet.lostCommit || l.fleet.accepted.Commit != "" }

// settleClaim records that the branch names this life; false after an error of the journal: another push must follow.
func (l *Loop) settleClaim(ctx context.Context) bool {
	l.mu.Lock()
	claimed, life := l.author.Claimed, l.life
	l.mu.Unlock()
	if claimed {
		return true
	}
	if err := l.config.Journal.KeepLife(ctx, journal.LastLife{Life: life}); err != nil {
		if !l.stopIfDisowned(err) {
			l.config.Log.Error("the life is not in the journal: nothing is done before it is", "error", err)
		}
		return false
	}
	l.mu.Lock()
	l.author.Claimed, l.lastLife = true, life
	for id := range l.hosts {
		if l.fleet.commit != "" {
			l.queue.AddHost(id, l.config.Now(), queue.Routine)
		}
	}
	l.mu.Unlock()
	l.config.Log.Info("this daemon runs the fleet", "life", life.Number, "id", life.ID)
	l.watchers.Notify("")
	return true
}

// awaitClaim gives the outcome of every action before the claim. The caller holds the lock.
func (l *Loop) awaitClaim() act.Outcome {
	queue.SendSignal(l.publish)
	if l.branch.Trouble != "" {
		return act.Outcome{Result: act.Retry, Why: "nothing begins before the status branch can be pushed"}
	}
	return act.Outcome{Result: act.Waits, Why: "this start of the daemon is written to the status branch first"}
}

// restoredFleet gives the fleet's page as the restore has read it, in the name of this life.
func (l *Loop) restoredFleet() status.Fleet {
	page := l.fleet.restored
	page.Daemon = l.author.Daemon()
	if page.Kind == "" {
		page = status.NewFleet(l.fleetSummary(), nil, nil)
	}
	return page
}
