package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// look is what the server has, before anything is fetched. The zero look is no look.
type look struct {
	looked bool
	refs   map[plumbing.ReferenceName]plumbing.Hash
	err    error
}

// look lists the server's refs: mostly nothing is new, and then this is all. The first time a fetch brings what there is anyway.
func (r *Repo) look(ctx context.Context) look {
	if r.last.Trunk.Commit == "" && len(r.patterns) == 0 {
		return look{}
	}
	refs, err := r.server.List(ctx)
	if err == nil && refs[plumbing.NewBranchReferenceName(r.config.StatusBranch)] != r.status {
		r.strayed = true
	}
	return look{looked: true, refs: refs, err: err}
}

// tip is the trunk's tip as it was looked at; zero when it was not.
func (r *Repo) tip(l look) plumbing.Hash {
	return l.refs[plumbing.NewBranchReferenceName(r.config.Branch)]
}

// unchanged reports whether a look found the trunk and the rings' tags where they were when the last sources were made.
func (r *Repo) unchanged(l look) bool {
	if !l.looked || l.err != nil || r.tip(l).String() != r.last.Trunk.Commit {
		return false
	}
	same := r.listed != nil && maps.Equal(tags.List(l.refs, r.following()), r.listed) && maps.EqualFunc(r.countersigns(l, r.last.Releases), r.counted, maps.Equal[tags.Listed])
	return len(r.patterns) == 0 || same
}

// following gives the rings' patterns.
func (r *Repo) following() []string { return slices.Collect(maps.Values(r.patterns)) }

// releases gives the release of every ring that follows tags; nil when none does.
func (r *Repo) releases(ctx context.Context, trunk inventory.Snapshot, l look) map[string]inventory.Release {
	r.listed = nil
	if len(r.patterns) == 0 {
		return nil
	}
	if !l.looked {
		l = r.look(ctx)
	}
	chooser := tags.Chooser{Listed: tags.List(l.refs, r.following()), Book: r.book}
	onTrunk, err := r.prepare(ctx, plumbing.NewHash(trunk.Commit), chooser)
	err = errors.Join(l.err, err)
	by := judge{repo: r, onTrunk: onTrunk}
	chooser.Judge = by.judge
	releases := map[string]inventory.Release{}
	for ring, pattern := range r.patterns {
		var choice tags.Choice
		if err != nil {
			choice = chooser.Keep(pattern, err)
		} else {
			choice = chooser.Choose(pattern)
		}
		releases[ring] = r.release(choice, chooser.Book, onTrunk)
	}
	if complete := r.count(ctx, l, releases); err == nil && !by.unknown && complete {
		r.listed = chooser.Listed
	}
	return releases
}

// prepare brings what the candidates of all rings are judged by: the trunk's history, and their tag objects. It gives those of their commits, and of
// the last releases, that the trunk contains.
func (r *Repo) prepare(ctx context.Context, tip plumbing.Hash, chooser tags.Chooser) (map[plumbing.Hash]bool, error) {
	var commits []plumbing.Hash
	candidates := map[string]tags.Ref{}
	for _, pattern := range r.patterns {
		if name, last := chooser.Book.Release(pattern); name != "" {
			commits = append(commits, last.Commit)
		}
		for _, ref := range chooser.Candidates(pattern) {
			candidates[ref.Name] = ref
			commits = append(commits, ref.Commit)
		}
	}
	onTrunk, err := r.contained(ctx, tip, commits)
	if err == nil && slices.ContainsFunc(commits, func(c plumbing.Hash) bool { return onTrunk[c] && !r.has(c) }) {
		err = r.unshallow(ctx)
	}
	if err != nil {
		return onTrunk, err
	}
	wanted := map[plumbing.ReferenceName]plumbing.ReferenceName{}
	for name, ref := range candidates {
		if ref.Annotated() && onTrunk[ref.Commit] && !r.has(ref.Object) {
			wanted[plumbing.NewTagReferenceName(name)] = plumbing.ReferenceName("refs/ingot-tags/" + name)
		}
	}
	if len(wanted) == 0 {
		return onTrunk, nil
	}
	r.fetches++
	return onTrunk, r.server.Fetch(ctx, r.repo, wanted, 0)
}

func (r *Repo) has(hash plumbing.Hash) bool { return r.repo.Storer.HasEncodedObject(hash) == nil }

// judge says which tags can be releases.
type judge struct {
	repo    *Repo
	onTrunk map[plumbing.Hash]bool
	unknown bool // whether anything could not be told
}

func (j *judge) judge(ref tags.Ref) error {
	why := j.why(ref)
	j.unknown = j.unknown || errors.Is(why, tags.ErrUnknown)
	return why
}

func (j *judge) why(ref tags.Ref) error {
	c := j.repo.config
	if !j.onTrunk[ref.Commit] {
		return fmt.Errorf("%.12s is not a commit of branch %s: merge it first, or delete the tag", ref.Commit, c.Branch)
	}
	if err := j.repo.policy().Check(j.repo.repo.Storer, ref); err != nil {
		return err
	}
	_, err := j.repo.read(ref.Commit)
	return err
}

// release reads the tree of a choice. A commit that the trunk does not contain, or no longer, is a release only while its tree is still at hand.
func (r *Repo) release(choice tags.Choice, book tags.Book, onTrunk map[plumbing.Hash]bool) inventory.Release {
	none := inventory.Release{Trouble: filename.Printable(choice.Trouble)}
	if choice.Tag == "" {
		return none
	}
	if _, atHand := r.trees[choice.Commit]; !atHand && !onTrunk[choice.Commit] {
		return none
	}
	snapshot, err := r.read(choice.Commit)
	if err != nil {
		none.Trouble = filename.Printable(fmt.Sprintf("tag %s: %v", choice.Tag, err))
		return none
	}
	on := inventory.Signatures{Tag: choice.Tag, Object: book[choice.Tag].Object.String()}
	return inventory.Release{Tag: choice.Tag, Snapshot: snapshot, Trouble: none.Trouble, Signatures: on}
}

// forget drops the trees that are in use no more.
func (r *Repo) forget() {
	used := map[string]bool{r.last.Trunk.Commit: true}
	for _, release := range r.last.Releases {
		used[release.Snapshot.Commit] = true
	}
	maps.DeleteFunc(r.trees, func(hash plumbing.Hash, _ tree) bool { return !used[hash.String()] })
}

// Tags is what is remembered of the tags that rings could run, for Config.Tags of a later process: without it, a tag that is moved meanwhile is taken
// for a new one. It changes with Latest and RepinTag.
func (r *Repo) Tags() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.Text()
}

// RememberTag has a tag, of which nothing is remembered, be a release with this object, on this commit. It is for what Tags gave to an earlier process
// where that is lost.
func (r *Repo) RememberTag(name, object, commit string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.Remember(name, object+" "+commit)
}

// RepinTag forgets what is remembered of a tag, named with or without refs/tags/: the next Latest takes it for what it is then. It is for an operator
// who has looked at a tag that was moved or deleted. It is an error when nothing is remembered of it.
func (r *Repo) RepinTag(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed = nil
	return r.book.Forget(name)
}
