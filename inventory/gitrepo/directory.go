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

// ReadDirectory reads a directory as if every file that Git does not ignore were committed, with the checks, limits and
// digests of a commit. Symbolic links are not followed.
func ReadDirectory(dir string) (inventory.Snapshot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	defer root.Close()
	if isBare(dir) {
		return inventory.Snapshot{},
			fmt.Errorf("read the fleet: %s is a bare repository, which has commits but no files: "+
				"name a commit with --commit", dir)
	}
	ignored, err := gitignore.ReadPatterns(osfs.New(dir), nil)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read .gitignore: %w", err)
	}
	c := Config{}
	c.fillDefaults()
	store := memory.NewStorage()
	opened, err := git.Init(store, nil)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	w := &directoryWriter{files: root.FS(), store: store, ignored: gitignore.NewMatcher(ignored), limits: c.Limits}
	tree, err := w.writeTree(".", 0)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	commit, err := w.saveObject(&object.Commit{TreeHash: tree, Message: "working directory"})
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	snapshot, err := newRepo(c, opened).readCommit(commit)
	snapshot.Commit = Uncommitted
	return snapshot, err
}

func isBare(dir string) bool {
	opened, err := git.PlainOpen(dir)
	if err != nil {
		return false
	}
	_, err = opened.Worktree()
	return errors.Is(err, git.ErrIsBareRepository)
}

// directoryWriter writes the objects of a directory into memory.
type directoryWriter struct {
	files   fs.FS
	store   *memory.Storage
	ignored gitignore.Matcher
	limits  Limits
	seen    int
	total   int64
}

// writeTree writes one directory. Trees that are too deep or too large are cut right above the limit, for the reader of
// the tree to refuse.
func (w *directoryWriter) writeTree(dir string, depth int) (plumbing.Hash, error) {
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
		written, err := w.writeEntry(entry, name, depth)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries = append(tree.Entries, written)
	}
	slices.SortFunc(tree.Entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return w.saveObject(&tree)
}

// sortName is the name by which Git sorts an entry of a tree: a directory's name ends with a slash.
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

func (w *directoryWriter) writeEntry(entry fs.DirEntry, name string, depth int) (written object.TreeEntry, err error) {
	written.Name = entry.Name()
	switch {
	case !utf8.ValidString(name): // the reader refuses the name
		written.Mode, written.Hash = filemode.Regular, plumbing.ComputeHash(plumbing.BlobObject, nil)
	case entry.IsDir():
		written.Mode = filemode.Dir
		written.Hash, err = w.writeTree(name, depth+1)
	case entry.Type().IsRegular():
		written.Mode, written.Hash, err = w.writeBlob(entry, name)
	default: // a symbolic link or a device: the reader refuses the mode
		written.Mode, written.Hash = filemode.Symlink, plumbing.ComputeHash(plumbing.BlobObject, nil)
	}
	return written, err
}

// writeBlob writes one file, cut right above the size limit, so that the reader refuses the file.
func (w *directoryWriter) writeBlob(entry fs.DirEntry, name string) (filemode.FileMode, plumbing.Hash, error) {
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

func (w *directoryWriter) saveObject(o encodable) (plumbing.Hash, error) {
	encoded := w.store.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.store.SetEncodedObject(encoded)
}
