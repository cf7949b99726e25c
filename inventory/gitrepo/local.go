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
	"github.com/gitmetal/ingot/inventory/gitrepo/pages"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Clone is a clone on this machine, read for the plan of a pull request. Nothing is fetched.
type Clone struct{ repo *Repo }

// OpenClone opens the clone that dir lies in; it may be bare.
func OpenClone(dir string) (*Clone, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: !bare(dir), EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open the clone in %s: %w: run this in a clone of the fleet", dir, err)
	}
	if files, ok := repo.Storer.(*filesystem.Storage); ok { // which would open the pack anew for every object
		repo.Storer = filesystem.NewStorageWithOptions(files.Filesystem(), cache.NewObjectLRUDefault(), filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true})
	}
	c := Config{}
	c.complete()
	return &Clone{repo: newRepo(c, repo)}, nil
}

// Close lets go of the clone's files. What was read from it stays.
func (c *Clone) Close() error {
	if files, ok := c.repo.repo.Storer.(*filesystem.Storage); ok {
		return files.Close()
	}
	return nil
}

// Top is the directory of the clone's files.
func (c *Clone) Top() (string, error) {
	files, err := c.repo.repo.Worktree()
	if err != nil {
		return "", fmt.Errorf("the clone has no files: %w: use one that is not bare", err)
	}
	return files.Filesystem.Root(), nil
}

// Snapshot reads the tree of a commit named by any revision git knows: a branch, a tag, HEAD~1, an id.
func (c *Clone) Snapshot(revision string) (inventory.Snapshot, error) {
	hash, err := c.resolve(revision)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return c.repo.read(hash)
}

func (c *Clone) resolve(revision string) (plumbing.Hash, error) {
	hash, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
	if errors.Is(err, io.EOF) { // go-git's word for an ancestor that is not there
		err = errors.New("its history does not go back so far")
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("there is no commit %q in this clone: %w: %s", revision, err, c.fetchHint())
	}
	return *hash, nil
}

// fetchHint says how to get what is not here. A clone that CI made with a depth has one commit of one branch, and keeps to that when it fetches.
func (c *Clone) fetchHint() string {
	if shallow, err := c.repo.repo.Storer.Shallow(); err == nil && len(shallow) > 0 {
		return "the clone is shallow: git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'"
	}
	if config, err := c.repo.repo.Config(); err == nil && config.Core.IsBare {
		return "a bare clone has its branches without origin/: name them, as in --base main --head BRANCH"
	}
	return "name one that is, or fetch it: git fetch origin '+refs/heads/*:refs/remotes/origin/*'"
}

// Releases gives what rings that follow tags would run, by the ring's name, as its patterns are given: from the tags of this clone, and from extra ones,
// a revision by the name of a tag that is not made yet, or stands for the one of that name. Unlike Repo.Latest it checks no signature and counts none, asks
// for no trunk and remembers nothing; a revision that is not there is an error.
func (c *Clone) Releases(patterns, extra map[string]string) (map[string]inventory.Release, error) {
	refs, err := c.tags()
	if err != nil {
		return nil, fmt.Errorf("read the tags of this clone: %w", err)
	}
	for name, revision := range extra {
		commit, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
		if err != nil {
			return nil, fmt.Errorf("there is no commit %q in this clone to tag %s: %w: %s", revision, name, err, c.fetchHint())
		}
		refs[plumbing.NewTagReferenceName(name)] = *commit
		delete(refs, plumbing.NewTagReferenceName(name)+"^{}")
	}
	judge := func(ref tags.Ref) error {
		if err := (c.repo.policy()).Check(c.repo.repo.Storer, ref); err != nil {
			return err
		}
		_, err := c.repo.read(ref.Commit)
		return err
	}
	releases := map[string]inventory.Release{}
	for ring, pattern := range patterns {
		chooser := tags.Chooser{Listed: tags.List(refs, []string{pattern}), Book: tags.Book{}, Judge: judge}
		choice := chooser.Choose(pattern)
		releases[ring] = c.repo.release(choice, chooser.Book, map[plumbing.Hash]bool{choice.Commit: true})
	}
	return releases, nil
}

// tags lists the clone's tags as a server would.
func (c *Clone) tags() (map[plumbing.ReferenceName]plumbing.Hash, error) {
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

// Status is the status branch as the clone has it: origin's, else its own. It has no commit and no files when there is neither.
func (c *Clone) Status(branch string) (Status, error) {
	for _, name := range []plumbing.ReferenceName{plumbing.NewRemoteReferenceName("origin", branch), plumbing.NewBranchReferenceName(branch)} {
		ref, err := c.repo.repo.Reference(name, true)
		if err != nil {
			continue
		}
		tip, err := object.GetCommit(c.repo.repo.Storer, ref.Hash())
		if err != nil {
			return Status{}, fmt.Errorf("read the status branch: %w", err)
		}
		l := c.repo.config.Limits
		listing, err := pages.List(c.repo.repo.Storer, tip.TreeHash, pages.Limits{Files: l.Files, Blob: l.Blob, Total: l.Total, Depth: l.Depth})
		return Status{Listing: listing, Commit: ref.Hash().String()}, err
	}
	return Status{}, nil
}

// Status is one commit of the status branch, whose files are read when they are asked for.
type Status struct {
	*pages.Listing
	Commit string // "" when there is no such branch
}
