package journal_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestADeadOwnerIsFollowed has the owner of a journal on a cluster fall silent, with nothing given back: the next daemon
// owns the journal within two lives of the lease, and the silent one writes nothing any more.
func TestADeadOwnerIsFollowed(t *testing.T) {
	t.Parallel()
	const life = 6 * time.Second // a stalled machine keeps its lease
	config := cluster(t)
	config.LeaseTTL = life
	config.Owner = "the first"
	first := owned(t, config)
	config.Owner = "the second"
	second := open(t, config)
	t.Cleanup(func() { _ = second.Close() })
	journal.Silence(first)
	died := time.Now()
	if err := second.Own(t.Context()); err != nil {
		t.Fatalf("Own = %v, want the journal of the dead owner", err)
	}
	if took := time.Since(died); took > 2*life {
		t.Errorf("the next daemon owns the journal after %s, want at most %s", took, 2*life)
	}
	if _, err := first.Put(t.Context(), inventory.Record{ID: "a"}, 0); err == nil {
		t.Error("the silent owner wrote a record")
	}
}
