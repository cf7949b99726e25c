package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// stateDir is the state directory of a daemon: what survives the process. A copy is a backup.
type stateDir struct {
	records   map[inventory.MachineID]value
	documents map[string]value // of the hub, by host
	others    map[string]value // accepted commit, tags, and documents of other parts
	revision  int64
	fence     int // counts the owners
}

type value struct {
	bytes    []byte
	revision int64
}

func newStateDir() *stateDir {
	return &stateDir{records: map[inventory.MachineID]value{}, documents: map[string]value{}, others: map[string]value{}}
}

// copyDir is a backup of the directory, or the directory that comes back from one.
func (s *stateDir) copyDir() *stateDir {
	next := *s
	next.records, next.documents, next.others = maps.Clone(s.records), maps.Clone(s.documents), maps.Clone(s.others)
	return &next
}

// memoryJournal is the journal of one process over a state directory. It passes the suite of the real journal.
type memoryJournal struct {
	dir   func() *stateDir
	fence int
	p     *process // nil in the suite
	carry func(ctx context.Context, write func() (int64, error)) (int64, error)
}

// errLost is what a daemon hears of a write without an answer.
var errLost = errors.New("etcdserver: request timed out")

// List implements reconcile.Records.
func (j *memoryJournal) List(ctx context.Context) ([]journal.Entry, error) {
	if err := j.mayRead(ctx); err != nil {
		return nil, fmt.Errorf("list the records: %w", err)
	}
	dir := j.dir()
	var entries []journal.Entry
	for _, id := range slices.Sorted(maps.Keys(dir.records)) {
		v := dir.records[id]
		entries = append(entries, journal.Entry{Record: journal.ReadRecord(id, v.bytes), Revision: v.revision})
	}
	return entries, nil
}

// Get implements reconcile.Records.
func (j *memoryJournal) Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	if err := j.mayRead(ctx); err != nil {
		return inventory.Record{}, 0, fmt.Errorf("read the record of %s: %w", id, err)
	}
	v, there := j.dir().records[id]
	if !there {
		return inventory.Record{ID: id}, 0, nil
	}
	return journal.ReadRecord(id, v.bytes), v.revision, nil
}

// Put implements reconcile.Records.
func (j *memoryJournal) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	switch {
	case record.ID == "":
		return 0, errors.New("write a record: it names no host")
	case record.Unreadable != "":
		return 0, fmt.Errorf("write the record of %s: it is not known", record.ID)
	}
	data, err := journal.Encode(record)
	if err == nil && len(data) > journal.MaxValue {
		err = fmt.Errorf("%d bytes are more than the journal takes", len(data))
	}
	var written int64
	if err == nil {
		written, err = j.carry(ctx, func() (int64, error) {
			return swap(j, j.dir().records, record.ID, value{data, revision})
		})
	}
	if err != nil {
		return 0, fmt.Errorf("write the record of %s: %w", record.ID, err)
	}
	if j.p != nil {
		j.p.meetWrite()
	}
	return written, nil
}

// swap replaces a value whose revision is known, where it arrives.
func swap[K comparable](j *memoryJournal, values map[K]value, key K, next value) (int64, error) {
	dir := j.dir()
	switch {
	case j.fence != dir.fence:
		return 0, journal.ErrNotOwner
	case values[key].revision != next.revision:
		return 0, journal.ErrConflict
	}
	dir.revision++
	next.revision = dir.revision
	values[key] = next
	return dir.revision, nil
}

// Accepted implements reconcile.Commits.
func (j *memoryJournal) Accepted(ctx context.Context) (journal.Accepted, error) {
	if err := j.mayRead(ctx); err != nil {
		return journal.Accepted{}, fmt.Errorf("read the accepted commit: %w", err)
	}
	v, there := j.dir().others["accepted"]
	if !there {
		return journal.Accepted{}, nil
	}
	return journal.DecodeAccepted(v.bytes)
}

// Accept implements reconcile.Commits.
func (j *memoryJournal) Accept(ctx context.Context, accepted journal.Accepted) error {
	before, err := j.Accepted(ctx)
	if err != nil {
		return fmt.Errorf("write the accepted commit: %w", err)
	}
	accepted.Unknown = before.Unknown.With(accepted.Unknown)
	revision := j.dir().others["accepted"].revision
	data, err := format.Marshal(accepted)
	if err == nil {
		_, err = j.carry(ctx, func() (int64, error) {
			return swap(j, j.dir().others, "accepted", value{data, revision})
		})
	}
	if err != nil {
		return fmt.Errorf("write the accepted commit: %w", err)
	}
	return nil
}

// LastLife implements reconcile.Lives.
func (j *memoryJournal) LastLife(ctx context.Context) (journal.LastLife, error) {
	if err := j.mayRead(ctx); err != nil {
		return journal.LastLife{}, fmt.Errorf("read the last life: %w", err)
	}
	v, there := j.dir().others["life"]
	if !there {
		return journal.LastLife{}, nil
	}
	return journal.DecodeLife(v.bytes)
}

// KeepLife implements reconcile.Lives.
func (j *memoryJournal) KeepLife(ctx context.Context, last journal.LastLife) error {
	before, err := j.LastLife(ctx)
	if err != nil {
		return fmt.Errorf("write the last life: %w", err)
	}
	last.Unknown = before.Unknown.With(last.Unknown)
	revision := j.dir().others["life"].revision
	data, err := format.Marshal(last)
	if err == nil {
		_, err = j.carry(ctx, func() (int64, error) {
			return swap(j, j.dir().others, "life", value{data, revision})
		})
	}
	if err != nil {
		return fmt.Errorf("write the last life: %w", err)
	}
	return nil
}

// mayRead fails where the journal does not answer.
func (j *memoryJournal) mayRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil || j.p == nil {
		return err
	}
	if err := j.p.call(); err != nil {
		return err
	}
	if j.p.w().meets(journalUnread, j.p.d.index) {
		j.p.pass(10 * time.Second)
		return errLost
	}
	return nil
}

// carryWrite carries a write of a daemon to its journal, as a network and a disk do.
func (j *memoryJournal) carryWrite(ctx context.Context, write func() (int64, error)) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := j.p
	if err := p.call(); err != nil {
		return 0, err
	}
	who, w := p.d.index, p.w()
	if p.crashes() { // before the write
		return 0, errDead
	}
	switch {
	case w.meets(journalLost, who):
		p.pass(10 * time.Second)
		return 0, errLost
	case w.meets(journalFull, who):
		return 0, errors.New("mvcc: database space exceeded")
	case w.meets(journalUnanswered, who):
		_, _ = write()
		p.pass(10 * time.Second)
		return 0, errLost
	case w.meets(journalLate, who):
		w.after(w.windows[journalLate][0].dice.between(time.Second, time.Minute), func() { _, _ = write() })
		p.pass(10 * time.Second)
		return 0, errLost
	}
	revision, err := write()
	if p.crashes() { // after the write
		return 0, errDead
	}
	return revision, err
}

// Load implements hub.Store.
func (j *memoryJournal) Load(_ context.Context, host string) ([]byte, error) {
	if err := j.p.call(); err != nil {
		return nil, err
	}
	if j.p.w().meets(journalUnread, j.p.d.index) {
		return nil, errLost
	}
	return j.dir().documents[host].bytes, nil
}

// Save implements hub.Store.
func (j *memoryJournal) Save(_ context.Context, host string, document []byte) error {
	p := j.p
	if err := p.call(); err != nil {
		return err
	}
	who, w := p.d.index, p.w()
	write := func() {
		dir := j.dir()
		if j.fence == dir.fence {
			dir.revision++
			dir.documents[host] = value{document, dir.revision}
		}
	}
	switch {
	case p.crashes():
		return errDead
	case w.meets(documentLost, who):
		return errLost
	case w.meets(documentUnanswered, who):
		write()
		return errLost
	}
	write()
	if p.crashes() {
		return errDead
	}
	if j.fence != j.dir().fence {
		return journal.ErrNotOwner
	}
	return nil
}

// LoadAges implements reconcile.Ages.
func (j *memoryJournal) LoadAges(ctx context.Context, id inventory.MachineID) ([]byte, error) {
	if err := j.mayRead(ctx); err != nil {
		return nil, err
	}
	return j.dir().others["ages/"+string(id)].bytes, nil
}

// SaveAges implements reconcile.Ages.
func (j *memoryJournal) SaveAges(ctx context.Context, id inventory.MachineID, document []byte) error {
	key := "ages/" + string(id)
	revision := j.dir().others[key].revision
	_, err := j.carry(ctx, func() (int64, error) { return swap(j, j.dir().others, key, value{document, revision}) })
	return err
}

// KeepTags keeps the seen tags.
func (j *memoryJournal) KeepTags(ctx context.Context, tags map[string]string) error {
	data, err := format.Marshal(tags)
	if err != nil {
		return err
	}
	revision := j.dir().others["tags"].revision
	_, err = j.carry(ctx, func() (int64, error) {
		return swap(j, j.dir().others, "tags", value{data, revision})
	})
	return err
}

// Tags gives the seen tags.
func (j *memoryJournal) Tags() map[string]string {
	tags := map[string]string{}
	if v, there := j.dir().others["tags"]; there {
		if err := format.Unmarshal(v.bytes, &tags); err != nil {
			panic(err)
		}
	}
	return tags
}

// ListBatches implements store.Documents.
func (j *memoryJournal) ListBatches(ctx context.Context) (map[string][]byte, error) {
	if err := j.mayRead(ctx); err != nil {
		return nil, err
	}
	documents := map[string][]byte{}
	for key, v := range j.dir().others {
		if path, is := strings.CutPrefix(key, "batches/"); is && v.bytes != nil {
			documents[path] = v.bytes
		}
	}
	return documents, nil
}

// SaveBatch implements store.Documents.
func (j *memoryJournal) SaveBatch(ctx context.Context, path string, document []byte) error {
	key := "batches/" + path
	revision := j.dir().others[key].revision
	_, err := j.carry(ctx, func() (int64, error) { return swap(j, j.dir().others, key, value{document, revision}) })
	return err
}
