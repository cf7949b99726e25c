// Package versions tells in which order two versions of a file came into a history. Call CameFirst. The package reads commits
// and files of a Git object store, and writes nothing.
package versions

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/gitmetal/ingot/schemas"
)

// maxAncestors is the most commits that a search looks at.
const maxAncestors = 100_000

// Pair are two versions of a file.
type Pair struct {
	File         string
	First, Later func(content []byte) bool // whether a content is the version
}

// CameFirst reports whether, among a commit and its ancestors, there is one at which the file has the first version, and which
// has no ancestor with the later one. Where the history is cut, or too long to tell, there is none.
func CameFirst(store storer.EncodedObjectStorer, tip plumbing.Hash, p Pair) (bool, error) {
	kinds := map[plumbing.Hash]string{plumbing.ZeroHash: ""} // of contents, by blob
	found := map[string][]plumbing.Hash{}                    // commits, by the kind of their content
	children, seen := map[plumbing.Hash][]plumbing.Hash{}, map[plumbing.Hash]bool{tip: true}
	for queue := []plumbing.Hash{tip}; len(queue) > 0; queue = queue[1:] {
		commit := queue[0]
		blob, parents, err := findVersion(store, commit, p.File)
		if _, known := kinds[blob]; err == nil && !known {
			kinds[blob], err = p.judge(store, blob)
		}
		if errors.Is(err, plumbing.ErrObjectNotFound) || len(seen) > maxAncestors {
			return false, nil // the edge of a shallow or partial history
		}
		if err != nil {
			return false, fmt.Errorf("read %s at commit %s: %w", p.File, commit, err)
		}
		found[kinds[blob]] = append(found[kinds[blob]], commit)
		for _, parent := range parents {
			if children[parent] = append(children[parent], commit); !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	hasLater := map[plumbing.Hash]bool{} // commits behind a later content
	for queue := found[laterContent]; len(queue) > 0; queue = queue[1:] {
		if !hasLater[queue[0]] {
			hasLater[queue[0]] = true
			queue = append(queue, children[queue[0]]...)
		}
	}
	return slices.ContainsFunc(found[firstContent], func(commit plumbing.Hash) bool { return !hasLater[commit] }), nil
}

// Kinds of contents of a file.
const (
	firstContent = "first"
	laterContent = "later"
)

// findVersion gives the blob of a file at a commit, zero for a commit without the file, and the commit's parents.
func findVersion(store storer.EncodedObjectStorer, id plumbing.Hash, file string) (blob plumbing.Hash, parents []plumbing.Hash, err error) {
	commit, err := object.GetCommit(store, id)
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	tree, err := commit.Tree()
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	entry, err := tree.FindEntry(file)
	switch {
	case errors.Is(err, object.ErrEntryNotFound), errors.Is(err, object.ErrDirectoryNotFound):
		return plumbing.ZeroHash, commit.ParentHashes, nil
	case err != nil:
		return plumbing.ZeroHash, nil, err
	}
	return entry.Hash, commit.ParentHashes, nil
}

// judge gives the kind of a content. One that is too large is neither version.
func (p Pair) judge(store storer.EncodedObjectStorer, id plumbing.Hash) (kind string, err error) {
	blob, err := object.GetBlob(store, id)
	if err != nil || blob.Size > schemas.MaxFile {
		return "", err
	}
	reader, err := blob.Reader()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	switch {
	case err != nil:
		return "", err
	case p.Later(content):
		return laterContent, nil
	case p.First(content):
		return firstContent, nil
	default:
		return "", nil
	}
}
