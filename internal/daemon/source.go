package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/internal/daemon/sealedpages"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile/status"
)

// source is the fleet's repository. Seen tags are written to the journal before a result is used: a tag that is moved
// while no daemon runs is recognised as moved.
type source struct {
	*gitrepo.Repo
	pages     sealedpages.Pages
	journal   TagKeeper
	savedTags map[string]string
}

// Latest implements reconcile.Source.
func (s *source) Latest(ctx context.Context) (inventory.Sources, error) {
	if s.AcceptedCommit() == "" {
		if err := s.restoreAccepted(ctx); err != nil {
			return inventory.Sources{}, err
		}
	}
	sources, err := s.Repo.Latest(ctx)
	if err != nil {
		return sources, err
	}
	if seen := s.RememberedTags(); !maps.Equal(seen, s.savedTags) {
		if err := s.journal.KeepTags(ctx, seen); err != nil {
			return inventory.Sources{}, err
		}
		s.savedTags = seen
	}
	return sources, nil
}

// restoreAccepted takes the accepted commit and the rings' releases from the status branch if the journal, new or lost,
// has none. So a trunk that was rewound meanwhile is not accepted, and a moved tag erases nothing.
func (s *source) restoreAccepted(ctx context.Context) error {
	files, err := s.pages.Read(ctx)
	if err != nil {
		return err
	}
	page, there := files[status.FleetPath]
	if !there {
		return checkDeleted(files)
	}
	if page.Forged != nil {
		return fmt.Errorf("%s on the status branch: %w: name the accepted commit with `ingot trust repin COMMIT`",
			status.FleetPath, page.Forged)
	}
	fleet, err := status.ParseFleet(page.Content)
	if err != nil {
		return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
	}
	return s.Recall(fleet)
}

// Recall implements reconcile.Source.
func (s *source) Recall(fleet status.Fleet) error {
	if fleet.Commit == "" {
		return nil // no commit was accepted yet
	}
	for _, ring := range fleet.Rings {
		if ring.Tag == "" || ring.Signatures == nil {
			// it follows the trunk, has no release yet, or an older version wrote the page, without the tag's object:
			// the tag is looked at as if it were new
			continue
		}
		if err := s.RememberTag(ring.Tag, ring.Signatures.Object, ring.Commit); err != nil {
			return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
		}
	}
	if s.AcceptedCommit() != "" {
		return s.TraceToo(fleet.Commit)
	}
	return s.TraceFrom(fleet.Commit)
}

// checkDeleted refuses a branch on which the fleet's page was deleted: the fleet's page is pushed together with the
// first host's page, so a branch with only host pages is not a first start.
func checkDeleted(files map[string]status.File) error {
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if status.IsHost(file) {
			return fmt.Errorf("%s was deleted from the status branch, but %s is there: restore it from the branch's "+
				"history, or name the accepted commit with `ingot trust repin COMMIT`", status.FleetPath, file)
		}
	}
	return nil
}
