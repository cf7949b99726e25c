package inventory

import (
	"github.com/gitmetal/ingot/inventory/format"
)

// Life is one start of a daemon.
type Life struct {
	Number uint64 `json:"number"` // greater than the number of every life known at the start
	ID     string `json:"id"`     // random
}

// Recovered names the page of the status branch that a record was read from. The record up to the page's epoch is
// hearsay, because the page may be older than the last events. Parts with a later epoch are first-hand.
type Recovered struct {
	Epoch    Epoch  `json:"epoch"`
	Life     Life   `json:"life,omitzero"`
	Revision uint64 `json:"revision,omitempty"`
	// UnderWay is the page's Record.UnderWay, until the machine itself reports the operation or boot; "" when the
	// machine has nothing to prove.
	UnderWay string `json:"underWay,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// RecoveredFrom is the record after it was read from a page of the given record.
func (r Record) RecoveredFrom(page Record) Record {
	r.Recovered = &Recovered{Epoch: page.Epoch, Life: page.Life, Revision: page.Revision, UnderWay: r.UnderWay()}
	return r
}

// Unproved reports whether the operation or boot under way is known only from a page, without a report of the machine:
// it may have ended long ago.
func (r Record) Unproved() bool {
	return r.Recovered != nil && r.Recovered.UnderWay != "" && r.Recovered.UnderWay == r.UnderWay()
}

// Proved is the record after the machine reported the operation or boot under way. The report does not prove earlier
// events.
func (r Record) Proved() Record {
	if r.Recovered != nil {
		proved := *r.Recovered
		proved.UnderWay = ""
		r.Recovered = &proved
	}
	return r
}

// HistoryUnknown reports whether the record may lack events of the machine. Then a consent over an unseen disk does not
// count.
func (r Record) HistoryUnknown() bool { return r.Recovered != nil || r.Forgotten != 0 }

// FromOlder is a record after its unknown members from earlier versions were read in their present meaning:
//
//	recalled   the machine has to prove the operation or boot under way
//	rebuilt    the record was read from a page, or a takeover dropped the knowledge
func (r Record) FromOlder() Record {
	recalled, rest := r.Unknown.Take("recalled")
	rebuilt, rest := rest.Take("rebuilt")
	r.Unknown = rest
	if r.Recovered != nil || recalled != "true" && rebuilt != "true" {
		return r
	}
	r.Recovered = &Recovered{Epoch: r.Epoch}
	if recalled == "true" {
		r.Recovered.UnderWay = r.UnderWay()
	}
	return r
}
