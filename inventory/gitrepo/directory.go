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
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitattributes"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gitprogram"
)

// Uncommitted is the Commit of a snapshot that ReadDirectory made.
const Uncommitted = "uncommitted"

// ReadDirectory reads a directory as if every file that Git does not ignore were committed, with the checks, limits and
// digests of a commit. In a clone the git program stores the files, with the conversions of the clone's settings, such
// as core.autocrlf. Elsewhere the files are read as they are. Symbolic links are not followed.
func ReadDirectory(dir string) (inventory.Snapshot, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	if isBare(dir) {
		return inventory.Snapshot{},
			fmt.Errorf("read the fleet: %s is a bare repository, which has commits but no files: "+
				"name a commit with --commit", dir)
	}
	c := Config{}
	c.fillDefaults()
	tree, store, drop, err := storeDirectory(dir, c.Limits)
	defer drop()
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	commit, err := saveObject(store, &object.Commit{TreeHash: tree, Message: "working directory"})
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	snapshot, err := readStored(c, store, commit)
	if err != nil {
		return snapshot, err
	}
	return readWithShared(dir, c, snapshot, layer{tree, store})
}

// readStored reads a commit of files that are not committed.
func readStored(c Config, store storage.Storer, commit plumbing.Hash) (inventory.Snapshot, error) {
	opened, err := git.Init(store, nil)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet: %w", err)
	}
	snapshot, err := newRepo(c, opened).readCommit(commit)
	snapshot.Commit = Uncommitted
	return snapshot, err
}

// storeDirectory gives the tree of a directory, and a store with its objects. Call drop after the last read.
func storeDirectory(dir string, limits Limits) (tree plumbing.Hash, store storage.Storer, drop func(), err error) {
	tree, store, drop, err = storeByProgram(dir, limits)
	switch {
	case errors.Is(err, gitprogram.ErrNothing), errors.Is(err, git.ErrRepositoryNotExists):
	case errors.Is(err, gitprogram.ErrUnusable):
		if why := whatConverts(dir); why != "" {
			return tree, store, drop, fmt.Errorf("%s says that Git stores other bytes than the files here have, and %w: "+
				"mend that, or name a commit", why, err)
		}
	default:
		return tree, store, drop, err
	}
	drop()
	tree, store, err = storeFiles(dir, limits)
	return tree, store, func() {}, err
}

// storeByProgram stores a directory of a clone by the git program.
func storeByProgram(dir string, limits Limits) (tree plumbing.Hash, store storage.Storer, drop func(), err error) {
	drop = func() {}
	clone, err := openAround(dir)
	if err != nil {
		return tree, nil, drop, err
	}
	scratch, err := os.MkdirTemp("", "ingot-tree-")
	if err != nil {
		return tree, nil, func() { _ = closeStore(clone.Storer) }, err
	}
	added := filesystem.NewStorage(osfs.New(scratch), cache.NewObjectLRUDefault())
	drop = func() { _ = errors.Join(closeStore(clone.Storer), added.Close(), os.RemoveAll(scratch)) }
	id, err := gitprogram.StoreTree(dir, scratch, gitprogram.Limits{Files: limits.Files, Total: limits.Total})
	return plumbing.NewHash(id), layeredStore{memory.NewStorage(), []storer.EncodedObjectStorer{added, clone.Storer}},
		drop, err
}

// layeredStore is a store in memory over stores that are only read.
type layeredStore struct {
	*memory.Storage
	below []storer.EncodedObjectStorer
}

// EncodedObject implements storer.EncodedObjectStorer.
func (l layeredStore) EncodedObject(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	found, err := l.Storage.EncodedObject(kind, hash)
	for _, store := range l.below {
		if err == nil {
			break
		}
		found, err = store.EncodedObject(kind, hash)
	}
	return found, err
}

// whatConverts names a setting by which Git may store other bytes than a file of the work tree has, or gives "".
func whatConverts(dir string) string {
	clone, err := openAround(dir)
	if err != nil {
		return ""
	}
	defer func() { _ = closeStore(clone.Storer) }()
	if settings, err := clone.ConfigScoped(config.SystemScope); err == nil {
		if converts := settings.Raw.Section("core").Option("autocrlf"); converts != "" && converts != "false" {
			return "core.autocrlf"
		}
	}
	work, err := clone.Worktree()
	if err != nil {
		return ""
	}
	patterns, err := gitattributes.ReadPatterns(work.Filesystem, nil)
	if err != nil || len(patterns) > 0 {
		return ".gitattributes"
	}
	return ""
}

// storeFiles stores the files of a directory as they are.
func storeFiles(dir string, limits Limits) (tree plumbing.Hash, store *memory.Storage, err error) {
	store = memory.NewStorage()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return tree, store, err
	}
	defer root.Close()
	ignored, err := gitignore.ReadPatterns(osfs.New(dir), nil)
	if err != nil {
		return tree, store, fmt.Errorf("read .gitignore: %w", err)
	}
	w := &directoryWriter{files: root.FS(), store: store, ignored: gitignore.NewMatcher(ignored), limits: limits}
	tree, err = w.writeTree(".", 0)
	return tree, store, err
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
	return saveObject(w.store, &tree)
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

func saveObject(store storer.EncodedObjectStorer, o encodable) (plumbing.Hash, error) {
	encoded := store.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	return store.SetEncodedObject(encoded)
}
