package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/batches/store"
)

// dying keeps documents, until its process is killed after some writes.
type dying struct {
	documents map[string][]byte
	left      int
}

func (d *dying) ListBatches(context.Context) (map[string][]byte, error) {
	return maps.Clone(d.documents), nil
}

func (d *dying) SaveBatch(_ context.Context, path string, document []byte) error {
	if d.left--; d.left < 0 {
		return errors.New("killed")
	}
	if d.documents[path] = document; document == nil {
		delete(d.documents, path)
	}
	return nil
}

// TestEveryMomentOfASaveCanBeRead: a daemon that is killed between two writes leaves a Workload that goes on.
func TestEveryMomentOfASaveCanBeRead(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	follow := func(s runs.State, batch, items int) runs.State {
		return s.Follow(runs.Work{Workload: "pi", Batch: fmt.Sprintf("b%016x", batch), Completions: items}, began.Add(time.Duration(batch)*time.Hour))
	}
	first := follow(runs.State{Workload: "pi", Claims: []runs.Claim{{Machine: "m1", Since: began}}}, 5, 501)
	second := follow(first, 7, 501)
	for name, c := range map[string]struct{ before, after runs.State }{
		"the first batch":            {runs.State{}, first},
		"a batch with a later name":  {first, second},
		"a batch with an early name": {first, follow(first, 3, 501)},
		"the batch before returns":   {second, follow(second, 5, 501)},
		"forgotten":                  {first, runs.State{Workload: "pi"}},
		"a third batch":              {second, follow(second, 9, 3)},
		"a third with an early name": {second, follow(second, 1, 3)},
	} {
		for writes := 0; ; writes++ {
			journal := &dying{map[string][]byte{}, 100}
			s := store.New(journal)
			if c.before.Batch != nil {
				if err := s.Save(t.Context(), c.before); err != nil {
					t.Fatal(err)
				}
			}
			journal.left = writes
			err := s.Save(t.Context(), c.after)
			view, restored := store.New(journal).Restore(t.Context(), nil)
			if restored != nil {
				t.Fatal(restored)
			}
			for _, p := range view.Report(began) {
				known := p.State.Batch != nil && (c.after.Batch == nil || c.before.Batch == nil || p.State.Batch.ID == c.before.Batch.ID || p.State.Batch.ID == c.after.Batch.ID)
				if p.State.Unreadable != "" || !known || len(p.State.Claims) != 0 && len(p.State.Claims) != 1 {
					t.Errorf("%s, killed after %d writes: unreadable %q, batch %v", name, writes, p.State.Unreadable, p.State.Batch)
				}
			}
			if err == nil {
				break
			}
		}
	}
}
