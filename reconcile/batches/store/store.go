// Package store keeps the batches of Workloads in the journal. Call Restore once, before any choice, and Save for each
// state that View.Unsaved gives. A Store is for one goroutine at a time.
package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/batches/pages"
)

// Documents keeps documents by path. SaveBatch without a document deletes one.
type Documents interface {
	ListBatches(ctx context.Context) (map[string][]byte, error)
	SaveBatch(ctx context.Context, path string, document []byte) error
}

// Store is the batches in the journal.
type Store struct {
	documents Documents
	kept      map[string][]byte // in the journal, by path
}

// New makes a Store; without documents it keeps nothing.
func New(documents Documents) *Store { return &Store{documents, map[string][]byte{}} }

// IsUsed reports whether batches are kept: without that no Workload may claim anything.
func (s *Store) IsUsed() bool { return s.documents != nil }

// Restore gives the View of the runs what journal and status branch have of them together. An item that either knows to be
// done is done.
func (s *Store) Restore(ctx context.Context, branch map[string][]byte) (*batches.View, error) {
	view := batches.New()
	if !s.IsUsed() {
		return view, nil
	}
	kept, err := s.documents.ListBatches(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the batches: %w", err)
	}
	s.kept = kept
	known := map[string]runs.State{}
	for _, state := range pages.Decode(dropHeadless(kept)) {
		known[state.Workload] = state
		view.Restore(state, true)
	}
	for _, state := range pages.Decode(branch) {
		mine, inJournal := known[state.Workload]
		switch {
		case !inJournal:
			view.Restore(state, false)
		case state.Unreadable == "" && mine.Unreadable == "":
			view.Restore(mine.Merge(state), false)
		}
	}
	return view, nil
}

// dropHeadless leaves the Workloads out of which the journal has no head: their first Save was cut short, before anything
// followed from it.
func dropHeadless(kept map[string][]byte) map[string][]byte {
	headed := map[string]bool{}
	for path := range kept {
		workload, _, _ := strings.Cut(strings.TrimPrefix(path, "runs/"), "/")
		headed[workload] = headed[workload] || pages.IsHead(path, workload)
	}
	documents := maps.Clone(kept)
	maps.DeleteFunc(documents, func(path string, _ []byte) bool {
		workload, _, _ := strings.Cut(strings.TrimPrefix(path, "runs/"), "/")
		return !headed[workload]
	})
	return documents
}

// Save writes the changed documents of one state. The first document of a batch, which has the claims, is the last; then
// go the documents of batches that are not kept any more, their heads first.
func (s *Store) Save(ctx context.Context, state runs.State) error {
	documents := pages.Encode(state, nil)
	for _, path := range pages.SortForWriting(state, documents) {
		if err := s.save(ctx, path, documents[path]); err != nil {
			return err
		}
	}
	shortFirst := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
	for _, path := range slices.SortedFunc(maps.Keys(s.kept), shortFirst) {
		if pages.IsOf(path, state.Workload) && documents[path] == nil {
			if err := s.save(ctx, path, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes a document that the journal does not have so; nil deletes it.
func (s *Store) save(ctx context.Context, path string, document []byte) error {
	if document != nil && bytes.Equal(s.kept[path], document) {
		return nil
	}
	if err := s.documents.SaveBatch(ctx, path, document); err != nil {
		return err
	}
	if s.kept[path] = document; document == nil {
		delete(s.kept, path)
	}
	return nil
}
