package journaltest

import (
	"context"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

func newLife(number uint64, another string) journal.LastLife {
	return journal.LastLife{Life: inventory.Life{Number: number, ID: "random"}, Another: another}
}

// testLastLife: the journal keeps the last life, and whether another daemon runs the fleet.
func testLastLife(t *testing.T, s Subject) {
	s.wantLife(t, journal.LastLife{})
	for _, last := range []journal.LastLife{newLife(1, ""), newLife(1, "another daemon"), newLife(4, ""),
		newLife(3, "")} {
		if err := s.Journal.KeepLife(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		s.wantLife(t, last)
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("List = %v, %v, want none", entries, err)
	}
}

// testLateLives: a life may be lost, unanswered or late; a late life replaces no later life, and none after the journal
// has another owner.
func testLateLives(t *testing.T, s Subject) {
	s.failKeepLife(t, Lost, newLife(1, ""))
	s.wantLife(t, journal.LastLife{})
	s.failKeepLife(t, Unanswered, newLife(2, ""))
	s.wantLife(t, newLife(2, ""))
	s.failKeepLife(t, Late, newLife(3, ""))
	if err := s.Journal.KeepLife(t.Context(), newLife(4, "another daemon")); err != nil {
		t.Fatal(err)
	}
	s.Writes.Arrive()
	s.wantLife(t, newLife(4, "another daemon"))
	s.failKeepLife(t, Late, newLife(5, ""))
	s.TakeOver(t)
	s.Writes.Arrive()
	s.wantLife(t, newLife(4, "another daemon"))
}

func (s Subject) failKeepLife(t *testing.T, fate Fate, last journal.LastLife) {
	t.Helper()
	s.failWrite(t, fate, func(ctx context.Context) error { return s.Journal.KeepLife(ctx, last) })
}

func (s Subject) wantLife(t *testing.T, want journal.LastLife) {
	t.Helper()
	if got, err := s.Journal.LastLife(t.Context()); err != nil || got != want {
		t.Fatalf("LastLife = %+v, %v, want %+v", got, err, want)
	}
}
