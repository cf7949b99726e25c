package records

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/inventory/format"
)

// Found is a Redfish service at an address that no host of the fleet has.
type Found struct {
	Address     string // IP address
	Fingerprint string // of the certificate at the first contact
	Doubts      []string
	At          time.Time
}

// Find gives the record of a machine that was found by its BMC: a record with the address, or a new record. The
// certificate of the first contact stays. The ID is "" where there is no room.
func (s *Store) Find(f Found) (id discovery.ID, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for known, h := range s.heads {
		if !slices.Contains(h.Addresses, f.Address) {
			continue
		}
		r, err := s.get(known)
		if err != nil {
			return known, false, err
		}
		if r.Agent == nil {
			r.LastWord = f.At
		}
		if r.Fingerprint == "" {
			r.Fingerprint = f.Fingerprint
		}
		return known, false, s.save(r, unsynced)
	}
	if len(s.heads) >= discovery.MaxRecords {
		return "", false, nil
	}
	r := discovery.Record{ID: s.config.NewID(), Registered: f.At, LastWord: f.At, Addresses: []string{f.Address},
		Fingerprint: f.Fingerprint, Doubts: f.Doubts}
	return r.ID, true, s.save(r, unsynced)
}

// Delivered is an expected machine as its BMC showed it after a login.
type Delivered struct {
	Delivery    string
	Address     string // of the BMC, as the Delivery has it
	Fingerprint string // of the certificate at the login
	BMC         inventory.BMCIdentity
	At          time.Time
}

// Deliver gives the record of an expected machine: the one of its agent, which registered before, or of a scan that found
// its address, or a new record. The ID is "" where there is no room.
func (s *Store) Deliver(d Delivered, known *discovery.Known) (id discovery.ID, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := discovery.Shown{Identity: inventory.Pinned{BMC: &d.BMC}, Addresses: []string{d.Address}}
	m := discovery.Identify(shown, s.index, known)
	for other, h := range s.heads {
		if m.Record == "" && h.Agent == nil && h.Identity.BMC == nil && slices.Contains(h.Addresses, d.Address) {
			m.Record = other
		}
	}
	r := discovery.Record{ID: m.Record, Registered: d.At, LastWord: d.At, Addresses: []string{d.Address}}
	switch {
	case m.Record != "":
		if r, err = s.get(m.Record); err != nil {
			return m.Record, false, err
		}
	case len(s.heads) >= discovery.MaxRecords:
		return "", false, nil
	default:
		r.ID, isNew = s.config.NewID(), true
	}
	r.Delivery, r.Fingerprint, r.Identity.BMC = d.Delivery, d.Fingerprint, &d.BMC
	r.Doubts = nil // those of a scan: somebody has logged in
	return r.ID, isNew, s.save(r.Judge(m, d.At), synced)
}

// AddRepair makes the record of a known machine that came back with another part. The ID is "" where there is no room.
func (s *Store) AddRepair(repaired *repair.Repair, now time.Time) (discovery.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heads) >= discovery.MaxRecords {
		return "", nil
	}
	r := discovery.Record{ID: s.config.NewID(), Registered: now, LastWord: now, Repair: repaired}
	return r.ID, s.save(r, synced)
}

// AddRotation adds the record of a Secret whose password is changed, with the ID that its proposal branch has. There is
// always room: the record has a password that a BMC may have.
func (s *Store) AddRotation(r discovery.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.heads[r.ID]; taken {
		return fmt.Errorf("record %s is another one's", r.ID)
	}
	return s.save(r, synced)
}

// AskAgainAfter is how long a range of addresses is not asked again.
const AskAgainAfter = time.Hour

// asked is the file of the ranges that were asked lately.
type asked struct {
	Ranges  map[string]time.Time `json:"ranges"`
	Unknown format.Unknown       `json:"-"`
}

// BeginScan notes that a range of addresses is asked now. The error says when a range that overlaps it, and was asked within
// the hour, may be asked again.
func (s *Store) BeginScan(prefix netip.Prefix, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.config.Dir, "ranges.asked")
	data, err := readSmall(path, maxRecord)
	if err != nil {
		return err
	}
	var before asked
	if data != nil {
		if err := format.Unmarshal(data, &before); err != nil {
			return fmt.Errorf("%s: %w: remove it", path, err)
		}
	}
	kept := map[string]time.Time{prefix.Masked().String(): now}
	for text, at := range before.Ranges {
		again := at.Add(AskAgainAfter)
		if !now.Before(again) {
			continue
		}
		if other, err := netip.ParsePrefix(text); err != nil || other.Overlaps(prefix) {
			return fmt.Errorf("%s was asked at %s: ask again after %s", text, at.UTC().Format("15:04"), again.UTC().Format("15:04 UTC"))
		}
		kept[text] = at
	}
	before.Ranges = kept
	if data, err = format.Marshal(before); err != nil {
		return err
	}
	return replaceFile(path, data, synced)
}
