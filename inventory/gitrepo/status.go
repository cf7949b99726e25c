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

	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
	"github.com/gitmetal/ingot/inventory/gitrepo/pages"
	"github.com/gitmetal/ingot/inventory/gitrepo/remote"
)

// pushTries is how often a push is rebuilt on a tip that somebody else moved; pushPause, doubled with each try up to 16 times, is the longest wait before the
// next, of a random length, so that two daemons do not keep step.
const (
	pushTries = 12
	pushPause = 20 * time.Millisecond
)

// Read gives every file of the status branch's tip; none when there is no such branch.
func (r *Repo) Read(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	tip, err := r.statusTip(ctx)
	if err != nil {
		return nil, err
	}
	r.status, r.strayed, r.writer = tip, false, ""
	if tip.IsZero() {
		return map[string][]byte{}, nil
	}
	commit, err := object.GetCommit(r.repo.Storer, tip)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	r.writer = fmt.Sprintf("%.40s in %.10s", filename.Printable(commit.Author.Name), tip)
	return r.pages(commit.TreeHash)
}

// pages reads what is in a tree of the status branch.
func (r *Repo) pages(tree plumbing.Hash) (map[string][]byte, error) {
	l := r.config.Limits
	return pages.Read(r.repo.Storer, tree, pages.Limits{Files: l.Files, Blob: l.Blob, Total: l.Total, Depth: l.Depth})
}

// statusTip fetches the status branch; zero when there is none.
func (r *Repo) statusTip(ctx context.Context) (plumbing.Hash, error) {
	tip, err := r.fetch(ctx, r.config.StatusBranch)
	if errors.Is(err, remote.ErrNoRef) {
		tip, err = plumbing.ZeroHash, nil
	}
	r.strayed = r.strayed || err == nil && tip != r.status
	return tip, err
}

// Strayed reports whether the status branch was seen elsewhere than where Read and Publish left it, by Latest or by a push, and Read has not given it since:
// somebody else pushed there, or deleted it.
func (r *Repo) Strayed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.strayed
}

// LastCommit says who made the commit that Read gave last, and its id; "" before.
func (r *Repo) LastCommit() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writer
}

// Publish commits the changed files on the status branch's tip, by compare-and-swap: when somebody else pushed meanwhile, the commit is made
// anew on theirs. A nil content deletes. Without any change the tip is returned, "" when there is none, and nothing is pushed.
func (r *Repo) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	return r.publishOn(ctx, changed, message, func(plumbing.Hash) error { return nil })
}

// PublishSeen is Publish on what Read and Publish left: when the tip is another one nothing is pushed, and the error is ErrMoved, until Read has given it.
func (r *Repo) PublishSeen(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	return r.publishOn(ctx, changed, message, func(tip plumbing.Hash) error {
		if tip != r.status {
			return ErrMoved
		}
		return nil
	})
}

// ErrMoved is of a push that would have been built on commits that nobody here has read.
var ErrMoved error = movedError{}

type movedError struct{}

func (movedError) Error() string { return "somebody else pushed there: it is read first" }

// Moved tells it apart for who does not know this package.
func (movedError) Moved() bool { return true }

func (r *Repo) publishOn(ctx context.Context, changed map[string][]byte, message string, admit func(tip plumbing.Hash) error) (string, error) {
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
		tip, err := r.publish(ctx, changed, message, admit)
		if err == nil {
			r.status = tip
		}
		if err == nil && tip.IsZero() {
			return "", nil
		}
		if err == nil {
			return tip.String(), nil
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

func (r *Repo) publish(ctx context.Context, changed map[string][]byte, message string, admit func(tip plumbing.Hash) error) (plumbing.Hash, error) {
	tip, err := r.statusTip(ctx)
	if err == nil {
		err = admit(tip)
	}
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if r.repo == nil {
		return plumbing.ZeroHash, errors.New("the repository was not opened")
	}
	w := pages.NewWriter(r.repo.Storer)
	base := plumbing.ZeroHash
	if !tip.IsZero() {
		commit, err := object.GetCommit(r.repo.Storer, tip)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		base = commit.TreeHash
	}
	tree, err := w.Tree(base, changed)
	if err != nil || tree == base {
		return tip, err
	}
	by := object.Signature{Name: r.config.Author.Name, Email: r.config.Author.Email, When: r.config.Now().UTC()}
	commit := &object.Commit{Author: by, Committer: by, Message: message, TreeHash: tree}
	if !tip.IsZero() {
		commit.ParentHashes = []plumbing.Hash{tip}
	}
	next, err := w.Commit(commit)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return next, r.push(ctx, tip, next, w)
}

// push sends exactly the new objects: Remote.Push would walk the whole history each time. The server moves the branch only if it is still where we
// saw it.
func (r *Repo) push(ctx context.Context, old, next plumbing.Hash, w *pages.Writer) error {
	pack, err := w.Pack()
	if err != nil {
		return err
	}
	command := packp.Command{Name: plumbing.NewBranchReferenceName(r.config.StatusBranch), Old: old, New: next}
	if err := r.server.Push(ctx, command, pack); errors.Is(err, remote.ErrRefused) {
		return r.rejected(ctx, old, err)
	} else if err != nil {
		return err
	}
	return w.Keep()
}

// rejected tells a lost race from a refusal.
func (r *Repo) rejected(ctx context.Context, old plumbing.Hash, err error) error {
	if now, tipErr := r.statusTip(ctx); tipErr == nil && now != old {
		return remote.ErrRaced
	}
	return fmt.Errorf("the server did not take the status commit: %w: check the rules and hooks of branch %s", err, r.config.StatusBranch)
}
