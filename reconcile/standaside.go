package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Two daemons must not run one fleet, as happens when a daemon resumes from a snapshot while its successor runs, or
// when a second daemon has the same identity and its own journal. Then each daemon finds genuine pages on the branch
// that say more of a host than its own journal. A daemon that finds such a page does nothing until its restart. After
// the restart the page counts, see package recovery.
//
//	a page on the branch                               this daemon
//	is not genuine, or is not a host's page            writes its own page again
//	says at most what this daemon knows                writes its own page again: the page is late, or an old copy
//	is of a host whose record cannot be read           leaves the page alone: a person mends the page
//	says more than this daemon knows                   stands aside
//
// The daemon's own pages never say more than its journal, even after a push without an answer: every page is made from
// the journal's records.

// foreignPage is a genuine page of a host with other bytes than this process pushed.
type foreignPage struct {
	record   inventory.Record
	readable bool // if not, only the epoch is known: another version of ingot wrote the page
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

// findOtherDaemon says which page another daemon wrote, and what to do; "" for no page. The caller holds the lock.
func (l *Loop) findOtherDaemon(pages []foreignPage, tip string) string {
	for _, page := range pages {
		h := l.hosts[page.record.ID]
		if h == nil { // an unknown host is never touched
			continue
		}
		undecided := !page.readable && page.record.Epoch <= h.record.Epoch
		if undecided || h.record.Unreadable != "" {
			continue
		}
		if why := recovery.KnowsMore(page.record, h.record); why != "" {
			return describeConflict(page.record, h.record, why, tip)
		}
	}
	return ""
}

// describeConflict says which page another daemon wrote, and what to do.
func describeConflict(there, known inventory.Record, why, tip string) string {
	by := ""
	if tip != "" {
		by = " (written by " + tip + ")"
	}
	if there.Epoch == known.Epoch {
		by += ", where " + why
	}
	return fmt.Sprintf("another daemon runs this fleet: host %s is at epoch %d on the status branch%s, this daemon "+
		"knows epoch %d: stop one of them, then restart this one",
		there.ID, there.Epoch, by, known.Epoch)
}

// lastCommit names the branch's last commit and its writer, where the publisher knows both.
func (l *Loop) lastCommit() string {
	if p, ok := l.config.Publisher.(interface{ LastCommit() string }); ok {
		return p.LastCommit()
	}
	return ""
}

// standAside stops every action of this daemon until its restart. The caller holds the lock.
func (l *Loop) standAside(why string) {
	if l.otherDaemon != "" {
		return
	}
	l.otherDaemon = why
	l.config.Log.Error(why)
	l.watchers.Notify("")
	for id := range l.hosts {
		l.queue.AddHost(id, l.config.Now()) // each host's page then says why
	}
}

// checkStandAside gives the outcome of every action while the daemon stands aside; false when the daemon may act. A
// daemon whose looks at the branch paused for longer than they can take was suspended, perhaps with its machine: it
// first looks at the branch, with or without success, before any action.
func (l *Loop) checkStandAside() (plan.Outcome, bool) {
	limits := l.config.Limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.otherDaemon != "" {
		return plan.Outcome{Result: plan.Stalled, Why: l.otherDaemon}, true
	}
	longest := 2*limits.Poll + limits.Settle + limits.Fetch + limits.Publish
	if l.lastFollowed.IsZero() || l.config.Now().Round(0).Sub(l.lastFollowed) <= longest {
		return plan.Outcome{}, false
	}
	l.RefreshSource()
	return plan.Outcome{Result: plan.Waits, After: limits.Settle,
		Why: "the daemon was suspended: it looks at the repository first"}, true
}

// recordFollowed records the end of a look at source and branch. The wall clock goes on while the machine is
// suspended; the monotonic clock may stop.
func (l *Loop) recordFollowed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastFollowed = l.config.Now().Round(0)
}

// tipMoved reports whether a push was refused because somebody else moved the tip: the new pages are read first.
func tipMoved(err error) bool {
	var m interface{ Moved() bool }
	return errors.As(err, &m) && m.Moved()
}

// stoodAside reports whether the daemon stands aside.
func (l *Loop) stoodAside() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.otherDaemon != ""
}
