package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/remote"
)

// pushTries is how often a push is rebuilt on a tip that somebody else moved. pushPause is the longest wait before the
// next try, doubled with each try up to 16 times; the wait is random, so that two daemons do not keep step.
const (
	pushTries = 12
	pushPause = 20 * time.Millisecond
)

// Read gives every file of the status branch's tip, none without a branch.
func (r *Repo) Read(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	tip, err := r.fetchStatusTip(ctx)
	if err != nil {
		return nil, err
	}
	r.statusTip, r.strayed, r.statusAuthor = tip, false, ""
	if tip.IsZero() {
		return map[string][]byte{}, nil
	}
	commit, err := object.GetCommit(r.repo.Storer, tip)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	r.statusAuthor = fmt.Sprintf("%.40s in %.10s", gittree.MaskUnprintable(commit.Author.Name), tip)
	return r.readPages(commit.TreeHash)
}

// readPages reads a tree of the status branch.
func (r *Repo) readPages(tree plumbing.Hash) (map[string][]byte, error) {
	l := r.config.Limits
	return gittree.ReadPages(r.repo.Storer, tree,
		gittree.Limits{Files: l.Files, Blob: l.Blob, Total: l.Total, Depth: l.Depth})
}

// fetchStatusTip fetches the status branch, zero without a branch.
func (r *Repo) fetchStatusTip(ctx context.Context) (plumbing.Hash, error) {
	tip, err := r.fetchBranch(ctx, r.config.StatusBranch)
	if errors.Is(err, remote.ErrNoRef) {
		tip, err = plumbing.ZeroHash, nil
	}
	r.strayed = r.strayed || err == nil && tip != r.statusTip
	return tip, err
}

// Strayed reports whether Latest or a push saw the status branch at another commit than Read and Publish left, and Read
// was not called since: somebody else pushed there, or deleted the branch.
func (r *Repo) Strayed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.strayed
}

// LastCommit gives author and id of the commit of the last Read, "" before the first.
func (r *Repo) LastCommit() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.statusAuthor
}

// Publish commits the changed files on the status branch's tip by compare-and-swap. When somebody else pushed
// meanwhile, the commit is made again on the new tip. A nil content deletes a file. Without any change nothing is
// pushed and the tip is returned, "" without a branch.
func (r *Repo) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	return r.publishAdmitted(ctx, changed, message, func(plumbing.Hash) error { return nil })
}

// PublishSeen is Publish on the commit that Read and Publish left. With another tip nothing is pushed, and the error is
// ErrMoved until Read is called.
func (r *Repo) PublishSeen(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	return r.publishAdmitted(ctx, changed, message, func(tip plumbing.Hash) error {
		if tip != r.statusTip {
			return ErrMoved
		}
		return nil
	})
}

// ErrMoved says that a push would have been built on commits that this process has not read.
var ErrMoved error = movedError{}

type movedError struct{}

func (movedError) Error() string { return "somebody else pushed there: it is read first" }

// Moved marks the error for packages that do not import gitrepo.
func (movedError) Moved() bool { return true }

func (r *Repo) publishAdmitted(
	ctx context.Context, changed map[string][]byte, message string, admit func(tip plumbing.Hash) error,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range changed {
		if !fs.ValidPath(name) || name == "." || strings.EqualFold(strings.SplitN(name, "/", 2)[0], ".git") {
			return "", fmt.Errorf("%q cannot be a file of the status branch", name)
		}
	}
	for try := 1; ; try++ {
		tip, err := r.publishOnce(ctx, changed, message, admit)
		if err == nil {
			r.statusTip = tip
		}
		if err == nil && tip.IsZero() {
			return "", nil
		}
		if err == nil {
			return tip.String(), nil
		}
		if errors.As(err, new(*remote.Failure)) {
			return "", err
		}
		if !errors.Is(err, remote.ErrRaced) || try == pushTries {
			return "", fmt.Errorf("push %s to %s: %w", r.config.StatusBranch, r.server, err)
		}
		select {
		case <-time.After(rand.N(pushPause << min(try, 4))):
		case <-ctx.Done():
			return "", fmt.Errorf("push %s to %s: %w: %w", r.config.StatusBranch, r.server, err, ctx.Err())
		}
	}
}

func (r *Repo) publishOnce(
	ctx context.Context, changed map[string][]byte, message string, admit func(tip plumbing.Hash) error,
) (plumbing.Hash, error) {
	tip, err := r.fetchStatusTip(ctx)
	if err == nil {
		err = admit(tip)
	}
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if r.repo == nil {
		return plumbing.ZeroHash, errors.New("the repository was not opened")
	}
	w := gittree.NewWriter(r.repo.Storer)
	base := plumbing.ZeroHash
	if !tip.IsZero() {
		commit, err := object.GetCommit(r.repo.Storer, tip)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		base = commit.TreeHash
	}
	tree, err := w.ApplyChanges(base, changed)
	if err != nil || tree == base {
		return tip, err
	}
	author := object.Signature{Name: r.config.Author.Name, Email: r.config.Author.Email, When: r.config.Now().UTC()}
	commit := &object.Commit{Author: author, Committer: author, Message: message, TreeHash: tree}
	if !tip.IsZero() {
		commit.ParentHashes = []plumbing.Hash{tip}
	}
	next, err := w.AddCommit(commit)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return next, r.pushCommit(ctx, tip, next, w)
}

// pushCommit sends exactly the new objects: Remote.Push of go-git would walk the whole history each time. The server
// moves the branch only from the old commit.
func (r *Repo) pushCommit(ctx context.Context, old, next plumbing.Hash, w *gittree.Writer) error {
	pack, err := w.EncodePack()
	if err != nil {
		return err
	}
	command := packp.Command{Name: plumbing.NewBranchReferenceName(r.config.StatusBranch), Old: old, New: next}
	if err := r.server.PushRef(ctx, command, pack); errors.Is(err, remote.ErrRefused) {
		return r.explainRefusal(ctx, old, err)
	} else if err != nil {
		return err
	}
	return w.StoreObjects()
}

// explainRefusal tells a lost race from a refusal.
func (r *Repo) explainRefusal(ctx context.Context, old plumbing.Hash, err error) error {
	if tip, tipErr := r.fetchStatusTip(ctx); tipErr == nil && tip != old {
		return remote.ErrRaced
	}
	if errors.As(err, new(*remote.Failure)) {
		return err
	}
	return fmt.Errorf("the server did not take the status commit: %w: check the rules and hooks of branch %s", err,
		r.config.StatusBranch)
}
