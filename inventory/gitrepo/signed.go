package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Signers says whose signature counts; package trust has one.
type Signers interface {
	// Verify gives the names of whoever signed the payload.
	Verify(signature string, payload []byte) (names []string, err error)
	// May reports whether one of the names may change a path, and otherwise who may.
	May(names []string, path string) (allowed bool, who []string)
}

// Untrusted means that no line of signed commits leads from the branch's tip to the accepted commit: nothing new is accepted.
type Untrusted struct{ Branch, Commit, Why string }

// Error names the commit that breaks the line.
func (e Untrusted) Error() string {
	return fmt.Sprintf("branch %s is not trusted: commit %.12s: %s: the last good commit stays until an allowed signer signs (a merge commit vouches for what it merges)", e.Branch, e.Commit, e.Why)
}

// Freezes reports that nothing may be erased until an operator has looked.
func (e Untrusted) Freezes() bool { return true }

// trusted looks for a line of commits from tip to the accepted commit, each signed by somebody who may change what it changes. Whoever signs a merge
// vouches for what it brings. Without an accepted commit the tip alone must be signed.
func (r *Repo) trusted(ctx context.Context, tip plumbing.Hash) error {
	if r.config.Signers == nil || tip == r.accepted {
		return nil
	}
	if !r.accepted.IsZero() && !r.has(r.accepted) { // a shallow tip names its parent, not what the tip changed in it
		if err := r.unshallow(ctx); err != nil {
			return err
		}
	}
	var reason error
	seen := map[plumbing.Hash]bool{tip: true}
	for queue := []plumbing.Hash{tip}; len(queue) > 0; queue = queue[1:] {
		commit, err := object.GetCommit(r.repo.Storer, queue[0])
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue // beyond the edge of a shallow history
		}
		if err != nil {
			return fmt.Errorf("read commit %s: %w", queue[0], err)
		}
		names, err := tags.SignersOf(r.config.Signers, commit, commit.PGPSignature)
		if err != nil {
			reason = errors.Join(reason, Untrusted{r.config.Branch, commit.Hash.String(), err.Error()})
			continue
		}
		if r.accepted.IsZero() {
			return nil
		}
		for _, parent := range commit.ParentHashes {
			if seen[parent] {
				continue
			}
			seen[parent] = true
			if why := r.trespass(ctx, commit, parent, names); why != "" {
				reason = errors.Join(reason, Untrusted{r.config.Branch, commit.Hash.String(), why})
				continue
			}
			if parent == r.accepted {
				return nil
			}
			queue = append(queue, parent)
		}
	}
	return first(reason, Untrusted{r.config.Branch, tip.String(), "no line of signed commits leads from it to the accepted commit " + r.accepted.String()[:12]})
}

// first gives the first of joined errors, which is about the commit nearest to the tip, or another.
func first(joined error, otherwise Untrusted) error {
	var untrusted Untrusted
	if errors.As(joined, &untrusted) {
		return untrusted
	}
	return otherwise
}

// trespass says which path a commit changes against one of its parents that its signers may not change, or "".
func (r *Repo) trespass(ctx context.Context, commit *object.Commit, parent plumbing.Hash, names []string) string {
	before, err := object.GetCommit(r.repo.Storer, parent)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return "" // the edge of a shallow history: this is not the way to the accepted commit
	}
	if err != nil {
		return err.Error()
	}
	from, errFrom := before.Tree()
	to, errTo := commit.Tree()
	if err := errors.Join(errFrom, errTo); err != nil {
		return err.Error()
	}
	changes, err := object.DiffTreeContext(ctx, from, to)
	if err != nil {
		return err.Error()
	}
	for _, change := range changes {
		for _, path := range []string{change.From.Name, change.To.Name} {
			if path == "" {
				continue
			}
			if allowed, who := r.config.Signers.May(names, path); !allowed {
				return fmt.Sprintf("%s may only be changed by %s, it is signed by %s", filename.Printable(path), strings.Join(who, ", "), strings.Join(names, ", "))
			}
		}
	}
	return ""
}
