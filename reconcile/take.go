package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/census"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/roster"
)

// take gives every host what the fleet asks of it now. A machine that gets another name is known by the old one until the journal knows it by the new: it
// is never known twice. The caller holds the lock.
func (l *Loop) take(next inventory.Fleet) {
	l.fleet.asks = next
	known := make(map[string]roster.Known, len(l.hosts))
	for name, h := range l.hosts {
		known[name] = roster.Known{Record: h.record, Lost: h.lost != nil, Written: h.revision != 0}
	}
	l.heirs = map[string]string{}
	for name, place := range roster.Of(next, known) {
		h := l.hosts[name]
		if h == nil {
			h = &host{record: inventory.Record{Host: name}}
			l.hosts[name] = h
		}
		h.desired, h.orphaned, h.heir, h.reserved = place.Desired, place.Orphaned, place.Heir, place.Reserved
		h.failures = 0 // whatever was wrong may be mended
		if h.heir != nil {
			l.heirs[h.heir.Name] = name
		}
	}
	l.census.Regroup()
	for _, h := range l.hosts {
		if h.seen.at.IsZero() { // what was under way when the daemon was stopped has its place still
			h.placed = h.underWay()
		}
		l.moved(h)
		h.state = l.census.Member(h.seat()).State // everybody is looked at now: nobody needs to be woken for that
	}
}

// seat is the name by which the host counts in its ring.
func (h *host) seat() string {
	if h.heir != nil {
		return h.heir.Name
	}
	return h.desired.Name
}

var (
	// errRenamed ends the look at a machine that has another name now.
	errRenamed = errors.New("the host has another name")
	// errReserved is of what a look meant to begin when its host's name was given to a machine that is known by another one.
	errReserved = fmt.Errorf("a machine that is known by another name gets this one: %w", journal.ErrConflict)
)

// succeed gives a machine the name that the fleet calls it by, as soon as nothing that was begun under the old one has to end under it. The journal changes
// both records at once.
func (l *Loop) succeed(ctx context.Context, name string, h *host) error {
	l.mu.Lock()
	if h.heir == nil || !h.record.AtRest() || !l.free(h.heir.Name) {
		l.mu.Unlock()
		return nil
	}
	next := h.heir.Name
	old, entry := journal.Entry{Record: h.record, Revision: h.revision}, journal.Entry{Record: h.record.Renamed(next)}
	if there := l.hosts[next]; there != nil {
		entry.Revision = there.revision
	}
	h.renaming, l.asked[next] = next, name
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	revision, err := l.config.Journal.Rename(ctx, old, entry)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		h.doubtful = errors.Is(err, journal.ErrConflict)
		l.disowned(err)
		return err
	}
	l.renamed(name, journal.Entry{Record: entry.Record, Revision: revision})
	return errRenamed
}

// askAgain finds out what came of a rename that failed. What was not done is not due any more: the fleet may have changed its mind.
func (l *Loop) askAgain(ctx context.Context, name string, h *host) error {
	if h.renaming == "" {
		return nil
	}
	record, revision, err := l.config.Journal.Get(ctx, h.renaming)
	if err != nil {
		return err
	}
	if revision != 0 && slices.Contains(record.Formerly, name) {
		l.renamed(name, journal.Entry{Record: record, Revision: revision})
		return errRenamed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, h.renaming)
	l.queue.Add(h.renaming, l.config.Now())
	h.renaming = ""
	return nil
}

// free reports whether no machine has a name, and nothing is being done under it. The caller holds the lock.
func (l *Loop) free(name string) bool {
	h := l.hosts[name]
	return l.asked[name] == "" && (h == nil || h.reserved && !h.looking && !h.doubtful && h.lost == nil && h.record.Fresh())
}

// unreserved ends a look at a host whose name another machine gets: that one may have it now, unless something was begun under it. The caller holds the lock.
func (l *Loop) unreserved(h *host) {
	if !h.reserved {
		return
	}
	l.queue.Add(l.heirs[h.record.Host], l.config.Now())
	if !h.record.Fresh() {
		l.take(l.fleet.asks)
	}
}

// replaced ends a look at a host whose name a machine took meanwhile that has another one in the journal: what was seen and done is not of that one. The
// caller holds the lock, which is given back then.
func (l *Loop) replaced(name string, h *host) bool {
	if l.hosts[name] == h {
		return false
	}
	l.mu.Unlock()
	l.queue.Done(name, l.config.Now())
	return true
}

// renamed makes of a host what the journal says it is now. The former name is forgotten, or another machine's.
func (l *Loop) renamed(former string, entry journal.Entry) {
	name := entry.Record.Host
	l.mu.Lock()
	h := l.hosts[former]
	h.record, h.revision, h.renaming, h.looking = entry.Record, entry.Revision, "", false
	h.desired.Name, h.desired.Becomes = name, ""
	delete(l.hosts, former)
	delete(l.asked, name)
	delete(l.heirs, name)
	l.hosts[name] = h
	l.branch.Rename(former, name)
	l.census.Move(former, census.Place{})
	l.queue.Forget(former)
	expected := h.heir != nil && h.heir.Name == name
	if expected {
		h.desired, h.heir = *h.heir, nil
		h.desired.Former = ""
	}
	if _, again := l.fleet.asks.Hosts[former]; again || !expected {
		l.take(l.fleet.asks) // the name is another machine's, or the fleet changed its mind meanwhile
	}
	l.moved(h)
	l.config.Log.Info("renamed", "host", name, "formerly", former)
	due := []string{name}
	if l.hosts[former] != nil {
		due = append(due, former)
	}
	if waits := l.heirs[former]; waits != "" { // for the name that is free now
		due = append(due, waits)
	}
	l.summarizeFleet()
	l.mu.Unlock()
	l.config.Executor.Forget(former)
	for _, host := range due {
		l.queue.Add(host, l.config.Now())
	}
	l.news.Tell(former)
	l.news.Tell(name)
}
