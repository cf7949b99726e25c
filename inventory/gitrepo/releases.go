package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// refListing is the refs of the server, listed before anything is fetched. The zero refListing was not listed.
type refListing struct {
	listed bool
	refs   map[plumbing.ReferenceName]plumbing.Hash
	err    error
}

// listRefs lists the server's refs. Mostly nothing is new, and nothing has to be fetched. Before the first fetch
// nothing is listed.
func (r *Repo) listRefs(ctx context.Context) refListing {
	if r.last.Trunk.Commit == "" && len(r.patterns) == 0 {
		return refListing{}
	}
	refs, err := r.server.ListRefs(ctx)
	if err == nil && refs[plumbing.NewBranchReferenceName(r.config.StatusBranch)] != r.statusTip {
		r.strayed = true
	}
	return refListing{listed: true, refs: refs, err: err}
}

// trunkTip is the trunk's tip in a listing, zero without a listing.
func (r *Repo) trunkTip(l refListing) plumbing.Hash {
	return l.refs[plumbing.NewBranchReferenceName(r.config.Branch)]
}

// isUnchanged reports whether trunk and tags in a listing are those of the last sources.
func (r *Repo) isUnchanged(l refListing) bool {
	if !l.listed || l.err != nil || r.trunkTip(l).String() != r.last.Trunk.Commit {
		return false
	}
	same := r.lastListed != nil && maps.Equal(tags.ListTags(l.refs, r.listPatterns()), r.lastListed) &&
		maps.EqualFunc(r.listCountersignatures(l, r.last.Releases), r.lastCountersigned, maps.Equal[tags.Listed])
	return len(r.patterns) == 0 || same
}

func (r *Repo) listPatterns() []string { return slices.Collect(maps.Values(r.patterns)) }

// chooseReleases gives the release of every ring that follows tags, nil without such a ring.
func (r *Repo) chooseReleases(
	ctx context.Context, trunk inventory.Snapshot, l refListing,
) map[string]inventory.Release {
	r.lastListed = nil
	if len(r.patterns) == 0 {
		return nil
	}
	if !l.listed {
		l = r.listRefs(ctx)
	}
	chooser := tags.Chooser{Listed: tags.ListTags(l.refs, r.listPatterns()), Book: r.book}
	onTrunk, err := r.fetchCandidates(ctx, plumbing.NewHash(trunk.Commit), chooser)
	err = errors.Join(l.err, err)
	judge := tagJudge{repo: r, onTrunk: onTrunk}
	chooser.Judge = judge.judgeTag
	releases := map[string]inventory.Release{}
	for ring, pattern := range r.patterns {
		var choice tags.Choice
		if err != nil {
			choice = chooser.KeepRelease(pattern, err)
		} else {
			choice = chooser.ChooseTag(pattern)
		}
		releases[ring] = r.readRelease(choice, chooser.Book, onTrunk)
	}
	if complete := r.countSigners(ctx, l, releases); err == nil && !judge.unknown && complete {
		r.lastListed = chooser.Listed
	}
	return releases
}

// fetchCandidates fetches what is needed to judge the candidates of all rings: the trunk's history and the tag objects.
// The result is the candidates and last releases that the trunk contains.
func (r *Repo) fetchCandidates(
	ctx context.Context, tip plumbing.Hash, chooser tags.Chooser,
) (map[plumbing.Hash]bool, error) {
	var commits []plumbing.Hash
	candidates := map[string]tags.Ref{}
	for _, pattern := range r.patterns {
		if name, last := chooser.Book.LastRelease(pattern); name != "" {
			commits = append(commits, last.Commit)
		}
		for _, ref := range chooser.ListCandidates(pattern) {
			candidates[ref.Name] = ref
			commits = append(commits, ref.Commit)
		}
	}
	onTrunk, err := r.findContained(ctx, tip, commits)
	if err == nil && slices.ContainsFunc(commits, func(c plumbing.Hash) bool { return onTrunk[c] && !r.hasObject(c) }) {
		err = r.fetchHistory(ctx)
	}
	if err != nil {
		return onTrunk, err
	}
	wanted := map[plumbing.ReferenceName]plumbing.ReferenceName{}
	for name, ref := range candidates {
		if ref.IsAnnotated() && onTrunk[ref.Commit] && !r.hasObject(ref.Object) {
			wanted[plumbing.NewTagReferenceName(name)] = plumbing.ReferenceName("refs/ingot-tags/" + name)
		}
	}
	if len(wanted) == 0 {
		return onTrunk, nil
	}
	r.fetches++
	return onTrunk, r.server.FetchRefs(ctx, r.repo, wanted, 0)
}

func (r *Repo) hasObject(hash plumbing.Hash) bool { return r.repo.Storer.HasEncodedObject(hash) == nil }

// tagJudge says which tags can be releases.
type tagJudge struct {
	repo    *Repo
	onTrunk map[plumbing.Hash]bool
	unknown bool // a tag could not be judged now
}

func (j *tagJudge) judgeTag(ref tags.Ref) error {
	why := j.checkTag(ref)
	j.unknown = j.unknown || errors.Is(why, tags.ErrUnknown)
	return why
}

func (j *tagJudge) checkTag(ref tags.Ref) error {
	c := j.repo.config
	if !j.onTrunk[ref.Commit] {
		return fmt.Errorf("%.12s is not a commit of branch %s: merge it first, or delete the tag", ref.Commit, c.Branch)
	}
	if err := j.repo.tagPolicy().CheckTag(j.repo.repo.Storer, ref); err != nil {
		return err
	}
	_, err := j.repo.readCommit(ref.Commit)
	return err
}

// readRelease reads the tree of a choice. A commit outside the trunk is a release only while its tree is in memory.
func (r *Repo) readRelease(choice tags.Choice, book tags.Book, onTrunk map[plumbing.Hash]bool) inventory.Release {
	none := inventory.Release{Trouble: gittree.MaskUnprintable(choice.Trouble)}
	if choice.Tag == "" {
		return none
	}
	if _, atHand := r.trees[choice.Commit]; !atHand && !onTrunk[choice.Commit] {
		return none
	}
	snapshot, err := r.readCommit(choice.Commit)
	if err != nil {
		none.Trouble = gittree.MaskUnprintable(fmt.Sprintf("tag %s: %v", choice.Tag, err))
		return none
	}
	signatures := inventory.Signatures{Tag: choice.Tag, Object: book[choice.Tag].Object.String()}
	return inventory.Release{Tag: choice.Tag, Snapshot: snapshot, Trouble: none.Trouble, Signatures: signatures}
}

// dropUnusedTrees drops the trees that no source uses.
func (r *Repo) dropUnusedTrees() {
	used := map[string]bool{r.last.Trunk.Commit: true}
	for _, release := range r.last.Releases {
		used[release.Snapshot.Commit] = true
	}
	maps.DeleteFunc(r.trees, func(hash plumbing.Hash, _ loadedTree) bool { return !used[hash.String()] })
}

// RememberedTags gives what Latest and RepinTag remember of tags, for Config.RememberedTags of a later process. A
// process without this memory takes a moved tag for a new tag.
func (r *Repo) RememberedTags() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.EncodeText()
}

// RememberTag records that a tag with this object was released at this commit, unless the tag is remembered already. It
// repairs a lost Config.RememberedTags.
func (r *Repo) RememberTag(name, object, commit string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.RememberTag(name, object+" "+commit)
}

// RepinTag forgets a tag, named with or without refs/tags/, so that the next Latest judges the tag anew. An operator
// calls it after looking at a moved or deleted tag. An unknown tag is an error.
func (r *Repo) RepinTag(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastListed = nil
	return r.book.ForgetTag(name)
}
