// Package journaltest is what every journal of the loop must do, as a test: the adapter on etcd and the fake of the
// loop's own tests pass the same suite. Call Run from a test, with a function that opens a journal of the kind in
// question. Writes makes a journal fail as a network does; tests of the loop use it too.
//
// Only tests import this package.
package journaltest

import (
	"context"
	"errors"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// Journal is the loop's port of the same name.
type Journal interface {
	List(ctx context.Context) ([]journal.Entry, error)
	Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error)
	Put(ctx context.Context, record inventory.Record, revision int64) (int64, error)
	Accepted(ctx context.Context) (journal.Accepted, error)
	Accept(ctx context.Context, accepted journal.Accepted) error
}

// Subject is an open and empty journal whose only writer is the daemon that opened it.
type Subject struct {
	Journal Journal
	// Writes is what the writes of records and of the accepted commit go through.
	Writes *Writes
	// WriteRaw stores a value past every check. The key is "accepted", or "records/" and an id.
	WriteRaw func(t *testing.T, key, value string)
	// TakeOver has another daemon own the journal, for ever.
	TakeOver func(t *testing.T)
}

// Run runs the suite. Each case opens a journal of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"what is not there":            absent,
		"compare and swap":             swap,
		"a list is what was put":       list,
		"a record is a value":          value,
		"ids that look like paths":     paths,
		"records of the largest size":  largest,
		"records that name no machine": nameless,
		"unreadable records":           unreadable,
		"newer records":                newer,
		"members that are not known":   unknown,
		"the accepted commit":          accepted,
		"unreadable accepted commits":  unreadableCommits,
		"another owner":                another,
		"a call that is over":          over,
		"a write that never arrives":   lost,
		"a write without an answer":    unanswered,
		"a conflict without an answer": unansweredConflict,
		"a late write":                 late,
		"a late write that lost":       lateLoser,
		"late writes in their order":   lateOnes,
		"a late write of the past":     lateOfThePast,
		"late accepted commits":        lateCommits,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// want asserts which record is there and gives its revision.
func (s Subject) want(t *testing.T, want inventory.Record) int64 {
	t.Helper()
	got, revision, err := s.Journal.Get(t.Context(), want.ID)
	if err != nil || !journal.Same(got, want) {
		t.Fatalf("Get(%q) = %+v, %v, want %+v", want.ID, got, err, want)
	}
	return revision
}

// wantNone asserts that there is no record.
func (s Subject) wantNone(t *testing.T, id inventory.MachineID) {
	t.Helper()
	if revision := s.want(t, inventory.Record{ID: id}); revision != 0 {
		t.Fatalf("Get(%q) gives revision %d, want 0", id, revision)
	}
	entries, err := s.Journal.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Record.ID == id {
			t.Fatalf("List has %+v", e)
		}
	}
}

// put writes a record and gives its new revision.
func (s Subject) put(t *testing.T, record inventory.Record, revision int64) int64 {
	t.Helper()
	written, err := s.Journal.Put(t.Context(), record, revision)
	if err != nil || written <= revision {
		t.Fatalf("Put(%q) at %d = %d, %v, want a later revision", record.ID, revision, written, err)
	}
	return written
}

// refused asserts that a record is not written, for the reason given.
func (s Subject) refused(t *testing.T, record inventory.Record, revision int64, why error) {
	t.Helper()
	if _, err := s.Journal.Put(t.Context(), record, revision); !errors.Is(err, why) {
		t.Fatalf("Put(%q) at %d = %v, want %v", record.ID, revision, err, why)
	}
}

// fails has a write meet a fate. Its error must leave open whether it was done.
func (s Subject) fails(t *testing.T, fate Fate, write func(ctx context.Context) error) {
	t.Helper()
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	decided, ended := s.Writes.Next(fate), make(chan error, 1)
	go func() { ended <- write(ctx) }()
	select {
	case <-decided:
		giveUp()
	case err := <-ended:
		t.Fatalf("a write that %s was not sent: %v", fate, err)
	}
	if err := <-ended; err == nil || errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrNotOwner) {
		t.Fatalf("a write that %s = %v, want an error that leaves open whether it was done", fate, err)
	}
}

// failsPut is fails for a record.
func (s Subject) failsPut(t *testing.T, fate Fate, record inventory.Record, revision int64) {
	t.Helper()
	s.fails(t, fate, func(ctx context.Context) error {
		_, err := s.Journal.Put(ctx, record, revision)
		return err
	})
}

// at is a record of a machine at an epoch.
func at(id inventory.MachineID, epoch inventory.Epoch) inventory.Record {
	return inventory.Record{ID: id, Epoch: epoch}
}
