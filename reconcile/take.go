package reconcile

import (
	"context"
	"errors"
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
	for name, place := range roster.Of(next, known) {
		h := l.hosts[name]
		if h == nil {
			h = &host{record: inventory.Record{Host: name}}
			l.hosts[name] = h
		}
		h.desired, h.orphaned, h.heir = place.Desired, place.Orphaned, place.Heir
		h.failures = 0 // whatever was wrong may be mended
	}
	l.census.Regroup()
	for _, h := range l.hosts {
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

// errRenamed ends the look at a machine that has another name now.
var errRenamed = errors.New("the host has another name")

// succeed gives a machine the name that the fleet calls it by, as soon as nothing that was begun under the old one has to end under it. The journal changes
// both records at once. What came of a write that was not answered is asked before anything else.
func (l *Loop) succeed(ctx context.Context, name string) error {
	l.mu.Lock()
	h := l.hosts[name]
	next := h.renaming
	if next == "" && h.heir != nil && h.record.AtRest() && l.free(h.heir.Name) {
		next = h.heir.Name
	}
	if next == "" {
		l.mu.Unlock()
		return nil
	}
	unsure := h.renaming != ""
	old, entry := journal.Entry{Record: h.record, Revision: h.revision}, journal.Entry{Record: h.record.Renamed(next)}
	if there := l.hosts[next]; there != nil {
		entry.Revision = there.revision
	}
	h.renaming = next
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if unsure {
		record, revision, err := l.config.Journal.Get(ctx, next)
		if err != nil {
			return err
		}
		if revision != 0 && slices.Contains(record.Formerly, name) {
			l.renamed(name, journal.Entry{Record: record, Revision: revision})
			return errRenamed
		}
	}
	revision, err := l.config.Journal.Rename(ctx, old, entry)
	if err != nil {
		l.notRenamed(h, err)
		return err
	}
	l.renamed(name, journal.Entry{Record: entry.Record, Revision: revision})
	return errRenamed
}

// free reports whether no machine has a name. The caller holds the lock.
func (l *Loop) free(name string) bool {
	h := l.hosts[name]
	return h == nil || h.heir == nil && h.lost == nil && h.record.Fresh()
}

func (l *Loop) notRenamed(h *host, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, journal.ErrConflict) {
		h.renaming, h.doubtful = "", true // nothing was written
	}
	l.disowned(err)
}

// renamed makes of a host what the journal says it is now. The former name is forgotten, or another machine's.
func (l *Loop) renamed(former string, entry journal.Entry) {
	name := entry.Record.Host
	l.mu.Lock()
	h := l.hosts[former]
	h.record, h.revision, h.renaming = entry.Record, entry.Revision, ""
	h.desired.Name, h.desired.Becomes = name, ""
	delete(l.hosts, former)
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
	known := l.hosts[former] != nil
	l.summarizeFleet()
	l.mu.Unlock()
	l.config.Executor.Forget(former)
	if known {
		l.queue.Add(former, l.config.Now())
	}
	l.queue.Add(name, l.config.Now())
	l.news.Tell(former)
	l.news.Tell(name)
}
