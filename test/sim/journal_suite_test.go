package sim

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
)

// lockedJournal lets the suite call from several goroutines; a world has one.
type lockedJournal struct {
	mu *sync.Mutex
	*memoryJournal
}

// TestTheJournalIsAJournal runs the suite of the real journal.
func TestTheJournalIsAJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(*testing.T) journaltest.Subject {
		dir, mu := newStateDir(), &sync.Mutex{}
		writes := &journaltest.Writes{}
		j := &memoryJournal{dir: func() *stateDir { return dir }}
		j.carry = func(ctx context.Context, write func() (int64, error)) (int64, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			mu.Unlock()
			defer mu.Lock()
			return journaltest.Send(ctx, writes, func(context.Context) (int64, error) {
				mu.Lock()
				defer mu.Unlock()
				return write()
			})
		}
		return journaltest.Subject{
			Journal: lockedJournal{mu, j}, Writes: writes,
			WriteRaw: func(_ *testing.T, key, text string) {
				mu.Lock()
				defer mu.Unlock()
				dir.revision++
				if id, is := strings.CutPrefix(key, "records/"); is {
					dir.records[inventory.MachineID(id)] = value{[]byte(text), dir.revision}
					return
				}
				dir.others[key] = value{[]byte(text), dir.revision}
			},
			TakeOver: func(*testing.T) {
				mu.Lock()
				defer mu.Unlock()
				dir.fence++
			},
		}
	})
}

func (l lockedJournal) List(ctx context.Context) ([]journal.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.List(ctx)
}

func (l lockedJournal) Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.Get(ctx, id)
}

func (l lockedJournal) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.Put(ctx, record, revision)
}

func (l lockedJournal) Accepted(ctx context.Context) (journal.Accepted, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.Accepted(ctx)
}

func (l lockedJournal) Accept(ctx context.Context, accepted journal.Accepted) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.Accept(ctx, accepted)
}

func (l lockedJournal) LastLife(ctx context.Context) (journal.LastLife, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.LastLife(ctx)
}

func (l lockedJournal) KeepLife(ctx context.Context, last journal.LastLife) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memoryJournal.KeepLife(ctx, last)
}
