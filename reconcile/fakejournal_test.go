package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
)

// journalTimeout is how long a call of the journal waits for an answer.
const journalTimeout = 10 * time.Second

// fakeJournal is a journal in memory. It passes the suite of the real one, and fails as a network does where writes
// says so. Tests read and set records and accepted while they hold mu.
type fakeJournal struct {
	mu       sync.Mutex
	records  map[inventory.MachineID]journal.Entry
	revision int64
	accepted journal.Accepted
	replaced int64 // the revision of accepted
	last     journal.LastLife
	lived    int64  // the revision of last
	spoiled  error  // why accepted cannot be read
	unread   error  // why no record can be read
	fence    int64  // counts the owners
	owner    error  // what writes say of ownership
	carry    effect // carries a write out
	writes   journaltest.Writes
	rival    func(inventory.Record) inventory.Record // writes the record of a write first, once
}

// effect carries something out, or kills the daemon before or after it.
type effect func(do func()) error

// own makes whoever writes from now on the owner: what was sent before does not arrive any more.
func (f *fakeJournal) own() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fence++
}

// List implements reconcile.Records.
func (f *fakeJournal) List(ctx context.Context) ([]journal.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list the records: %w", err)
	}
	entries := make([]journal.Entry, 0, len(f.records))
	for _, id := range slices.Sorted(maps.Keys(f.records)) {
		entries = append(entries, copyOf(f.records[id]))
	}
	return entries, nil
}

// Get implements reconcile.Records.
func (f *fakeJournal) Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.unread); err != nil {
		return inventory.Record{}, 0, fmt.Errorf("read the record of %s: %w", id, err)
	}
	switch e, there := f.records[id]; {
	case !there:
		return inventory.Record{ID: id}, 0, nil
	default:
		return copyOf(e).Record, e.Revision, nil
	}
}

// Put implements reconcile.Records.
func (f *fakeJournal) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	if record.ID == "" {
		return 0, errors.New("write a record: it names no host")
	}
	value, err := journal.Encode(record)
	if err == nil && len(value) > journal.MaxValue {
		err = fmt.Errorf("%d bytes are more than the journal takes", len(value))
	}
	var written int64
	if err == nil {
		written, err = f.write(ctx, func() (int64, error) { return f.swap(record.ID, value, revision) })
	}
	if err != nil {
		return 0, fmt.Errorf("write the record of %s: %w", record.ID, err)
	}
	return written, nil
}

// swap is a write of a record where it arrives. The caller holds the lock.
func (f *fakeJournal) swap(id inventory.MachineID, value []byte, revision int64) (int64, error) {
	if rival := f.rival; rival != nil {
		f.rival = nil
		before := f.records[id].Record
		before.ID = id
		f.revision++
		f.records[id] = journal.Entry{Record: rival(before), Revision: f.revision}
	}
	if f.records[id].Revision != revision {
		return 0, journal.ErrConflict
	}
	err := f.carry(func() { f.store(id, value) })
	return f.revision, err
}

// store puts bytes where a record is. The caller holds the lock.
func (f *fakeJournal) store(id inventory.MachineID, value []byte) {
	f.revision++
	f.records[id] = entryOf(id, value, f.revision)
}

// Accepted implements reconcile.Commits.
func (f *fakeJournal) Accepted(ctx context.Context) (journal.Accepted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.spoiled); err != nil {
		return journal.Accepted{}, err
	}
	return f.accepted, nil
}

// Accept implements reconcile.Commits.
func (f *fakeJournal) Accept(ctx context.Context, accepted journal.Accepted) error {
	before, err := f.Accepted(ctx)
	if err != nil {
		return err
	}
	accepted.Unknown = before.Unknown.With(accepted.Unknown)
	f.mu.Lock()
	replaces := f.replaced
	f.mu.Unlock()
	_, err = f.write(ctx, func() (int64, error) {
		if f.replaced != replaces {
			return 0, journal.ErrConflict
		}
		err := f.carry(func() {
			f.revision++
			f.accepted, f.replaced = accepted, f.revision
		})
		return f.revision, err
	})
	return err
}

// LastLife implements reconcile.Lives.
func (f *fakeJournal) LastLife(ctx context.Context) (journal.LastLife, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, ctx.Err()
}

// KeepLife implements reconcile.Lives.
func (f *fakeJournal) KeepLife(ctx context.Context, last journal.LastLife) error {
	f.mu.Lock()
	last.Unknown = f.last.Unknown.With(last.Unknown)
	replaces := f.lived
	f.mu.Unlock()
	_, err := f.write(ctx, func() (int64, error) {
		if f.lived != replaces {
			return 0, journal.ErrConflict
		}
		err := f.carry(func() {
			f.revision++
			f.last, f.lived = last, f.revision
		})
		return f.revision, err
	})
	return err
}

// write has a write meet its fate, and be carried out where it arrives while its sender owns the journal.
func (f *fakeJournal) write(ctx context.Context, arrives func() (int64, error)) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f.mu.Lock()
	mine := f.fence
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	return journaltest.Send(ctx, &f.writes, func(context.Context) (int64, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case f.fence != mine:
			return 0, journal.ErrNotOwner
		case f.owner != nil:
			return 0, f.owner
		default:
			return arrives()
		}
	})
}

// entryOf is what the journal says of a record's bytes.
func entryOf(id inventory.MachineID, value []byte, revision int64) journal.Entry {
	return journal.Entry{Record: journal.ReadRecord(id, value), Revision: revision}
}

// copyOf is an entry that shares nothing with another one.
func copyOf(e journal.Entry) journal.Entry {
	if e.Record.Unreadable != "" {
		return e
	}
	value, err := journal.Encode(e.Record)
	if err != nil {
		panic(err) // it was encoded before
	}
	return entryOf(e.Record.ID, value, e.Revision)
}

// The suite is for the loop's port.
var (
	_ reconcile.Journal   = journaltest.Journal(nil)
	_ journaltest.Journal = reconcile.Journal(nil)
)

// TestTheFakeJournalConforms runs the suite of the real journal on the one that the loop's tests use.
func TestTheFakeJournalConforms(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(*testing.T) journaltest.Subject {
		w := newWorld(0)
		return journaltest.Subject{
			Journal: w, Writes: &w.writes,
			WriteRaw: func(_ *testing.T, key, value string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if id, isRecord := strings.CutPrefix(key, "records/"); isRecord {
					w.store(inventory.MachineID(id), []byte(value))
					return
				}
				w.revision++
				w.replaced = w.revision
				w.accepted, w.spoiled = journal.DecodeAccepted([]byte(value))
			},
			TakeOver: func(*testing.T) {
				w.own()
				w.mu.Lock()
				defer w.mu.Unlock()
				w.owner = journal.ErrNotOwner
			},
		}
	})
}
