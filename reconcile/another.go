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

// Two daemons must not run one fleet: one that was resumed from a snapshot while its successor runs, or a second one with the same identity and a journal of
// its own. Each writes pages that only a daemon with this identity can write, and that the other did not write: they know more of a host than the other does.
// Whoever sees such a page does nothing any more until it is restarted; then the page counts, see package recovery.
//
//	a page on the branch                                    this daemon
//	is not genuine, or is none of a host                    writes its own again
//	says less than it knows, or the same                    writes its own again: the page lags behind, or somebody put an older one back
//	is of a host whose own page it does not believe         leaves the page alone: a person mends it
//	says more than it knows                                 stands aside
//
// No page that it wrote itself says more than it knows, even where a push had no answer: a page is made of what the journal has already.

// foreign is a genuine page of a host that is not as this process pushed it.
type foreign struct {
	record   inventory.Record
	readable bool // else only its epoch is known: another version of this program wrote it
}

// foreignPages are those among the pages of the branch, as far as they are genuine, by path.
func (l *Loop) foreignPages(files map[string][]byte) []foreign {
	l.mu.Lock()
	var odd []string
	for file, page := range files {
		if page != nil && status.IsHost(file) && !l.branch.Has(status.IDOf(file), page) {
			odd = append(odd, file)
		}
	}
	l.mu.Unlock()
	slices.Sort(odd)
	pages := make([]foreign, 0, len(odd)) // reading them is slow, so nobody waits for it
	for _, file := range odd {
		document, err := status.Page(file, files[file])
		if err != nil {
			pages = append(pages, foreign{record: status.Remains(file, files[file])})
			continue
		}
		pages = append(pages, foreign{document.Record(), true})
	}
	return pages
}

// anotherDaemon says which page another daemon wrote, and what to do; "" for none. The caller holds the lock.
func (l *Loop) anotherDaemon(pages []foreign, tip string) string {
	for _, page := range pages {
		h := l.hosts[page.record.ID]
		if h == nil || h.record.Unreadable != "" || !page.readable && page.record.Epoch <= h.record.Epoch {
			continue // nothing can be done to a host that is not known
		}
		if why := recovery.KnowsMore(page.record, h.record); why != "" {
			return conflict(page.record, h.record, why, tip)
		}
	}
	return ""
}

// conflict says which page another daemon wrote, and what to do.
func conflict(there, known inventory.Record, why, tip string) string {
	by := ""
	if tip != "" {
		by = " (written by " + tip + ")"
	}
	if there.Epoch == known.Epoch {
		by += ", where " + why
	}
	return fmt.Sprintf("another daemon runs this fleet: host %s is at epoch %d on the status branch%s, this daemon knows epoch %d: stop one of them, then restart this one",
		there.ID, there.Epoch, by, known.Epoch)
}

// lastCommit says who wrote the branch last, in which commit, where the publisher knows.
func (l *Loop) lastCommit() string {
	if p, ok := l.config.Publisher.(interface{ LastCommit() string }); ok {
		return p.LastCommit()
	}
	return ""
}

// standAside stops whatever this daemon would do, until it is restarted. The caller holds the lock.
func (l *Loop) standAside(why string) {
	if l.another != "" {
		return
	}
	l.another = why
	l.config.Log.Error(why)
	l.watchers.Notify("")
	for id := range l.hosts {
		l.queue.Add(id, l.config.Now()) // each says so
	}
}

// standsAside is why nothing is done, as an outcome; false when there is no reason. A daemon whose looks at the branch stopped for longer than they can take was
// suspended, with its machine perhaps: it looks before it does anything, whether the look succeeds or not.
func (l *Loop) standsAside() (plan.Outcome, bool) {
	limits := l.config.Limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.another != "" {
		return plan.Outcome{Result: plan.Stalled, Why: l.another}, true
	}
	longest := 2*limits.Poll + limits.Settle + limits.Fetch + limits.Publish
	if l.awoke.IsZero() || l.config.Now().Round(0).Sub(l.awoke) <= longest {
		return plan.Outcome{}, false
	}
	l.Refresh()
	return plan.Outcome{Result: plan.Waits, After: limits.Settle, Why: "the daemon was suspended: it looks at the repository first"}, true
}

// awake notes that the source and the branch were looked at. The wall clock goes on while the machine is suspended, another one may not.
func (l *Loop) awake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awoke = l.config.Now().Round(0)
}

// moved reports whether a push was not made because another tip was there than the one it is built upon: pages that nobody here has seen.
func moved(err error) bool {
	var m interface{ Moved() bool }
	return errors.As(err, &m) && m.Moved()
}

// aside reports whether the daemon stands aside.
func (l *Loop) aside() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.another != ""
}
