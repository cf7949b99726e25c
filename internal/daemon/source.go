package daemon

import (
	"context"
	"maps"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// source is the fleet's repository. What was seen of its tags is in the journal before anything comes of it: a tag that is moved while no daemon runs
// is known for what it was.
type source struct {
	*gitrepo.Repo
	journal *journal.Journal
	kept    map[string]string
}

// Latest implements reconcile.Source.
func (s *source) Latest(ctx context.Context) (inventory.Sources, error) {
	sources, err := s.Repo.Latest(ctx)
	if err != nil {
		return sources, err
	}
	if seen := s.Tags(); !maps.Equal(seen, s.kept) {
		if err := s.journal.KeepTags(ctx, seen); err != nil {
			return inventory.Sources{}, err
		}
		s.kept = seen
	}
	return sources, nil
}
