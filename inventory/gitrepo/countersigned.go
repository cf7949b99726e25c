package gitrepo

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

func (r *Repo) policy() tags.Policy {
	return tags.Policy{Signers: r.config.TagSigners, Limit: r.config.Limits.Blob}
}

// countersigns gives the countersignatures that a look found of releases, by tag.
func (r *Repo) countersigns(l look, releases map[string]inventory.Release) map[string]tags.Listed {
	found := map[string]tags.Listed{}
	for _, release := range releases {
		if r.config.TwoSigners && release.Tag != "" {
			found[release.Tag] = tags.ListCountersigns(l.refs, release.Tag)
		}
	}
	return found
}

// count has every release say who signed its tag and who countersigned it. It is false when that cannot be told of one now: nobody's countersignature
// counts then, and it is to be asked again. While the server cannot be asked at all what was counted stays: the releases are in trouble, and erase nothing.
func (r *Repo) count(ctx context.Context, l look, releases map[string]inventory.Release) (complete bool) {
	r.counted = r.countersigns(l, releases)
	if !r.config.TwoSigners {
		return true
	}
	complete = true
	for ring, release := range releases {
		if release.Tag == "" {
			continue
		}
		tag := tags.Ref{Name: release.Tag, Object: r.book[release.Tag].Object, Commit: plumbing.NewHash(release.Snapshot.Commit)}
		before := r.last.Releases[ring].Signatures
		if l.err != nil && before.Object == tag.Object.String() && before.Tag == tag.Name {
			release.Signatures = before
		} else {
			failed := r.bring(ctx, tag)
			signatures, err := r.policy().Count(r.repo.Storer, tag, r.counted[tag.Name])
			if err != nil && failed != nil {
				signatures.Why = fmt.Sprintf("its countersignatures cannot be fetched: %v", failed)
			}
			complete = complete && err == nil
			signatures.Why = filename.Printable(signatures.Why)
			release.Signatures = signatures
		}
		releases[ring] = release
	}
	return complete
}

// bring fetches the countersignatures of a tag that are not at hand. What by the listing alone cannot be of the tag is not fetched.
func (r *Repo) bring(ctx context.Context, tag tags.Ref) error {
	wanted := map[plumbing.ReferenceName]plumbing.ReferenceName{}
	for _, ref := range r.counted[tag.Name].Looked() {
		if ref.Of(tag) && !r.has(ref.Object) {
			wanted[plumbing.NewTagReferenceName(ref.Name)] = plumbing.ReferenceName("refs/ingot-tags/" + ref.Name)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	r.fetches++
	return r.server.Fetch(ctx, r.repo, wanted, 0)
}
