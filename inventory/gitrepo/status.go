package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"

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
	if err != nil || tip.IsZero() {
		return map[string][]byte{}, err
	}
	commit, err := object.GetCommit(r.repo.Storer, tip)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	files := map[string][]byte{}
	return files, r.readAll(commit.TreeHash, "", files)
}

func (r *Repo) readAll(hash plumbing.Hash, dir string, files map[string][]byte) error {
	tree, err := object.GetTree(r.repo.Storer, hash)
	if err != nil {
		return fmt.Errorf("read the status branch: %w", err)
	}
	for _, entry := range tree.Entries {
		name := path.Join(dir, entry.Name)
		switch entry.Mode {
		case filemode.Dir:
			if err := r.readAll(entry.Hash, name, files); err != nil {
				return err
			}
		case filemode.Regular, filemode.Executable:
			data, err := r.blobData(entry.Hash)
			if err != nil {
				return fmt.Errorf("read %s of the status branch: %w", name, err)
			}
			files[name] = data
		default: // not ours
		}
	}
	return nil
}

func (r *Repo) blobData(hash plumbing.Hash) ([]byte, error) {
	blob, err := object.GetBlob(r.repo.Storer, hash)
	if err != nil {
		return nil, err
	}
	body, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, r.config.Limits.Blob))
}

// statusTip fetches the status branch; zero when there is none.
func (r *Repo) statusTip(ctx context.Context) (plumbing.Hash, error) {
	tip, err := r.fetch(ctx, r.config.StatusBranch)
	if errors.Is(err, remote.ErrNoRef) {
		return plumbing.ZeroHash, nil
	}
	return tip, err
}

// Publish commits the changed files on the status branch's tip, by compare-and-swap: when somebody else pushed meanwhile, the commit is made
// anew on theirs. A nil content deletes. Without any change the tip is returned, "" when there is none, and nothing is pushed.
func (r *Repo) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
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
		tip, err := r.publish(ctx, changed, message)
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

func (r *Repo) publish(ctx context.Context, changed map[string][]byte, message string) (plumbing.Hash, error) {
	tip, err := r.statusTip(ctx)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if r.repo == nil {
		return plumbing.ZeroHash, errors.New("the repository was not opened")
	}
	w := writer{repo: r, objects: memory.NewStorage()}
	base := plumbing.ZeroHash
	if !tip.IsZero() {
		commit, err := object.GetCommit(r.repo.Storer, tip)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		base = commit.TreeHash
	}
	tree, err := w.tree(base, maps.Clone(changed))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if tree == base {
		return tip, nil
	}
	if tree.IsZero() {
		if tree, err = w.keep(w.emptyTree()); err != nil {
			return plumbing.ZeroHash, err
		}
		if tree == base {
			return tip, nil
		}
	}
	next, err := w.commit(tree, tip, message)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return next, r.push(ctx, tip, next, &w)
}

// writer makes the objects of one push, and remembers which.
type writer struct {
	repo    *Repo
	objects *memory.Storage
	made    []plumbing.Hash
}

func (w *writer) keep(o plumbing.EncodedObject) (plumbing.Hash, error) {
	hash, err := w.objects.SetEncodedObject(o)
	if err == nil {
		w.made = append(w.made, hash)
	}
	return hash, err
}

// tree applies changes, by path, to a tree; zero stands for the empty tree, also as the result.
func (w *writer) tree(base plumbing.Hash, changed map[string][]byte) (plumbing.Hash, error) {
	entries := map[string]object.TreeEntry{}
	if !base.IsZero() {
		old, err := object.GetTree(w.repo.repo.Storer, base)
		if err != nil {
			return base, err
		}
		for _, entry := range old.Entries {
			entries[entry.Name] = entry
		}
	}
	below := map[string]map[string][]byte{}
	for name, content := range changed {
		dir, rest, nested := strings.Cut(name, "/")
		if nested {
			if below[dir] == nil {
				below[dir] = map[string][]byte{}
			}
			below[dir][rest] = content
			continue
		}
		if content == nil {
			delete(entries, name)
			continue
		}
		hash, err := w.blob(content)
		if err != nil {
			return base, err
		}
		entries[name] = object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}
	}
	for dir, files := range below {
		hash, err := w.tree(entries[dir].Hash, files)
		if err != nil {
			return base, err
		}
		if hash.IsZero() {
			delete(entries, dir)
			continue
		}
		entries[dir] = object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: hash}
	}
	return w.encodeTree(base, entries)
}

func (w *writer) encodeTree(base plumbing.Hash, entries map[string]object.TreeEntry) (plumbing.Hash, error) {
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	tree := &object.Tree{}
	for _, entry := range entries {
		tree.Entries = append(tree.Entries, entry)
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	o := w.objects.NewEncodedObject()
	if err := tree.Encode(o); err != nil {
		return base, err
	}
	if o.Hash() == base {
		return base, nil
	}
	return w.keep(o)
}

// emptyTree is what a branch without files has.
func (w *writer) emptyTree() plumbing.EncodedObject {
	o := w.objects.NewEncodedObject()
	o.SetType(plumbing.TreeObject)
	return o
}

func (w *writer) blob(content []byte) (plumbing.Hash, error) {
	o := w.objects.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	out, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := out.Write(content); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := out.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	if w.repo.repo.Storer.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	return w.keep(o)
}

func (w *writer) commit(tree, parent plumbing.Hash, message string) (plumbing.Hash, error) {
	author := w.repo.config.Author
	by := object.Signature{Name: author.Name, Email: author.Email, When: w.repo.config.Now().UTC()}
	commit := &object.Commit{Author: by, Committer: by, Message: message, TreeHash: tree}
	if !parent.IsZero() {
		commit.ParentHashes = []plumbing.Hash{parent}
	}
	o := w.objects.NewEncodedObject()
	if err := commit.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.keep(o)
}

// push sends exactly the new objects: Remote.Push would walk the whole history each time. The server moves the branch only if it is still where we
// saw it.
func (r *Repo) push(ctx context.Context, old, next plumbing.Hash, w *writer) error {
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, w.objects, false).Encode(w.made, 0); err != nil {
		return fmt.Errorf("pack the status commit: %w", err)
	}
	command := packp.Command{Name: plumbing.NewBranchReferenceName(r.config.StatusBranch), Old: old, New: next}
	if err := r.server.Push(ctx, command, &pack); errors.Is(err, remote.ErrRefused) {
		return r.rejected(ctx, old, err)
	} else if err != nil {
		return err
	}
	return copyObjects(w.objects, r.repo.Storer)
}

// rejected tells a lost race from a refusal.
func (r *Repo) rejected(ctx context.Context, old plumbing.Hash, err error) error {
	if now, tipErr := r.statusTip(ctx); tipErr == nil && now != old {
		return remote.ErrRaced
	}
	return fmt.Errorf("the server did not take the status commit: %w: check the rules and hooks of branch %s", err, r.config.StatusBranch)
}

func copyObjects(from *memory.Storage, to storer.EncodedObjectStorer) error {
	for _, o := range from.Objects {
		if _, err := to.SetEncodedObject(o); err != nil {
			return err
		}
	}
	return nil
}
