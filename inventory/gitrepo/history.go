package gitrepo

import (
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// maxAncestors is the most commits that a search looks at.
const maxAncestors = 100_000

// findCommits looks for commits among the ancestors of tip. The result complete is false when the search met the edge
// of a shallow history before all commits were found.
func findCommits(
	store storer.EncodedObjectStorer, tip plumbing.Hash, commits []plumbing.Hash,
) (found map[plumbing.Hash]bool, complete bool, err error) {
	found, complete = map[plumbing.Hash]bool{}, true
	wanted := map[plumbing.Hash]bool{}
	for _, commit := range commits {
		wanted[commit] = true
	}
	seen := map[plumbing.Hash]bool{tip: true}
	for queue := []plumbing.Hash{tip}; len(queue) > 0 && len(found) < len(wanted); queue = queue[1:] {
		if wanted[queue[0]] {
			found[queue[0]] = true
			if len(found) == len(wanted) {
				break
			}
		}
		if len(seen) > maxAncestors {
			return found, true, fmt.Errorf("a commit that was accepted or tagged is more than %d commits back",
				maxAncestors)
		}
		commit, err := object.GetCommit(store, queue[0])
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			complete = false
			continue
		}
		if err != nil {
			return found, false, fmt.Errorf("read commit %s: %w", queue[0], err)
		}
		for _, parent := range commit.ParentHashes {
			if !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	return found, complete || len(found) == len(wanted), nil
}
