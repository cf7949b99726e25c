package inventory

import (
	"github.com/gitmetal/ingot/inventory/format"
)

// Life is one start of a daemon.
type Life struct {
	Number uint64 `json:"number"` // above the number of every life that the daemon knew of at its start
	ID     string `json:"id"`     // random
}

// Recovered says which page of the status branch a record was read from. What the record says up to the page's epoch
// is hearsay: the page may be older than what happened. What has a later epoch is first-hand.
type Recovered struct {
	Epoch    Epoch  `json:"epoch"`
	Life     Life   `json:"life,omitzero"`
	Revision uint64 `json:"revision,omitempty"`
	// UnderWay is what the page has under way (Record.UnderWay), until the machine itself speaks of it; "" when there
	// is nothing that the machine must prove.
	UnderWay string `json:"underWay,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// RecoveredFrom is the record as it counts after it was read from a page of the given record.
func (r Record) RecoveredFrom(page Record) Record {
	r.Recovered = &Recovered{Epoch: page.Epoch, Life: page.Life, Revision: page.Revision, UnderWay: r.UnderWay()}
	return r
}

// Unproved reports whether what is under way is known from a page alone, and the machine did not speak of it yet: it
// may have ended long ago.
func (r Record) Unproved() bool {
	return r.Recovered != nil && r.Recovered.UnderWay != "" && r.Recovered.UnderWay == r.UnderWay()
}

// Proved is the record after the machine spoke of what is under way. What was done to the machine before is not
// proved by it.
func (r Record) Proved() Record {
	if r.Recovered != nil {
		proved := *r.Recovered
		proved.UnderWay = ""
		r.Recovered = &proved
	}
	return r
}

// HistoryUnknown reports whether something may have been done to the machine that the record does not have: a consent
// over a disk that nobody looked at does not count then.
func (r Record) HistoryUnknown() bool { return r.Recovered != nil || r.Forgotten != 0 }

// FromOlder is a record whose members of earlier versions, which are among the unknown ones, were read as what they
// mean now:
//
//	recalled   what is under way is to be proved by the machine
//	rebuilt    the record was read from a page, or a takeover dropped what was known
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
