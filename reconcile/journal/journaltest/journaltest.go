// Package journaltest is the test suite of the loop's journals: the adapter on etcd and the fake of the loop's tests
// pass the same suite. Call Run from a test with a function that opens a journal. Writes lets writes fail as a network
// does; tests of the loop use Writes too. Only tests import this package.
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
	LastLife(ctx context.Context) (journal.LastLife, error)
	KeepLife(ctx context.Context, last journal.LastLife) error
}

// Subject is an open and empty journal whose only writer is the daemon that opened it.
type Subject struct {
	Journal Journal
	// Writes decides the fate of every write of records and of the accepted commit.
	Writes *Writes
	// WriteRaw stores a value past every check. The key is "accepted", or "records/" and an id.
	WriteRaw func(t *testing.T, key, value string)
	// TakeOver gives the journal to a second daemon for ever.
	TakeOver func(t *testing.T)
}

// Run runs the suite. Each case opens a fresh journal.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"what is not there":            testAbsent,
		"compare and swap":             testSwap,
		"a list is what was put":       testList,
		"a record is a value":          testValue,
		"ids that look like paths":     testPaths,
		"records of the largest size":  testLargest,
		"records that name no machine": testNameless,
		"unreadable records":           testUnreadable,
		"newer records":                testNewer,
		"members that are not known":   testUnknown,
		"the accepted commit":          testAccepted,
		"unreadable accepted commits":  testUnreadableCommits,
		"the last life":                testLastLife,
		"late last lives":              testLateLives,
		"another owner":                testAnotherOwner,
		"a call that is over":          testEndedCall,
		"a write that never arrives":   testLost,
		"a write without an answer":    testUnanswered,
		"a conflict without an answer": testUnansweredConflict,
		"a late write":                 testLate,
		"a late write that lost":       testLateLoser,
		"late writes in their order":   testLateOrder,
		"a late write of the past":     testLateAfterOwner,
		"late accepted commits":        testLateCommits,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Documents are the journal's documents of agents, as the hub keeps them.
type Documents interface {
	Load(ctx context.Context, host string) ([]byte, error)
	Save(ctx context.Context, host string, document []byte) error
}

// RunDocuments runs the suite of the agents' documents. The Subject's Journal has them, and Writes decides their fates
// too.
func RunDocuments(t *testing.T, open func(t *testing.T) (Subject, Documents)) {
	t.Helper()
	s, documents := open(t)
	save := func(ctx context.Context, document string) error { return documents.Save(ctx, "a", []byte(document)) }
	want := func(document string) {
		t.Helper()
		if got, err := documents.Load(t.Context(), "a"); err != nil || string(got) != document {
			t.Fatalf("Load = %q, %v, want %q", got, err, document)
		}
	}
	fail := func(fate Fate, document string) {
		t.Helper()
		s.failWrite(t, fate, func(ctx context.Context) error { return save(ctx, document) })
	}
	fail(Lost, "1")
	want("")
	fail(Unanswered, "2")
	want("2")
	fail(Late, "3")
	if err := save(t.Context(), "4"); err != nil {
		t.Fatal(err)
	}
	s.Writes.Arrive()
	want("4")
	fail(Late, "5")
	s.TakeOver(t)
	s.Writes.Arrive()
	want("4")
}

// wantRecord asserts the stored record and gives its revision.
func (s Subject) wantRecord(t *testing.T, want inventory.Record) int64 {
	t.Helper()
	got, revision, err := s.Journal.Get(t.Context(), want.ID)
	if err != nil || !journal.Same(got, want) {
		t.Fatalf("Get(%q) = %+v, %v, want %+v", want.ID, got, err, want)
	}
	return revision
}

// wantNone asserts that the journal has no record.
func (s Subject) wantNone(t *testing.T, id inventory.MachineID) {
	t.Helper()
	if revision := s.wantRecord(t, inventory.Record{ID: id}); revision != 0 {
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

// putRecord writes a record and gives the new revision.
func (s Subject) putRecord(t *testing.T, record inventory.Record, revision int64) int64 {
	t.Helper()
	written, err := s.Journal.Put(t.Context(), record, revision)
	if err != nil || written <= revision {
		t.Fatalf("Put(%q) at %d = %d, %v, want a later revision", record.ID, revision, written, err)
	}
	return written
}

// wantRefused asserts that a write is refused with an error.
func (s Subject) wantRefused(t *testing.T, record inventory.Record, revision int64, why error) {
	t.Helper()
	if _, err := s.Journal.Put(t.Context(), record, revision); !errors.Is(err, why) {
		t.Fatalf("Put(%q) at %d = %v, want %v", record.ID, revision, err, why)
	}
}

// failWrite lets a write meet a fate. The write's error must leave open whether the journal was changed.
func (s Subject) failWrite(t *testing.T, fate Fate, write func(ctx context.Context) error) {
	t.Helper()
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	decided, ended := s.Writes.SetFates(fate), make(chan error, 1)
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

// failPut is failWrite for a record.
func (s Subject) failPut(t *testing.T, fate Fate, record inventory.Record, revision int64) {
	t.Helper()
	s.failWrite(t, fate, func(ctx context.Context) error {
		_, err := s.Journal.Put(ctx, record, revision)
		return err
	})
}

// newRecord makes a record of a machine at an epoch.
func newRecord(id inventory.MachineID, epoch inventory.Epoch) inventory.Record {
	return inventory.Record{ID: id, Epoch: epoch}
}
