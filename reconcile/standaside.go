package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// Two daemons must not run one fleet, as happens when a daemon resumes from a snapshot while its successor runs, or
// when a second daemon has the same identity and its own journal. Both push to one branch, and each push is built on a
// tip that its daemon has read, so the later one of two pushes finds the earlier one. A daemon that finds a push of
// another daemon does nothing any more, over its restarts, until `ingot serve --take-fleet`.
//
//	a page on the branch                               this daemon
//	is not genuine                                     writes its own page again
//	the fleet's page, of another life or push          see statusbranch.Author.FindOther
//	a host's page, newer than its record by            stands aside
//	  recovery.WhyNewer
//	a host's page, at most as new                      writes its own page again: the page is late, or an old copy
//	a host's page, whose record cannot be read         leaves the page alone: a person mends the page
//
// The daemon's own pages are never newer than its journal, even after a push without an answer: every page is made from
// the journal's records.

// foreignPage is a genuine page of a host with other bytes than this process pushed.
type foreignPage struct {
	record   inventory.Record
	readable bool // if not, only life, revision and epoch are known: another version of ingot wrote the page
}

// findForeignPages finds the foreign pages among the genuine pages of the branch, sorted by path.
func (l *Loop) findForeignPages(files map[string][]byte) []foreignPage {
	l.mu.Lock()
	var odd []string
	for file, page := range files {
		if page != nil && status.IsHost(file) && !l.branch.HasPage(status.IDOf(file), page) {
			odd = append(odd, file)
		}
	}
	l.mu.Unlock()
	slices.Sort(odd)
	pages := make([]foreignPage, 0, len(odd)) // slow, so without the lock
	for _, file := range odd {
		document, err := status.Page(file, files[file])
		if err != nil {
			pages = append(pages, foreignPage{record: status.Remains(file, files[file])})
			continue
		}
		pages = append(pages, foreignPage{document.Record(), true})
	}
	return pages
}

// findOtherDaemon says that another daemon wrote the branch, and what to do; "" for no other daemon. The caller holds
// the lock.
func (l *Loop) findOtherDaemon(writer *status.Daemon, pages []foreignPage, tip string) string {
	if why := l.author.FindOther(writer); why != "" {
		return "another daemon runs this fleet: " + why + ": " + statusbranch.TakeFleet
	}
	for _, page := range pages {
		h := l.hosts[page.record.ID]
		if h == nil { // an unknown host is never touched
			continue
		}
		undecided := !page.readable && page.record.Epoch <= h.record.Epoch && page.record.Life.Number == 0
		if undecided || h.record.Unreadable != "" {
			continue
		}
		if why := recovery.WhyNewer(page.record, h.record); why != "" {
			return statusbranch.DescribeConflict(page.record, why, tip)
		}
	}
	return ""
}

// lastCommit names the branch's last commit and its writer, where the publisher knows both.
func (l *Loop) lastCommit() string {
	if p, ok := l.config.Publisher.(interface{ LastCommit() string }); ok {
		return p.LastCommit()
	}
	return ""
}

// standAside stops every action of this daemon, until rememberAside for the daemons after it too. The caller holds the
// lock.
func (l *Loop) standAside(why string) {
	if l.otherDaemon != "" {
		return
	}
	l.otherDaemon = why
	l.config.Log.Error(why)
	l.watchers.Notify("")
	for id := range l.hosts {
		l.queue.AddHost(id, l.config.Now(), queue.Routine) // each host's page then says why
	}
}

// rememberAside writes into the journal that this daemon stands aside, once.
func (l *Loop) rememberAside(ctx context.Context) {
	l.mu.Lock()
	last := journal.LastLife{Life: l.lastLife, Another: l.otherDaemon}
	due := l.otherDaemon != "" && l.remembered != l.otherDaemon
	l.mu.Unlock()
	if !due {
		return
	}
	if err := l.config.Journal.KeepLife(ctx, last); err != nil {
		if !l.stopIfDisowned(err) {
			l.config.Log.Error("the journal does not have yet that another daemon runs this fleet", "error", err)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remembered = last.Another
}

// checkStandAside gives the outcome of every action while the daemon stands aside or has not claimed the fleet yet;
// false when the daemon may act. A daemon whose looks at the branch paused for longer than they can take was suspended,
// perhaps with its machine: it first looks at the branch, with or without success, before any action.
func (l *Loop) checkStandAside() (act.Outcome, bool) {
	limits := l.config.Limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.otherDaemon != "" {
		return act.Outcome{Result: act.Stalled, Why: l.otherDaemon}, true
	}
	if !l.author.Claimed { // guard: lives
		return l.awaitClaim(), true
	}
	longest := 2*limits.Poll + limits.Settle + limits.Fetch + limits.Publish
	if l.lastFollowed.IsZero() || l.config.Now().Round(0).Sub(l.lastFollowed) <= longest {
		return act.Outcome{}, false
	}
	l.RefreshSource()
	return act.Outcome{Result: act.Waits, After: limits.Settle,
		Why: "the daemon was suspended: it looks at the repository first"}, true
}

// checkFence is checkStandAside and asks the journal anew: an effect may come without a write before it, or long after it.
func (l *Loop) checkFence() (act.Outcome, bool) {
	outcome, fenced := l.checkStandAside()
	if err := l.config.Owned(); err != nil && !fenced {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}, true
	}
	return outcome, fenced
}

// MayAct says why this daemon must change nothing outside now, or nil. What acts beside the loop asks it before each act.
func (l *Loop) MayAct() error {
	if outcome, fenced := l.checkFence(); fenced {
		return errors.New(outcome.Why)
	}
	return nil
}

// recordFollowed records the end of a look at source and branch. The wall clock goes on while the machine is
// suspended; the monotonic clock may stop.
func (l *Loop) recordFollowed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastFollowed = l.config.Now().Round(0)
}

// stoodAside reports whether the daemon stands aside.
func (l *Loop) stoodAside() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.otherDaemon != ""
}
