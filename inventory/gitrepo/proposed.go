package gitrepo

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// FindTag gives the commit of a tag in this clone, and whether there is such a tag.
func (c *Clone) FindTag(name string) (commit string, there bool, err error) {
	refs, err := c.listTags()
	if err != nil {
		return "", false, fmt.Errorf("read the tags of this clone: %w", err)
	}
	ref := plumbing.NewTagReferenceName(name)
	object, there := refs[ref]
	if target, annotated := refs[ref+"^{}"]; annotated {
		object = target
	}
	return object.String(), there, nil
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
