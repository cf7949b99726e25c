// Package history walks from a commit to its ancestors.
package history

import (
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// most is how many commits are looked at.
const most = 100_000

// Find looks for commits from tip on, until it has met all; complete is false when it met the edge of a shallow history before.
func Find(store storer.EncodedObjectStorer, tip plumbing.Hash, commits []plumbing.Hash) (found map[plumbing.Hash]bool, complete bool, err error) {
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
		if len(seen) > most {
			return found, true, fmt.Errorf("a commit that was accepted or tagged is more than %d commits back", most)
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
