package gitrepo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitmetal/ingot/inventory"
)

// Uncommitted is the Commit of a snapshot that ReadDirectory made.
const Uncommitted = "uncommitted"

// ReadDirectory reads a directory as if all of it were committed, but for what Git would ignore, with the same checks and limits. It follows no
// symbolic link. Its digests are those the commit would have.
func ReadDirectory(dir string) (inventory.Snapshot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	defer root.Close()
	if bare(dir) {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %s is a bare repository, which has commits but no files: name a commit with --commit", dir)
	}
	ignored, err := gitignore.ReadPatterns(osfs.New(dir), nil)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read .gitignore: %w", err)
	}
	c := Config{}
	c.complete()
	store := memory.NewStorage()
	opened, err := git.Init(store, nil)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	w := &committer{files: root.FS(), store: store, ignored: gitignore.NewMatcher(ignored), limits: c.Limits}
	tree, err := w.tree(".", 0)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	commit, err := w.save(&object.Commit{TreeHash: tree, Message: "working directory"})
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	snapshot, err := newRepo(c, opened).read(commit)
	snapshot.Commit = Uncommitted
	return snapshot, err
}

func bare(dir string) bool {
	opened, err := git.PlainOpen(dir)
	if err != nil {
		return false
	}
	_, err = opened.Worktree()
	return errors.Is(err, git.ErrIsBareRepository)
}

// committer writes a directory's objects into memory.
type committer struct {
	files   fs.FS
	store   *memory.Storage
	ignored gitignore.Matcher
	limits  Limits
	seen    int
	total   int64
}

// tree writes one directory; what is too deep or too much is left to the reader of the tree to refuse.
func (w *committer) tree(dir string, depth int) (plumbing.Hash, error) {
	entries, err := fs.ReadDir(w.files, dir)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var tree object.Tree
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		if entry.Name() == ".git" || w.ignored.Match(strings.Split(name, "/"), entry.IsDir()) {
			continue
		}
		if w.seen++; w.seen > w.limits.Files+1 || depth > w.limits.Depth+1 {
			break
		}
		made, err := w.entry(entry, name, depth)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries = append(tree.Entries, made)
	}
	slices.SortFunc(tree.Entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return w.save(&tree)
}

// sortName is a name as trees are sorted by: a directory's ends with a slash.
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

func (w *committer) entry(entry fs.DirEntry, name string, depth int) (made object.TreeEntry, err error) {
	made.Name = entry.Name()
	switch {
	case !utf8.ValidString(name): // refused by its name
		made.Mode, made.Hash = filemode.Regular, plumbing.ComputeHash(plumbing.BlobObject, nil)
	case entry.IsDir():
		made.Mode = filemode.Dir
		made.Hash, err = w.tree(name, depth+1)
	case entry.Type().IsRegular():
		made.Mode, made.Hash, err = w.blob(entry, name)
	default: // a symbolic link, a device: refused by its mode
		made.Mode, made.Hash = filemode.Symlink, plumbing.ComputeHash(plumbing.BlobObject, nil)
	}
	return made, err
}

// blob writes one file, cut right above the limit, at which it is refused.
func (w *committer) blob(entry fs.DirEntry, name string) (filemode.FileMode, plumbing.Hash, error) {
	info, err := entry.Info()
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	file, err := w.files.Open(name)
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, min(w.limits.Blob, w.limits.Total-w.total)+1))
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	w.total = min(w.total+int64(len(data)), w.limits.Total)
	encoded := w.store.NewEncodedObject()
	encoded.SetType(plumbing.BlobObject)
	writer, err := encoded.Writer()
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	if _, err := writer.Write(data); err != nil {
		return 0, plumbing.ZeroHash, err
	}
	hash, err := w.store.SetEncodedObject(encoded)
	mode := filemode.Regular
	if info.Mode()&0o111 != 0 {
		mode = filemode.Executable
	}
	return mode, hash, err
}

// encodable is a commit or a tree.
type encodable interface {
	Encode(into plumbing.EncodedObject) error
}

func (w *committer) save(o encodable) (plumbing.Hash, error) {
	encoded := w.store.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.store.SetEncodedObject(encoded)
}
