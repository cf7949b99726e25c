package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Signers decides which signatures count. Package trust has an implementation.
type Signers interface {
	// Verify gives the names of the signers of the payload.
	Verify(signature string, payload []byte) (names []string, err error)
	// AllowsChange reports whether a signer of these names may change a path, and otherwise which signers may.
	AllowsChange(names []string, path string) (allowed bool, who []string)
}

// Untrusted means that no line of signed commits leads from the branch's tip to the accepted commit. Nothing new is
// accepted.
type Untrusted struct{ Branch, Commit, Why string }

// proposalOnTrunk is why a commit of a proposal is not trusted that was put on the trunk itself.
const proposalOnTrunk = "it is a proposal of this daemon, which is not signed: merge with a signed merge or squash commit"

// Error names the commit that breaks the line.
func (e Untrusted) Error() string {
	if e.Why == proposalOnTrunk {
		return fmt.Sprintf("branch %s is not trusted: commit %.12s: %s", e.Branch, e.Commit, e.Why)
	}
	return fmt.Sprintf("branch %s is not trusted: commit %.12s: %s: "+
		"have an allowed signer merge it with a signed commit", e.Branch, e.Commit, e.Why)
}

// Freezes reports that nothing may be erased until an operator has looked.
func (e Untrusted) Freezes() bool { return true }

// checkSignatures looks for a line of commits from tip to the accepted commit, each signed by a signer who may change
// the paths that the commit changes. The signer of a merge vouches for the merged commits. Without an accepted commit
// only the tip must be signed.
func (r *Repo) checkSignatures(ctx context.Context, tip plumbing.Hash) error {
	if r.config.Signers == nil || tip == r.accepted {
		return nil
	}
	if !r.accepted.IsZero() && !r.hasObject(r.accepted) { // a shallow history lacks the tree of the tip's parent
		if err := r.fetchHistory(ctx); err != nil {
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
		names, err := tags.VerifyObject(r.config.Signers, commit, commit.PGPSignature)
		if err != nil {
			reason = errors.Join(reason, Untrusted{r.config.Branch, commit.Hash.String(), r.explainUnsigned(commit, err)})
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
			if why := r.findTrespass(ctx, commit, parent, names); why != "" {
				reason = errors.Join(reason, Untrusted{r.config.Branch, commit.Hash.String(), why})
				continue
			}
			if parent == r.accepted {
				return nil
			}
			queue = append(queue, parent)
		}
	}
	return firstUntrusted(reason, Untrusted{r.config.Branch, tip.String(),
		"no line of signed commits leads from it to the accepted commit " + r.accepted.String()[:12]})
}

// explainUnsigned says why the signature of a commit does not count. The daemon's own commits reach a trunk by a
// fast-forward or a rebase of a proposal.
func (r *Repo) explainUnsigned(commit *object.Commit, err error) string {
	if commit.PGPSignature == "" && commit.Author.Email == r.config.Author.Email {
		return proposalOnTrunk
	}
	return err.Error()
}

// firstUntrusted gives the first Untrusted of joined errors, about the commit nearest to the tip, or the fallback.
func firstUntrusted(joined error, otherwise Untrusted) error {
	var untrusted Untrusted
	if errors.As(joined, &untrusted) {
		return untrusted
	}
	return otherwise
}

// findTrespass names a path that a commit changes against one of the parents and that the commit's signers may not
// change, or gives "".
func (r *Repo) findTrespass(ctx context.Context, commit *object.Commit, parent plumbing.Hash, names []string) string {
	parentCommit, err := object.GetCommit(r.repo.Storer, parent)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return "" // the edge of a shallow history is not the way to the accepted commit
	}
	if err != nil {
		return err.Error()
	}
	before, errFrom := parentCommit.Tree()
	after, errTo := commit.Tree()
	if err := errors.Join(errFrom, errTo); err != nil {
		return err.Error()
	}
	changes, err := object.DiffTreeContext(ctx, before, after)
	if err != nil {
		return err.Error()
	}
	for _, change := range changes {
		for _, path := range []string{change.From.Name, change.To.Name} {
			if path == "" {
				continue
			}
			if allowed, mayChange := r.config.Signers.AllowsChange(names, path); !allowed {
				return fmt.Sprintf("%s may only be changed by %s, it is signed by %s", gittree.MaskUnprintable(path),
					strings.Join(mayChange, ", "), strings.Join(names, ", "))
			}
		}
	}
	return ""
}
