package journaltest

import (
	"context"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// testLost: a write that never arrived changed nothing, and may be repeated.
func testLost(t *testing.T, s Subject) {
	s.failPut(t, Lost, newRecord("a", 1), 0)
	s.wantNone(t, "a")
	revision := s.putRecord(t, newRecord("a", 1), 0)
	s.failPut(t, Lost, newRecord("a", 2), revision)
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.putRecord(t, newRecord("a", 2), revision)
}

// testUnanswered: a write without an answer is stored, and its repetition is a conflict.
func testUnanswered(t *testing.T, s Subject) {
	s.failPut(t, Unanswered, newRecord("a", 1), 0)
	first := s.wantRecord(t, newRecord("a", 1))
	s.wantRefused(t, newRecord("a", 1), 0, journal.ErrConflict)
	s.failPut(t, Unanswered, newRecord("a", 2), first)
	s.wantRefused(t, newRecord("a", 2), first, journal.ErrConflict)
	if second := s.wantRecord(t, newRecord("a", 2)); second <= first {
		t.Errorf("a is at revision %d, want a later one than %d", second, first)
	}
}

// testUnansweredConflict: a write without an answer may have been refused.
func testUnansweredConflict(t *testing.T, s Subject) {
	revision := s.putRecord(t, newRecord("a", 1), 0)
	s.failPut(t, Unanswered, newRecord("a", 9), 0)
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
}

// testLate: a late write is missing at first and stored later. A write by the first read is then a conflict.
func testLate(t *testing.T, s Subject) {
	s.failPut(t, Late, newRecord("a", 1), 0)
	s.wantNone(t, "a")
	s.Writes.Arrive()
	first := s.wantRecord(t, newRecord("a", 1))
	s.wantRefused(t, newRecord("a", 9), 0, journal.ErrConflict)

	s.failPut(t, Late, newRecord("a", 2), first)
	s.wantRecord(t, newRecord("a", 1))
	s.Writes.Arrive()
	s.wantRefused(t, newRecord("a", 9), first, journal.ErrConflict)
	second := s.wantRecord(t, newRecord("a", 2))
	s.putRecord(t, newRecord("a", 3), second)
}

// testLateLoser: a late write loses against a write of the same revision, even of the same record.
func testLateLoser(t *testing.T, s Subject) {
	s.failPut(t, Late, newRecord("a", 9), 0)
	s.wantNone(t, "a")
	revision := s.putRecord(t, newRecord("a", 1), 0)
	s.Writes.Arrive()
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.failPut(t, Late, newRecord("a", 9), revision)
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	again := s.putRecord(t, newRecord("a", 1), revision)
	s.Writes.Arrive()
	if got := s.wantRecord(t, newRecord("a", 1)); got != again {
		t.Errorf("a is at revision %d, want %d", got, again)
	}
}

// testLateOrder: among late writes of one revision the first arrival counts; machines do not wait for each other.
func testLateOrder(t *testing.T, s Subject) {
	for _, record := range []inventory.Record{newRecord("a", 1), newRecord("a", 2), newRecord("b", 3)} {
		s.failPut(t, Late, record, 0)
	}
	s.putRecord(t, newRecord("c", 4), 0)
	s.Writes.Arrive()
	for _, record := range []inventory.Record{newRecord("a", 1), newRecord("b", 3), newRecord("c", 4)} {
		s.wantRecord(t, record)
	}
}

// testLateAfterOwner: a late write of the previous owner changes nothing.
func testLateAfterOwner(t *testing.T, s Subject) {
	revision := s.putRecord(t, newRecord("a", 1), 0)
	s.failPut(t, Late, newRecord("a", 9), revision)
	s.failPut(t, Late, newRecord("b", 9), 0)
	s.failAccept(t, Late, "9")
	s.TakeOver(t)
	s.Writes.Arrive()
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.wantNone(t, "b")
	s.wantAccepted(t, "")
}

// testLateCommits: an accepted commit may be lost, unanswered or late; a late commit replaces no later commit.
func testLateCommits(t *testing.T, s Subject) {
	s.failAccept(t, Lost, "1")
	s.wantAccepted(t, "")
	s.failAccept(t, Late, "2")
	s.wantAccepted(t, "")
	s.Writes.Arrive()
	s.wantAccepted(t, "2")
	s.failAccept(t, Unanswered, "3")
	s.wantAccepted(t, "3")
	s.failAccept(t, Late, "4")
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "5"}); err != nil {
		t.Fatal(err)
	}
	s.Writes.Arrive()
	s.wantAccepted(t, "5")
}

// failAccept is failWrite for the accepted commit.
func (s Subject) failAccept(t *testing.T, fate Fate, commit string) {
	t.Helper()
	s.failWrite(t, fate,
		func(ctx context.Context) error { return s.Journal.Accept(ctx, journal.Accepted{Commit: commit}) })
}

func (s Subject) wantAccepted(t *testing.T, commit string) {
	t.Helper()
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != commit {
		t.Fatalf("Accepted = %+v, %v, want %q", got, err, commit)
	}
}
