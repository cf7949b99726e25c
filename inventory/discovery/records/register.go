package records

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/format"
)

// Registered is a registration as the door received it.
type Registered struct {
	discovery.Registration
	// Had is the record that the caller's certificate names; "" without a certificate.
	Had discovery.ID
	// Report is the whole report that Registration.Inventory is the digest of.
	Report []byte
	// Max is how many records may ever be made with the enrolment key; 0: any number.
	Max int
}

// Register gives the record of a machine that registers, and writes its report. A machine for which there is no room, or
// whose enrolment key is used up, gets an ID that names no record: it cannot tell the difference.
func (s *Store) Register(g Registered, known *discovery.Known) (discovery.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := discovery.Identify(g.Shown(), s.index, known)
	if g.Shown().IsNameless() { // two of them cannot be told apart but by the agent
		m.Record = s.agents[g.Agent]
		m.Doubts = append(m.Doubts, "neither a serial with a UUID nor a MAC of a maker identifies the machine")
	}
	if m.Record == "" {
		if known.Has(g.Had.Machine()) {
			g.Had = "" // a host of the fleet has that name: nobody else gets it
		}
		return s.create(g, m)
	}
	r, err := s.get(m.Record)
	if err != nil {
		return "", err
	}
	return r.ID, s.saveReport(r.Register(g.Registration, m), r.Inventory, g.Report)
}

// create makes a record.
func (s *Store) create(g Registered, m discovery.Match) (discovery.ID, error) {
	id := g.Had
	if _, taken := s.heads[id]; id == "" || taken {
		id = s.config.NewID()
	}
	if len(s.heads) >= discovery.MaxRecords || g.Max > 0 && s.made[g.Key] >= g.Max && id != g.Had {
		s.refused[g.Key]++
		if n := s.refused[g.Key]; n&(n-1) == 0 { // the 1st, 2nd, 4th, 8th: a stranger does not fill the log
			s.config.Log.Warn("machines register in vain: there is no room, or their enrolment key is used up", "key", g.Key,
				"from", g.From, "machines", n, "records", len(s.heads))
		}
		if len(s.vain) >= discovery.MaxRecords {
			clear(s.vain)
		}
		s.vain[id] = true
		return id, nil
	}
	s.made[g.Key]++
	delete(s.vain, id)
	if err := s.writeCounts(); err != nil {
		return "", err
	}
	s.config.Log.Info("an unknown machine registered", "record", id, "key", g.Key, "from", g.From)
	return id, s.saveReport(discovery.New(id, g.Registration, m), "", g.Report)
}

// saveReport saves a record with the report that it names, if it took that of the registration, and drops the report of
// before.
func (s *Store) saveReport(r discovery.Record, before string, report []byte) error {
	took := r.Inventory != before
	if took {
		if err := s.writeInventory(r.Inventory, report); err != nil {
			return err
		}
	}
	if err := s.save(r, unsynced); err != nil {
		return err
	}
	if took {
		return s.dropInventory(before)
	}
	return nil
}

// Hear takes the word of a waiting agent, by its key, and gives the record without its facts. The error is ErrUnknown
// without a record.
func (s *Store) Hear(id discovery.ID, word discovery.Word) (discovery.Record, discovery.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, known := s.heads[id]
	switch {
	case !known && s.vain[id]:
		return discovery.Record{}, discovery.Wait, nil
	case !known:
		return discovery.Record{}, discovery.RegisterAgain, ErrUnknown
	}
	next, answer := h.Hear(word)
	if len(next.Conflicts) == len(h.Conflicts) && next.LastWord.Sub(h.saved) < saveWordEvery {
		s.heads[id] = head{next, h.saved}
		return next, answer, nil
	}
	r, err := s.get(id)
	if err != nil {
		return discovery.Record{}, answer, err
	}
	r, answer = r.Hear(word)
	return next, answer, s.save(r, unsynced)
}

// Judge finds anew what speaks against each record: the fleet may have got a machine since, or lost one.
func (s *Store) Judge(known *discovery.Known, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	for id, h := range s.heads {
		m := discovery.Identify(h.Shown(), s.index, known)
		if m.Record != id || sameConflicts(h.Conflicts, h.Judge(m, now).Conflicts) {
			continue
		}
		r, err := s.get(id)
		if err == nil {
			err = s.save(r.Judge(discovery.Identify(r.Shown(), s.index, known), now), unsynced)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// sameConflicts reports whether two lists name the same conflicts.
func sameConflicts(a, b []discovery.Conflict) bool {
	return slices.EqualFunc(a, b, func(x, y discovery.Conflict) bool {
		return x.Kind == y.Kind && x.Host == y.Host && x.Record == y.Record
	})
}

// counts is the file of how many records were made.
type counts struct {
	Made    map[string]int `json:"made"`
	Unknown format.Unknown `json:"-"`
}

func (s *Store) countsFile() string { return filepath.Join(s.config.Dir, "keys.counts") }

func (s *Store) readCounts() error {
	data, err := readSmall(s.countsFile(), maxRecord)
	if err != nil || data == nil {
		return err
	}
	var c counts
	if err := format.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%s: %w: remove it, the enrolment keys are counted anew then", s.countsFile(), err)
	}
	if c.Made != nil {
		s.made = c.Made
	}
	return nil
}

func (s *Store) writeCounts() error {
	data, err := format.Marshal(counts{Made: s.made})
	if err != nil {
		return err
	}
	return replaceFile(s.countsFile(), data, unsynced)
}
