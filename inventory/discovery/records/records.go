// Package records keeps discovery records and the inventories of their machines in directories of the daemon. A lost
// directory loses no machine: each waiting agent registers again, and its certificate names the record that it had.
//
// Open gives a Store. Store.Register and Store.Hear take the words of agents; Store.Update is for everybody else who knows
// something of a record. Do not write into a record that Get or List gave.
package records

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/format"
)

// Config is what a Store needs. Dir and Inventories are required.
type Config struct {
	Dir         string // of the records
	Inventories string // of whole inventories, by digest
	NewID       func() discovery.ID
	// Notify is called with a record's ID after every change of the record but for the time of its last word. Notify must
	// not block.
	Notify func(discovery.ID)
	Log    *slog.Logger // default: nothing
}

// Store keeps records. Its methods are safe for concurrent use.
type Store struct {
	config  Config
	packer  *packer
	mu      sync.Mutex
	index   *discovery.Index
	heads   map[discovery.ID]head
	agents  map[string]discovery.ID // by key of the agent
	made    map[string]int          // records that were ever made with an enrolment key, by its id
	refused map[string]int          // machines that an enrolment key was no good for any more, since the start
	// vain are the IDs without a record that such machines were given, at most MaxRecords.
	vain map[discovery.ID]bool
}

// head is a record without its facts, which are on disk only.
type head struct {
	discovery.Record
	saved time.Time // LastWord on disk
}

// saveWordEvery is how old the LastWord on disk may be: a record is kept for days.
const saveWordEvery = time.Hour

// ErrUnknown says that there is no such record.
var ErrUnknown = errors.New("there is no such record: `ingot discovered list` shows them")

// Open reads all records. A record that cannot be read is left on disk, logged, and not counted.
func Open(c Config) (*Store, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Notify == nil {
		c.Notify = func(discovery.ID) {}
	}
	if c.NewID == nil {
		c.NewID = newID
	}
	for _, dir := range []string{c.Dir, c.Inventories} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("discovery records: %w", err)
		}
	}
	packer, err := newPacker()
	if err != nil {
		return nil, err
	}
	s := &Store{config: c, packer: packer, index: discovery.NewIndex(), heads: map[discovery.ID]head{},
		agents: map[string]discovery.ID{}, made: map[string]int{}, refused: map[string]int{}, vain: map[discovery.ID]bool{}}
	names, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("discovery records: %w", err)
	}
	for _, name := range names {
		id, is := strings.CutSuffix(name.Name(), recordSuffix)
		if !is || !discovery.IsID(id) {
			continue
		}
		r, err := s.read(discovery.ID(id))
		if err != nil {
			c.Log.Error("a discovery record is not used", "record", id, "error", err)
			continue
		}
		s.keep(r, r.LastWord)
	}
	return s, s.readCounts()
}

// keep puts a record into memory. The caller holds the lock, or is Open.
func (s *Store) keep(r discovery.Record, saved time.Time) {
	if old, was := s.heads[r.ID]; was {
		s.index.Remove(old.Record)
		s.dropAgents(old.Record)
	}
	r.Facts = nil
	s.heads[r.ID] = head{r, saved}
	s.index.Add(r)
	for _, agent := range []*discovery.Agent{r.Agent, r.Rival} {
		if agent != nil {
			s.agents[agent.Key] = r.ID
		}
	}
}

func (s *Store) dropAgents(r discovery.Record) {
	for _, agent := range []*discovery.Agent{r.Agent, r.Rival} {
		if agent != nil && s.agents[agent.Key] == r.ID {
			delete(s.agents, agent.Key)
		}
	}
}

// List gives all records without their facts, the newest registration first.
func (s *Store) List() []discovery.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]discovery.Record, 0, len(s.heads))
	for _, h := range s.heads {
		list = append(list, h.Record)
	}
	slices.SortFunc(list, func(a, b discovery.Record) int {
		return cmp.Or(b.Registered.Compare(a.Registered), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Get gives one record with its facts. The error is ErrUnknown without a record.
func (s *Store) Get(id discovery.ID) (discovery.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(id)
}

// get is Get for a caller that holds the lock. LastWord on disk may be older.
func (s *Store) get(id discovery.ID) (discovery.Record, error) {
	h, known := s.heads[id]
	if !known {
		return discovery.Record{}, ErrUnknown
	}
	r, err := s.read(id)
	if err != nil {
		return discovery.Record{}, err
	}
	r.LastWord = h.LastWord
	return r, nil
}

// Update changes a record; without an error the change is on the disk. An error of change leaves the record as it was.
// The error is ErrUnknown without a record.
func (s *Store) Update(id discovery.ID, change func(*discovery.Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.get(id)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	if r.ID != id {
		return fmt.Errorf("record %s cannot become record %s", id, r.ID)
	}
	return s.save(r, synced)
}

// Forget drops a record and, if no other record has it, its inventory.
func (s *Store) Forget(id discovery.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.heads[id]; !known {
		return ErrUnknown
	}
	return s.drop(id)
}

func (s *Store) drop(id discovery.ID) error {
	h := s.heads[id]
	if err := os.Remove(s.recordFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget record %s: %w", id, err)
	}
	s.index.Remove(h.Record)
	s.dropAgents(h.Record)
	delete(s.heads, id)
	s.config.Notify(id)
	return s.dropInventory(h.Inventory)
}

// Sweep drops records that have ended.
func (s *Store) Sweep(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	for id, h := range s.heads {
		if h.HasEnded(now) {
			s.config.Log.Info("a discovery record ends: its machine has said nothing for a week", "record", id)
			failed = append(failed, s.drop(id))
		}
	}
	return errors.Join(failed...)
}

// Count is how many records there are.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heads)
}

// Refused are the machines since the start for which an enrolment key, or the room for records, was used up: by the id of
// the key.
func (s *Store) Refused() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

const recordSuffix = ".json"

func (s *Store) recordFile(id discovery.ID) string {
	return filepath.Join(s.config.Dir, string(id)+recordSuffix)
}

// maxRecord is the largest record that is read, in bytes.
const maxRecord = 1 << 20

func (s *Store) read(id discovery.ID) (discovery.Record, error) {
	data, err := readSmall(s.recordFile(id), maxRecord)
	if err != nil {
		return discovery.Record{}, fmt.Errorf("record %s: %w", id, err)
	}
	var r discovery.Record
	if err := format.Unmarshal(data, &r); err != nil {
		return discovery.Record{}, fmt.Errorf("record %s is not readable: %w: forget it, its machine registers again", id, err)
	}
	if r.ID != id {
		return discovery.Record{}, fmt.Errorf("record %s is not readable: it calls itself %q", id, r.ID)
	}
	return r, nil
}

// save writes a record to disk, and keeps it then.
func (s *Store) save(r discovery.Record, how durability) error {
	data, err := format.Marshal(r)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.ID, err)
	}
	if err := replaceFile(s.recordFile(r.ID), data, how); err != nil {
		return fmt.Errorf("record %s: %w", r.ID, err)
	}
	s.keep(r, r.LastWord)
	s.config.Notify(r.ID)
	return nil
}
