package journaltest

import (
	"context"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// lost: a write that never arrived changed nothing, and can be made again.
func lost(t *testing.T, s Subject) {
	s.failsPut(t, Lost, at("a", 1), 0)
	s.wantNone(t, "a")
	revision := s.put(t, at("a", 1), 0)
	s.failsPut(t, Lost, at("a", 2), revision)
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.put(t, at("a", 2), revision)
}

// unanswered: a write whose answer is lost is there, and whoever makes it again learns that by a conflict.
func unanswered(t *testing.T, s Subject) {
	s.failsPut(t, Unanswered, at("a", 1), 0)
	first := s.want(t, at("a", 1))
	s.refused(t, at("a", 1), 0, journal.ErrConflict)
	s.failsPut(t, Unanswered, at("a", 2), first)
	s.refused(t, at("a", 2), first, journal.ErrConflict)
	if second := s.want(t, at("a", 2)); second <= first {
		t.Errorf("a is at revision %d, want a later one than %d", second, first)
	}
}

// unansweredConflict: a write whose answer is lost may have been refused.
func unansweredConflict(t *testing.T, s Subject) {
	revision := s.put(t, at("a", 1), 0)
	s.failsPut(t, Unanswered, at("a", 9), 0)
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
}

// late: a write that was not there when somebody looked is there later. Whoever goes by that look meets a conflict.
func late(t *testing.T, s Subject) {
	s.failsPut(t, Late, at("a", 1), 0)
	s.wantNone(t, "a")
	s.Writes.Arrive()
	first := s.want(t, at("a", 1))
	s.refused(t, at("a", 9), 0, journal.ErrConflict)

	s.failsPut(t, Late, at("a", 2), first)
	s.want(t, at("a", 1))
	s.Writes.Arrive()
	s.refused(t, at("a", 9), first, journal.ErrConflict)
	second := s.want(t, at("a", 2))
	s.put(t, at("a", 3), second)
}

// lateLoser: a late write whose revision another write had meanwhile changes nothing, even where that wrote the same.
func lateLoser(t *testing.T, s Subject) {
	s.failsPut(t, Late, at("a", 9), 0)
	s.wantNone(t, "a")
	revision := s.put(t, at("a", 1), 0)
	s.Writes.Arrive()
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.failsPut(t, Late, at("a", 9), revision)
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	again := s.put(t, at("a", 1), revision)
	s.Writes.Arrive()
	if got := s.want(t, at("a", 1)); got != again {
		t.Errorf("a is at revision %d, want %d", got, again)
	}
}

// lateOnes: of late writes with one revision the first that arrives counts; machines do not wait for each other.
func lateOnes(t *testing.T, s Subject) {
	for _, record := range []inventory.Record{at("a", 1), at("a", 2), at("b", 3)} {
		s.failsPut(t, Late, record, 0)
	}
	s.put(t, at("c", 4), 0)
	s.Writes.Arrive()
	for _, record := range []inventory.Record{at("a", 1), at("b", 3), at("c", 4)} {
		s.want(t, record)
	}
}

// lateOfThePast: what a daemon wrote before another one owned the journal does not arrive any more.
func lateOfThePast(t *testing.T, s Subject) {
	revision := s.put(t, at("a", 1), 0)
	s.failsPut(t, Late, at("a", 9), revision)
	s.failsPut(t, Late, at("b", 9), 0)
	s.failsAccept(t, Late, "9")
	s.TakeOver(t)
	s.Writes.Arrive()
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.wantNone(t, "b")
	s.wantAccepted(t, "")
}

// lateCommits: an accepted commit may be lost, unanswered or late as a record may; a late one replaces no later one.
func lateCommits(t *testing.T, s Subject) {
	s.failsAccept(t, Lost, "1")
	s.wantAccepted(t, "")
	s.failsAccept(t, Late, "2")
	s.wantAccepted(t, "")
	s.Writes.Arrive()
	s.wantAccepted(t, "2")
	s.failsAccept(t, Unanswered, "3")
	s.wantAccepted(t, "3")
	s.failsAccept(t, Late, "4")
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "5"}); err != nil {
		t.Fatal(err)
	}
	s.Writes.Arrive()
	s.wantAccepted(t, "5")
}

// failsAccept is fails for the accepted commit.
func (s Subject) failsAccept(t *testing.T, fate Fate, commit string) {
	t.Helper()
	s.fails(t, fate, func(ctx context.Context) error { return s.Journal.Accept(ctx, journal.Accepted{Commit: commit}) })
}

func (s Subject) wantAccepted(t *testing.T, commit string) {
	t.Helper()
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != commit {
		t.Fatalf("Accepted = %+v, %v, want %q", got, err, commit)
	}
}
