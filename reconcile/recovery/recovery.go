// Package recovery is what a daemon knows when it starts: the journal's records, and from the status branch whatever the journal does not have, or has older,
// as after its loss, or after a copy of it was put back. KnowsMore says which is older.
package recovery

import (
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Host is what is known of one host.
type Host struct {
	Record   inventory.Record // with the reason where it cannot be read, which is not the same as a new host
	Revision int64            // in the journal; 0: it is not there
	Document status.Document  // on its page
	Page     []byte           // as the publisher was given it; nil when there is none, or none that is believed

	inJournal inventory.Record
}

// Unrecorded reports whether the journal does not have what is known: the record must be written there before
// anything is decided.
func (h Host) Unrecorded() bool {
	return h.Record.Unreadable == "" && !journal.Same(h.Record, h.inJournal)
}

// Memory is all that is known.
type State struct {
	Hosts   map[inventory.MachineID]Host
	Files   map[string][]byte // pages of the whole fleet, by path
	Commits []status.Commit   // accepted before; like Acts for people only
	Acts    []status.Act      // of operators
	Unknown format.Unknown    // what a newer ingot wrote on the fleet's page
	Rebuilt int               // records that are from the status branch
	Refused map[string]error  // why a page is not believed, by path
	Life    uint64            // the highest number of a life
}

// RestoreState puts the journal's records and the files of the status branch together.
func RestoreState(entries []journal.Entry, files map[string]status.File) State {
	m := State{Hosts: map[inventory.MachineID]Host{}, Files: map[string][]byte{}, Refused: map[string]error{}}
	for _, e := range entries {
		m.Hosts[e.Record.ID] = Host{Record: e.Record, Revision: e.Revision, inJournal: e.Record}
		m.Life = max(m.Life, e.Record.Life.Number)
	}
	for name, file := range files {
		if status.IsHost(name) {
			m.addHostPage(name, file)
		} else {
			m.addFleetPage(name, file)
		}
	}
	return m
}

// addHostPage takes over what a page says since when, and its record where the journal has none, or one that knows less. A consent that a page has spent stays spent.
//
//	the journal has              the page                    what counts
//	a record that is readable    is readable                 the one that knows more, with what must be kept of both
//	a record that is readable    is not readable             the journal's record; the page is written again
//	none                         is readable                 the page's record
//	none                         is not readable             nothing is known: the record is not readable
//	a record that is not         any                         nothing is known; epoch and spent consents of both remain,
//	                                                         and what the page says of the hardware
func (m *State) addHostPage(name string, file status.File) {
	document, err := status.Document{}, file.Forged
	if err == nil {
		document, err = status.Page(name, file.Content)
	}
	id := status.IDOf(name)
	h, known := m.Hosts[id]
	if !known {
		h.Record, h.inJournal = inventory.Record{ID: id}, inventory.Record{ID: id}
	}
	record := document.Record()
	if err != nil {
		m.Refused[name], record = err, status.Remains(name, file.Bytes)
	}
	m.Life = max(m.Life, record.Life.Number)
	switch {
	case h.Record.Unreadable != "": // the journal may have known more: the page stays
		h.Record = keepRemains(h.Record, plan.Forget(record))
		h.Record.Facts = record.Facts // other machines may see the disks
	case err != nil && known:
	case err != nil:
		h.Record = record
		h.Record.Unreadable = fmt.Sprintf("page %s on the status branch is not readable: %v: "+
			"restore the page and restart", name, err)
	default:
		m.mergePage(&h, record)
		h.Document, h.Page = document, file.Content
	}
	m.Hosts[id] = h
}

// mergePage has a host know what its page and the journal know.
func (m *State) mergePage(h *Host, page inventory.Record) {
	taken := h.Revision == 0 || KnowsMore(page, h.Record) != ""
	if h.Revision > 0 {
		h.Record = mergeRecords(page, h.Record)
	} else {
		h.Record = page
	}
	if taken && !page.Fresh() {
		h.Record = h.Record.RecoveredFrom(page)
		m.Rebuilt++
	}
}

// keepRemains is a record that cannot be read, with what must not be lost of its page.
func keepRemains(record, page inventory.Record) inventory.Record {
	record.Epoch, record.Revision = max(record.Epoch, page.Epoch), max(record.Revision, page.Revision)
	for _, consent := range page.Spent {
		if !slices.Contains(record.Spent, consent) {
			record.Spent = append([]string{consent}, record.Spent...)
		}
	}
	return record
}

// addFleetPage takes over which commits were accepted before, and what operators did; where they cannot be read, the lists begin anew.
func (m *State) addFleetPage(name string, file status.File) {
	if name != status.FleetPath {
		m.Files[name] = file.Content
		return
	}
	before, err := status.Fleet{}, file.Forged
	if err == nil {
		before, err = status.ParseFleet(file.Content)
	}
	if err != nil {
		m.Refused[name] = err
		return
	}
	m.Files[name], m.Commits, m.Acts, m.Unknown = file.Content, before.Commits, before.Acts, before.Unknown
}

// MergeRecord is what is known of a host when the journal's entry is read again, as after a write that was not answered;
// write says that it must be in the journal before anything is based on it: a journal that knows less of the host
// (KnowsMore) was lost or is an older one, and that takes nothing away.
func MergeRecord(known inventory.Record, entry journal.Entry) (record inventory.Record, write bool) {
	if entry.Record.Unreadable != "" {
		return entry.Record, false
	}
	record = mergeRecords(known, entry.Record)
	return record, !journal.Same(record, entry.Record)
}
