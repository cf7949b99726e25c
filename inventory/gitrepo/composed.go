package gitrepo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// layer is the tree of a directory, and the store with its objects.
type layer struct {
	tree  plumbing.Hash
	store storage.Storer
}

// readWithShared reads a directory again, together with the shared directories of its clone, as they would be in one
// commit, and names its path in the clone. A directory without settings, or in no clone, stays as it was read.
func readWithShared(dir string, c Config, snapshot inventory.Snapshot, fleet layer) (inventory.Snapshot, error) {
	if _, settings := snapshot.Files[schemas.FleetFile]; !settings {
		return snapshot, nil
	}
	top, inside := findInClone(dir)
	snapshot.Path = inside
	shared := listShared(inside, snapshot.Files)
	if len(shared) == 0 {
		return snapshot, nil
	}
	layers := map[string]layer{inside: fleet}
	for _, name := range shared {
		at := filepath.Join(top, filepath.FromSlash(name))
		if info, err := os.Lstat(at); err != nil || !info.IsDir() || strings.HasPrefix(inside, name+"/") {
			continue // the reader of the tree says what is wrong
		}
		tree, store, drop, err := storeDirectory(at, c.Limits)
		defer drop()
		if err != nil {
			return inventory.Snapshot{}, fmt.Errorf("read the shared directory %s: %w", name, err)
		}
		layers[name] = layer{tree, store}
	}
	store := layeredStore{Storage: memory.NewStorage()}
	for _, l := range layers {
		store.below = append(store.below, l.store)
	}
	root, err := composeTree(store, layers, "")
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	commit, err := saveObject(store, &object.Commit{TreeHash: root, Message: "working directory"})
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the fleet in %s: %w", dir, err)
	}
	c.Path = inside
	return readStored(c, store, commit)
}

// findInClone gives the top of the clone around a directory, and the directory's path there; "" without a clone.
func findInClone(dir string) (top, inside string) {
	clone, err := openAround(dir)
	if err != nil {
		return "", ""
	}
	defer func() { _ = closeStore(clone.Storer) }()
	work, err := clone.Worktree()
	if err != nil {
		return "", ""
	}
	top = work.Filesystem.Root()
	if inside, err = relativePath(top, dir); err != nil || inside == "." {
		return "", ""
	}
	return top, inside
}

// composeTree stores the tree of a directory that has trees at paths below, none inside another.
func composeTree(store storer.EncodedObjectStorer, layers map[string]layer, dir string) (plumbing.Hash, error) {
	if l, is := layers[strings.TrimSuffix(dir, "/")]; is {
		return l.tree, nil
	}
	var names []string
	for at := range layers {
		if rest, below := strings.CutPrefix(at, dir); below {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var tree object.Tree
	for _, name := range slices.Compact(names) {
		hash, err := composeTree(store, layers, dir+name+"/")
		if err != nil {
			return hash, err
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash})
	}
	return saveObject(store, &tree)
}
