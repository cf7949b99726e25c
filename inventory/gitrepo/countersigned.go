package gitrepo

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

func (r *Repo) tagPolicy() tags.Policy {
	return tags.Policy{Signers: r.config.TagSigners, Limit: r.config.Limits.Blob}
}

// listCountersignatures picks the countersignatures of releases out of a listing, by tag.
func (r *Repo) listCountersignatures(l refListing, releases map[string]inventory.Release) map[string]tags.Listed {
	found := map[string]tags.Listed{}
	for _, release := range releases {
		if r.config.TwoSigners && release.Tag != "" {
			found[release.Tag] = tags.ListCountersignatures(l.refs, release.Tag)
		}
	}
	return found
}

// countSigners fills in who signed and who countersigned the tag of every release. The result is false when the signers
// of a tag cannot be told now: no countersignature counts then, and the next look asks again. While the server cannot
// be reached, the last answer for the same tag object stays: such releases are in trouble, and erase nothing.
func (r *Repo) countSigners(ctx context.Context, l refListing, releases map[string]inventory.Release) (complete bool) {
	r.lastCountersigned = r.listCountersignatures(l, releases)
	if !r.config.TwoSigners {
		return true
	}
	complete = true
	for ring, release := range releases {
		if release.Tag == "" {
			continue
		}
		tag := tags.Ref{Name: release.Tag, Object: r.book[release.Tag].Object,
			Commit: plumbing.NewHash(release.Snapshot.Commit)}
		before := r.last.Releases[ring].Signatures
		if l.err != nil && before.Object == tag.Object.String() && before.Tag == tag.Name {
			release.Signatures = before
		} else {
			failed := r.fetchCountersignatures(ctx, tag)
			signatures, err := r.tagPolicy().CountSigners(r.repo.Storer, tag, r.lastCountersigned[tag.Name])
			if err != nil && failed != nil {
				signatures.Why = fmt.Sprintf("its countersignatures cannot be fetched: %v", failed)
			}
			complete = complete && err == nil
			signatures.Why = gittree.MaskUnprintable(signatures.Why)
			release.Signatures = signatures
		}
		releases[ring] = release
	}
	return complete
}

// fetchCountersignatures fetches the missing countersignatures of a tag, except those that by the listing belong to
// another tag.
func (r *Repo) fetchCountersignatures(ctx context.Context, tag tags.Ref) error {
	wanted := map[plumbing.ReferenceName]plumbing.ReferenceName{}
	for _, ref := range r.lastCountersigned[tag.Name].FirstRefs() {
		if ref.MayCountersign(tag) && !r.hasObject(ref.Object) {
			wanted[plumbing.NewTagReferenceName(ref.Name)] = plumbing.ReferenceName("refs/ingot-tags/" + ref.Name)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	r.fetches++
	return r.server.FetchRefs(ctx, r.repo, wanted, 0)
}
