package gitrepo

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/inventory/gitrepo/history"
)

// Tagged gives the commit of a tag in this clone; false when there is no such tag.
func (c *Clone) Tagged(name string) (commit string, there bool, err error) {
	refs, err := c.tags()
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

// Contains reports whether the history of one revision contains another, whose commit it gives; known is false where this clone's history ends too early
// to tell.
func (c *Clone) Contains(trunk, revision string) (commit string, contains, known bool, err error) {
	var ids [2]plumbing.Hash
	for i, name := range []string{trunk, revision} {
		if ids[i], err = c.resolve(name); err != nil {
			return "", false, false, err
		}
	}
	found, complete, err := history.Find(c.repo.repo.Storer, ids[0], ids[1:])
	return ids[1].String(), found[ids[1]], complete, err
}
