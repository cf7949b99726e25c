package gitrepo

import (
	"errors"
	"fmt"
	"io"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Clone is a clone on this machine, for the plan of a pull request. Nothing is fetched.
type Clone struct{ repo *Repo }

// OpenClone opens the clone around dir. The clone may be bare.
func OpenClone(dir string) (*Clone, error) {
	repo, err := git.PlainOpenWithOptions(dir,
		&git.PlainOpenOptions{DetectDotGit: !isBare(dir), EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open the clone in %s: %w: run this in a clone of the fleet", dir, err)
	}
	if files, ok := repo.Storer.(*filesystem.Storage); ok { // the default storage opens the pack again for every object
		repo.Storer = filesystem.NewStorageWithOptions(files.Filesystem(), cache.NewObjectLRUDefault(),
			filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true})
	}
	c := Config{}
	c.fillDefaults()
	return &Clone{repo: newRepo(c, repo)}, nil
}

// Close closes the clone's files. Snapshots that were read stay valid.
func (c *Clone) Close() error {
	if files, ok := c.repo.repo.Storer.(*filesystem.Storage); ok {
		return files.Close()
	}
	return nil
}

// WorkDirectory is the directory of the clone's work tree.
func (c *Clone) WorkDirectory() (string, error) {
	files, err := c.repo.repo.Worktree()
	if err != nil {
		return "", fmt.Errorf("the clone has no files: %w: use one that is not bare", err)
	}
	return files.Filesystem.Root(), nil
}

// ReadSnapshot reads the tree of a commit, named by any revision that git knows: a branch, a tag, HEAD~1, an id.
func (c *Clone) ReadSnapshot(revision string) (inventory.Snapshot, error) {
	hash, err := c.resolveRevision(revision)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return c.repo.readCommit(hash)
}

func (c *Clone) resolveRevision(revision string) (plumbing.Hash, error) {
	hash, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
	if errors.Is(err, io.EOF) { // go-git's error for a missing ancestor
		err = errors.New("its history does not go back so far")
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("there is no commit %q in this clone: %w: %s", revision, err,
			c.fetchHint())
	}
	return *hash, nil
}

// fetchHint says how to fetch a missing commit. A shallow clone of CI has one commit of one branch, and fetches no
// other by default.
func (c *Clone) fetchHint() string {
	if shallow, err := c.repo.repo.Storer.Shallow(); err == nil && len(shallow) > 0 {
		return "the clone is shallow: git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'"
	}
	if config, err := c.repo.repo.Config(); err == nil && config.Core.IsBare {
		return "a bare clone has its branches without origin/: name them, as in --base main --head BRANCH"
	}
	return "name one that is, or fetch it: git fetch origin '+refs/heads/*:refs/remotes/origin/*'"
}

// ChooseReleases gives the releases of rings by the rings' tag patterns, from the tags of this clone. The map extra
// adds tags: it names a revision by the tag that is still to be made, or replaces an existing tag. Unlike Repo.Latest,
// ChooseReleases verifies no signature, needs no trunk and remembers nothing. A missing revision is an error.
func (c *Clone) ChooseReleases(patterns, extra map[string]string) (map[string]inventory.Release, error) {
	refs, err := c.listTags()
	if err != nil {
		return nil, fmt.Errorf("read the tags of this clone: %w", err)
	}
	for name, revision := range extra {
		commit, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
		if err != nil {
			return nil, fmt.Errorf("there is no commit %q in this clone to tag %s: %w: %s", revision, name, err,
				c.fetchHint())
		}
		refs[plumbing.NewTagReferenceName(name)] = *commit
		delete(refs, plumbing.NewTagReferenceName(name)+"^{}")
	}
	judge := func(ref tags.Ref) error {
		if err := (c.repo.tagPolicy()).CheckTag(c.repo.repo.Storer, ref); err != nil {
			return err
		}
		_, err := c.repo.readCommit(ref.Commit)
		return err
	}
	releases := map[string]inventory.Release{}
	for ring, pattern := range patterns {
		chooser := tags.Chooser{Listed: tags.ListTags(refs, []string{pattern}), Book: tags.Book{}, Judge: judge}
		choice := chooser.ChooseTag(pattern)
		releases[ring] = c.repo.readRelease(choice, chooser.Book, map[plumbing.Hash]bool{choice.Commit: true})
	}
	return releases, nil
}

// listTags lists the clone's tags as a server would.
func (c *Clone) listTags() (map[plumbing.ReferenceName]plumbing.Hash, error) {
	iter, err := c.repo.repo.Tags()
	if err != nil {
		return nil, err
	}
	refs := map[plumbing.ReferenceName]plumbing.Hash{}
	return refs, iter.ForEach(func(ref *plumbing.Reference) error {
		refs[ref.Name()] = ref.Hash()
		if tag, err := object.GetTag(c.repo.repo.Storer, ref.Hash()); err == nil {
			refs[ref.Name()+"^{}"] = tag.Target
		}
		return nil
	})
}

// OpenStatus opens the status branch of the clone: origin's branch, else the local one. Without a branch the Status has
// no commit and no files.
func (c *Clone) OpenStatus(branch string) (Status, error) {
	for _, name := range []plumbing.ReferenceName{plumbing.NewRemoteReferenceName("origin", branch),
		plumbing.NewBranchReferenceName(branch)} {
		ref, err := c.repo.repo.Reference(name, true)
		if err != nil {
			continue
		}
		tip, err := object.GetCommit(c.repo.repo.Storer, ref.Hash())
		if err != nil {
			return Status{}, fmt.Errorf("read the status branch: %w", err)
		}
		l := c.repo.config.Limits
		listing, err := gittree.ListPages(c.repo.repo.Storer, tip.TreeHash,
			gittree.Limits{Files: l.Files, Blob: l.Blob, Total: l.Total, Depth: l.Depth})
		return Status{Listing: listing, Commit: ref.Hash().String()}, err
	}
	return Status{}, nil
}

// Status is one commit of the status branch. Files are read on demand.
type Status struct {
	*gittree.Listing
	Commit string // "" without a status branch
}
