package gitrepo

import (
	"context"
	"fmt"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory"
)

// Clone is a clone on this machine, read for the plan of a pull request. Nothing is fetched.
type Clone struct{ repo *Repo }

// OpenClone opens the clone that dir lies in.
func OpenClone(dir string) (*Clone, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open the clone in %s: %w: run this in a clone of the fleet", dir, err)
	}
	c := Config{}
	c.complete()
	return &Clone{repo: &Repo{config: c, repo: repo, blobs: map[plumbing.Hash]inventory.File{}}}, nil
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
	hash, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("there is no commit %q in this clone: %w", revision, err)
	}
	snapshot, blobs, err := c.repo.snapshot(*hash)
	if err == nil {
		c.repo.blobs = blobs
	}
	return snapshot, err
}

// Status reads every file of the status branch, as the clone has it: its own branch, else origin's; none, and no commit, when it has neither.
func (c *Clone) Status(_ context.Context, branch string) (files map[string][]byte, commit string, err error) {
	for _, name := range []plumbing.ReferenceName{plumbing.NewRemoteReferenceName("origin", branch), plumbing.NewBranchReferenceName(branch)} {
		ref, err := c.repo.repo.Reference(name, true)
		if err != nil {
			continue
		}
		tip, err := object.GetCommit(c.repo.repo.Storer, ref.Hash())
		if err != nil {
			return nil, "", fmt.Errorf("read the status branch: %w", err)
		}
		files := map[string][]byte{}
		return files, ref.Hash().String(), c.repo.readAll(tip.TreeHash, "", files)
	}
	return map[string][]byte{}, "", nil
}
