package gitrepo

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory/gitrepo/versions"
)

// FindTag gives the commit of a tag in this clone, and whether there is such a tag.
func (c *Clone) FindTag(name string) (commit string, there bool, err error) {
	refs, err := c.listTags()
	if err != nil {
		return "", false, fmt.Errorf("read the tags of this clone: %w", err)
	}
	ref := plumbing.NewTagReferenceName(name)
	id, there := refs[ref]
	if target, annotated := refs[ref+"^{}"]; annotated {
		id = target
	}
	return id.String(), there, nil
}

// HasCommit reports whether the clone has a commit with its tree.
func (c *Clone) HasCommit(id string) bool {
	commit, err := object.GetCommit(c.repo.repo.Storer, plumbing.NewHash(id))
	if err != nil {
		return false
	}
	_, err = commit.Tree()
	return err == nil
}

// ContainsRevision reports whether the history of trunk contains a revision, and gives the revision's commit. With
// known false the clone's history is too short to tell.
func (c *Clone) ContainsRevision(trunk, revision string) (commit string, contains, known bool, err error) {
	var ids [2]plumbing.Hash
	for i, name := range []string{trunk, revision} {
		if ids[i], err = c.resolveRevision(name); err != nil {
			return "", false, false, err
		}
	}
	found, complete, err := findCommits(c.repo.repo.Storer, ids[0], ids[1:])
	return ids[1].String(), found[ids[1]], complete, err
}

// FindBranchPoint gives the commit at which the history of head left that of base, which is base itself where head
// contains base. With known false the clone's history is too short to tell, or the two have no common commit.
func (c *Clone) FindBranchPoint(base, head string) (point string, known bool, err error) {
	var commits [2]*object.Commit
	for i, name := range []string{base, head} {
		id, err := c.resolveRevision(name)
		if err != nil {
			return "", false, err
		}
		if commits[i], err = object.GetCommit(c.repo.repo.Storer, id); err != nil {
			return "", false, fmt.Errorf("read commit %s: %w", id, err)
		}
	}
	found, _, err := findCommits(c.repo.repo.Storer, commits[1].Hash, []plumbing.Hash{commits[0].Hash})
	if err != nil || found[commits[0].Hash] {
		return commits[0].Hash.String(), err == nil, err
	}
	points, err := commits[0].MergeBase(commits[1])
	if err != nil || len(points) == 0 { // an error is the edge of a shallow history
		return "", false, nil
	}
	return points[0].Hash.String(), true, nil
}

// CameFirst is versions.CameFirst of a revision of this clone.
func (c *Clone) CameFirst(revision string, p versions.Pair) (bool, error) {
	tip, err := c.resolveRevision(revision)
	if err != nil {
		return false, err
	}
	return versions.CameFirst(c.repo.repo.Storer, tip, p)
}
