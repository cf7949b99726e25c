package gittree

import (
	"bytes"
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Writer makes the objects of one push.
type Writer struct {
	store   storer.EncodedObjectStorer // objects of earlier commits
	objects *memory.Storage
	made    []plumbing.Hash
}

// NewWriter makes a Writer. The store is not written before StoreObjects.
func NewWriter(store storer.EncodedObjectStorer) *Writer {
	return &Writer{store: store, objects: memory.NewStorage()}
}

// ApplyChanges applies changes, by path, to a tree (zero for none) and gives the new tree. A nil content deletes a
// file. Without any change the result is the old tree.
func (w *Writer) ApplyChanges(base plumbing.Hash, changed map[string][]byte) (plumbing.Hash, error) {
	tree, err := w.changeTree(base, maps.Clone(changed))
	if err != nil || !tree.IsZero() || base.IsZero() {
		return tree, err
	}
	return w.addObject(w.emptyTree())
}

// AddCommit adds a commit.
func (w *Writer) AddCommit(commit *object.Commit) (plumbing.Hash, error) {
	o := w.objects.NewEncodedObject()
	if err := commit.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.addObject(o)
}

// EncodePack gives a pack of exactly the new objects.
func (w *Writer) EncodePack() (*bytes.Buffer, error) {
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, w.objects, false).Encode(w.made, 0); err != nil {
		return nil, fmt.Errorf("pack the status commit: %w", err)
	}
	return &pack, nil
}

// StoreObjects puts the new objects into the store.
func (w *Writer) StoreObjects() error {
	for _, o := range w.objects.Objects {
		if _, err := w.store.SetEncodedObject(o); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) addObject(o plumbing.EncodedObject) (plumbing.Hash, error) {
	hash, err := w.objects.SetEncodedObject(o)
	if err == nil {
		w.made = append(w.made, hash)
	}
	return hash, err
}

// changeTree applies changes, by path, to a tree. Zero stands for the empty tree, also in the result.
func (w *Writer) changeTree(base plumbing.Hash, changed map[string][]byte) (plumbing.Hash, error) {
	entries := map[string]object.TreeEntry{}
	if !base.IsZero() {
		old, err := object.GetTree(w.store, base)
		if err != nil {
			return base, err
		}
		for _, entry := range old.Entries {
			entries[entry.Name] = entry
		}
	}
	changedBelow := map[string]map[string][]byte{}
	for name, content := range changed {
		dir, rest, nested := strings.Cut(name, "/")
		if nested {
			if changedBelow[dir] == nil {
				changedBelow[dir] = map[string][]byte{}
			}
			changedBelow[dir][rest] = content
			continue
		}
		if content == nil {
			delete(entries, name)
			continue
		}
		hash, err := w.addBlob(content)
		if err != nil {
			return base, err
		}
		entries[name] = object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}
	}
	for dir, files := range changedBelow {
		subtree := plumbing.ZeroHash
		if entries[dir].Mode == filemode.Dir { // a file in the place of a directory gives way
			subtree = entries[dir].Hash
		}
		hash, err := w.changeTree(subtree, files)
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

func (w *Writer) encodeTree(base plumbing.Hash, entries map[string]object.TreeEntry) (plumbing.Hash, error) {
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
	return w.addObject(o)
}

// emptyTree is the tree of a branch without files.
func (w *Writer) emptyTree() plumbing.EncodedObject {
	o := w.objects.NewEncodedObject()
	o.SetType(plumbing.TreeObject)
	return o
}

func (w *Writer) addBlob(content []byte) (plumbing.Hash, error) {
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
	if w.store.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	return w.addObject(o)
}
