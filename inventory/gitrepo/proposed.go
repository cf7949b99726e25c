package gitrepo

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
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

// FindIntroduced gives the contents of a file at the commits, among a revision and its ancestors, that brought a text into
// the file. Where the clone's history is too short to tell, there are none.
func (c *Clone) FindIntroduced(revision, file, text string) (contents [][]byte, err error) {
	tip, err := c.resolveRevision(revision)
	if err != nil {
		return nil, err
	}
	seen := map[plumbing.Hash]bool{tip: true}
	for queue := []plumbing.Hash{tip}; len(queue) > 0; queue = queue[1:] {
		if len(seen) > maxAncestors {
			return nil, nil
		}
		content, parents, err := c.readVersion(queue[0], file)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, nil // the edge of a shallow or partial history
		}
		if err != nil {
			return nil, fmt.Errorf("read %s at commit %s: %w", file, queue[0], err)
		}
		if !bytes.Contains(content, []byte(text)) {
			continue // an older commit with the text would have brought another line of versions
		}
		inherited := false
		for _, parent := range parents {
			before, _, err := c.readVersion(parent, file)
			if errors.Is(err, plumbing.ErrObjectNotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read %s at commit %s: %w", file, parent, err)
			}
			if inherited = inherited || bytes.Contains(before, []byte(text)); !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
		if !inherited {
			contents = append(contents, content)
		}
	}
	return contents, nil
}

// readVersion gives a file at a commit, nil for a commit without the file, and the commit's parents.
func (c *Clone) readVersion(id plumbing.Hash, file string) (content []byte, parents []plumbing.Hash, err error) {
	commit, err := object.GetCommit(c.repo.repo.Storer, id)
	if err != nil {
		return nil, nil, err
	}
	found, err := commit.File(file)
	if errors.Is(err, object.ErrFileNotFound) {
		return nil, commit.ParentHashes, nil
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := found.Contents()
	return []byte(text), commit.ParentHashes, err
}
