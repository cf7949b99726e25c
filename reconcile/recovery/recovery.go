// Package recovery restores what a daemon knows at its start: the journal's records, and from the status branch what
// the journal lost or has older, as after the loss of the journal or the return of an old copy. Call RestoreState
// first, and MergeRecord when one record is read again; WhyNewer says which of two records is newer. Do not decide
// anything before every Host with Unrecorded is in the journal.
package recovery

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Host is the restored knowledge of one host.
type Host struct {
	Record   inventory.Record // an unreadable record has Unreadable set, unlike a new host
	Revision int64            // of the journal's record; 0: the journal has no record
	Document status.Document  // of the host's page
	Page     []byte           // bytes of the page; nil without a page, or with a refused page

	inJournal inventory.Record
	hasPage   bool // the branch has a page, whether or not it is readable
}

// Unrecorded reports whether the journal lacks the record: write the record into the journal before the first
// decision.
func (h *Host) Unrecorded() bool {
	switch {
	case !h.hasPage, h.Record.Unreadable != "", reflect.DeepEqual(&h.Record, &h.inJournal): // most records: nothing is encoded
		return false
	default:
		return !journal.Same(h.Record, h.inJournal)
	}
}

// State is the restored knowledge of all hosts and of the fleet.
type State struct {
	Hosts   map[inventory.MachineID]*Host
	Files   map[string][]byte // pages of the whole fleet, by path
	Fleet   status.Fleet      // the fleet's page; without Kind, the branch has none
	Rebuilt int               // number of records from the status branch
	Refused map[string]error  // why a page was refused, by path
	Life    uint64            // the highest known life number
	Pages   int               // number of hosts' pages, readable or not
}

// RestoreState combines the journal's records with the files of the status branch.
func RestoreState(entries []journal.Entry, files map[string]status.File) State {
	m := State{Hosts: make(map[inventory.MachineID]*Host, max(len(entries), len(files))), Files: map[string][]byte{}, Refused: map[string]error{}}
	for _, e := range entries {
		m.Hosts[e.Record.ID] = &Host{Record: e.Record, Revision: e.Revision, inJournal: e.Record}
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

// addHostPage combines a host's page with the journal's record. A consent that the page has spent stays spent.
//
//	the journal has              the page                    result
//	a readable record            is readable                 the newer record, see mergeRecords
//	a readable record            is not readable             the journal's record; the page is written again
//	no record                    is readable                 the page's record
//	no record                    is not readable             an unreadable record
//	an unreadable record         is any page                 an unreadable record with epoch and spent consents of
//	                                                         both, and the page's facts of the hardware
func (m *State) addHostPage(name string, file status.File) {
	document, err := status.Document{}, file.Forged
	if err == nil {
		document, err = status.Page(name, file.Content)
	}
	m.Pages++
	id := status.IDOf(name)
	h, known := m.Hosts[id]
	if !known {
		h = &Host{Record: inventory.Record{ID: id}, inJournal: inventory.Record{ID: id}}
		m.Hosts[id] = h
	}
	h.hasPage = true
	record := document.Record()
	if err != nil {
		m.Refused[name], record = err, status.Remains(name, file.Bytes)
	}
	m.Life = max(m.Life, record.Life.Number)
	switch {
	case h.Record.Unreadable != "": // the journal may have known more: the page stays
		h.Record = keepRemains(h.Record, act.Forget(record))
		h.Record.Facts = record.Facts // other machines may see the disks
	case err != nil && known:
	case err != nil:
		h.Record = record
		h.Record.Unreadable = fmt.Sprintf("page %s on the status branch is not readable: %v: "+
			"restore the page and restart", name, err)
	default:
		m.mergePage(h, record)
		h.Document, h.Page = document, file.Content
	}
}

// mergePage combines the page's record with the record of a host.
func (m *State) mergePage(h *Host, page inventory.Record) {
	taken := h.Revision == 0 || WhyNewer(page, h.Record) != ""
	if h.Revision > 0 {
		h.Record = mergeRecords(page, h.Record)
	} else {
		h.Record = page
	}
	if taken && !page.Fresh() {
		page.Epoch = h.Record.Epoch // the journal's higher epoch is of a boot that the page does not know
		h.Record = h.Record.RecoveredFrom(page)
		m.Rebuilt++
	}
}

// keepRemains adds epoch, revision and spent consents of a page, or of the record known before, to an unreadable
// record.
func keepRemains(record, page inventory.Record) inventory.Record {
	record.Epoch, record.Revision = max(record.Epoch, page.Epoch), max(record.Revision, page.Revision)
	more := slices.DeleteFunc(slices.Clone(page.Spent), func(consent string) bool {
		return slices.Contains(record.Spent, consent)
	})
	if len(more) > 0 {
		record.Spent = slices.Concat(more, record.Spent)
	}
	return record
}

// addFleetPage takes the accepted commits and the acts of operators from the fleet's page. After an unreadable page
// the lists begin anew.
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
	m.Files[name], m.Fleet = file.Content, before
	if before.Daemon != nil {
		m.Life = max(m.Life, before.Daemon.Life.Number)
	}
}

// Refuse adds files that are not believed, with why, by path.
func (m *State) Refuse(files map[string]error) { maps.Copy(m.Refused, files) }

// IsNewer reports whether the branch knows more than the journal, whose last claimed life is given: a page is newer, or
// a life claimed the fleet that the journal does not know. The journal was lost, or is an old copy.
func (m *State) IsNewer(last inventory.Life) bool {
	return m.Fleet.Kind != "" && (m.Rebuilt > 0 || m.Fleet.Daemon != nil && m.Fleet.Daemon.Life.Number > last.Number)
}

// LostCommit reports whether the branch certainly had an accepted commit that cannot be read: the fleet's page is
// pushed no later than the first host's page.
func (m *State) LostCommit() bool {
	return m.Fleet.Kind == "" && (m.Pages > 0 || m.Refused[status.FleetPath] != nil)
}

// MergeRecord combines the known record of a host with the journal's entry after another read, as after a write
// without an answer. With write the result must go into the journal before the next decision: a journal that knows
// less (WhyNewer) was lost or is an old copy, and takes no knowledge away. An unreadable entry keeps only epoch and
// spent consents of both.
func MergeRecord(known inventory.Record, entry journal.Entry) (record inventory.Record, write bool) {
	if entry.Record.Unreadable != "" {
		return keepRemains(entry.Record, act.Forget(known)), false
	}
	record = mergeRecords(known, entry.Record)
	return record, !journal.Same(record, entry.Record)
}
