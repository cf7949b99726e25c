package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
)

// source is the fleet's repository. What was seen of its tags is in the journal before anything comes of it: a tag that is moved while no daemon runs
// is known for what it was.
type source struct {
	*gitrepo.Repo
	pages   sealedPages
	journal *journal.Journal
	kept    map[string]string
}

// Latest implements reconcile.Source.
func (s *source) Latest(ctx context.Context) (inventory.Sources, error) {
	if s.AcceptedCommit() == "" {
		if err := s.recall(ctx); err != nil {
			return inventory.Sources{}, err
		}
	}
	sources, err := s.Repo.Latest(ctx)
	if err != nil {
		return sources, err
	}
	if seen := s.RememberedTags(); !maps.Equal(seen, s.kept) {
		if err := s.journal.KeepTags(ctx, seen); err != nil {
			return inventory.Sources{}, err
		}
		s.kept = seen
	}
	return sources, nil
}

// recall takes the accepted commit and the rings' releases from the status branch where the journal, new or lost, has none: a trunk that was rewound meanwhile
// is not accepted, and a tag that was moved erases nothing.
func (s *source) recall(ctx context.Context) error {
	files, err := s.pages.Read(ctx)
	if err != nil {
		return err
	}
	page, there := files[status.FleetPath]
	if !there {
		return deleted(files)
	}
	content, err := s.pages.Genuine(status.FleetPath, page)
	if err != nil {
		return fmt.Errorf("%s on the status branch says which commit was accepted, but %w: `ingot trust repin COMMIT` names the commit that counts", status.FleetPath, err)
	}
	fleet, err := status.ParseFleet(content)
	if err != nil {
		return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
	}
	if fleet.Commit == "" {
		return nil // none was accepted yet
	}
	for _, ring := range fleet.Rings {
		if ring.Tag == "" || ring.Signatures == nil {
			continue // it follows the trunk, has no release yet, or an older version wrote the page, without the tag's object: the tag is looked at as if it were new
		}
		if err := s.RememberTag(ring.Tag, ring.Signatures.Object, ring.Commit); err != nil {
			return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
		}
	}
	return s.TraceFrom(fleet.Commit)
}

// deleted tells the first start from a fleet's page that somebody deleted: it is pushed together with the first page of a host.
func deleted(files map[string][]byte) error {
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if status.IsHost(file) {
			return fmt.Errorf("%s on the status branch says which commit was accepted, but it was deleted: %s is still there: restore it from the branch's history, or `ingot trust repin COMMIT` names the commit that counts", status.FleetPath, file)
		}
	}
	return nil
}
