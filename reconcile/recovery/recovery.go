// Package recovery is what a daemon knows when it starts: the journal's records, and from the status branch whatever the journal does not have, or has older,
// as after its loss, or after a copy of it was put back. KnowsMore says which is older.
package recovery

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Host is what is known of one host.
type Host struct {
	Record   inventory.Record
	Revision int64 // in the journal; 0: it is not there
	// Unwritten says that the record is from its page, and must be in the journal: that has none, or an older one. What is to be proved first is not: until the
	// machine speaks of it a person may delete the page.
	Unwritten bool
	// Lost says why its record cannot be read, be it the journal's or, where the journal has none, that of its page: nothing is known of the host, which is not
	// the same as a new host.
	Lost     error
	Document status.Document // on its page
	Page     []byte          // as the publisher was given it; nil when there is none, or none that is believed
}

// Memory is all that is known.
type Memory struct {
	Hosts   map[inventory.MachineID]Host
	Files   map[string][]byte // pages of the whole fleet, by path
	Commits []status.Commit   // accepted before; like Acts for people only
	Acts    []status.Act      // of operators
	Unknown format.Unknown    // what a newer ingot wrote on the fleet's page
	Rebuilt int               // records that are from the status branch
	Refused map[string]error  // why a page is not believed, by path
}

// Recall puts the journal's records and the pages of the status branch together. Genuine gives a page as the publisher was given it, if the publisher wrote
// it.
func Recall(entries []journal.Entry, pages map[string][]byte, genuine func(file string, page []byte) ([]byte, error)) Memory {
	m := Memory{Hosts: map[inventory.MachineID]Host{}, Files: map[string][]byte{}, Refused: map[string]error{}}
	for _, e := range entries {
		m.Hosts[e.Record.ID] = Host{Record: e.Record, Revision: e.Revision, Lost: e.Unreadable}
	}
	for file, page := range pages {
		if status.IsHost(file) {
			m.host(file, page, genuine)
		} else {
			m.fleet(file, page, genuine)
		}
	}
	return m
}

// host takes over what a page says since when, and its record where the journal has none, or one that knows less. A consent that a page has spent stays spent.
func (m *Memory) host(file string, page []byte, genuine func(string, []byte) ([]byte, error)) {
	content, err := genuine(file, page)
	var document status.Document
	if err == nil {
		document, err = status.Page(file, content)
	}
	id := status.IDOf(file)
	h, known := m.Hosts[id]
	if h.Lost != nil {
		return // what the page says may be older than what the journal has: it stays as it is
	}
	if err != nil {
		m.Refused[file] = err
		if !known { // else the page is just written again
			m.Hosts[id] = Host{Record: inventory.Record{ID: id},
				Lost: fmt.Errorf("its page %s on the status branch is not readable: %w: restore it, or delete it so that the host counts as never seen, with spec.consent.erase taken out of its file before, then restart", file, err)}
		}
		return
	}
	switch record := document.Record(); {
	case h.Revision == 0 || KnowsMore(record, h.Record) != "":
		if known {
			record = together(record, h.Record)
		}
		record.Recalled = !record.AtRest()
		record.Rebuilt = !record.Fresh() && record.Installed == nil && record.Last == nil
		h.Record, h.Unwritten = record, !record.Fresh() && !record.Recalled
		m.Rebuilt++
	default:
		known := together(record, h.Record)
		h.Unwritten, h.Record = !journal.Same(known, h.Record), known
	}
	h.Document, h.Page = document, content
	m.Hosts[id] = h
}

// fleet takes over which commits were accepted before, and what operators did; where they cannot be read, the lists begin anew.
func (m *Memory) fleet(file string, page []byte, genuine func(string, []byte) ([]byte, error)) {
	if file != status.FleetPath {
		m.Files[file] = page
		return
	}
	content, err := genuine(file, page)
	var before status.Fleet
	if err == nil {
		before, err = status.ParseFleet(content)
	}
	if err != nil {
		m.Refused[file] = err
		return
	}
	m.Files[file], m.Commits, m.Acts, m.Unknown = content, before.Commits, before.Acts, before.Unknown
}

// Reread is what is known of a host when the journal's entry is read again, as after a write that was not answered; write says that it must be in the journal
// before anything is based on it, unless it is to be proved first. A journal that does not know the host, or knows less of it (KnowsMore), was lost or is an
// older one: that takes nothing away.
func Reread(known inventory.Record, entry journal.Entry) (record inventory.Record, write bool) {
	if lost := entry.Revision == 0 && !known.Fresh(); lost || KnowsMore(known, entry.Record) != "" {
		if !lost {
			known = together(known, entry.Record)
		}
		return known, !known.Recalled
	}
	record = together(known, entry.Record)
	return record, !journal.Same(record, entry.Record)
}
