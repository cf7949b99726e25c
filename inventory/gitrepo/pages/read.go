package pages

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
)

// Limits bound what is read. None may be zero.
type Limits struct {
	Files int   // directories count too
	Blob  int64 // bytes of one page
	Total int64 // bytes of all pages
	Depth int   // directories
}

// errLarge is of one page that is larger than any of ours.
var errLarge = errors.New("the page is too large")

// Read gives the pages of a tree, by path. Whoever may push to the status branch is trusted with less than who writes the fleet: what is not a plain
// file under a plain name is not ours, and passed over; a page that is too large has no content; what is too much in all is an error.
func Read(store storer.EncodedObjectStorer, tree plumbing.Hash, limits Limits) (map[string][]byte, error) {
	l, err := List(store, tree, limits)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(l.blobs))
	for _, file := range l.Files() {
		if files[file], err = l.Read(file); err != nil && !errors.Is(err, errLarge) {
			return nil, err
		}
	}
	return files, nil
}

// Listing is the pages of a tree, each read when it is asked for. The zero Listing, and nil, has none.
type Listing struct {
	store  storer.EncodedObjectStorer
	limits Limits
	blobs  map[string]plumbing.Hash
	seen   int
	total  int64
}

// List finds the pages of a tree, by the rules of Read.
func List(store storer.EncodedObjectStorer, tree plumbing.Hash, limits Limits) (*Listing, error) {
	l := &Listing{store: store, limits: limits, blobs: map[string]plumbing.Hash{}}
	if err := l.tree(tree, "", 0); err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	return l, nil
}

// Files are the paths of all pages, sorted.
func (l *Listing) Files() []string {
	if l == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.blobs))
}

// Read gives one page; nil when it is not there.
func (l *Listing) Read(file string) ([]byte, error) {
	if l == nil {
		return nil, nil
	}
	blob, there := l.blobs[file]
	if !there {
		return nil, nil
	}
	data, err := l.page(blob)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %s: %w", file, err)
	}
	return data, nil
}

func (l *Listing) tree(hash plumbing.Hash, dir string, depth int) error {
	if depth > l.limits.Depth {
		return fmt.Errorf("%s: directories nest deeper than %d: %s", filename.Printable(dir), l.limits.Depth, notOurs)
	}
	tree, err := object.GetTree(l.store, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if l.seen++; l.seen > l.limits.Files {
			return fmt.Errorf("it has more than %d files and directories: %s", l.limits.Files, notOurs)
		}
		if !filename.Plain(entry.Name) || len(dir)+len(entry.Name) > filename.MaxPath {
			continue
		}
		if err := l.entry(entry, dir+entry.Name, depth); err != nil {
			return err
		}
	}
	return nil
}

// notOurs is what to do about a status branch that no daemon has written.
const notOurs = "no daemon wrote this: find out who pushes there, and set the branch back to the last commit of the daemon"

func (l *Listing) entry(entry object.TreeEntry, file string, depth int) error {
	switch entry.Mode {
	case filemode.Dir:
		return l.tree(entry.Hash, file+"/", depth+1)
	case filemode.Regular, filemode.Executable:
		l.blobs[file] = entry.Hash
	default: // not ours
	}
	return nil
}

func (l *Listing) page(hash plumbing.Hash) ([]byte, error) {
	blob, err := object.GetBlob(l.store, hash)
	if err != nil {
		return nil, err
	}
	if blob.Size > l.limits.Blob {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are read: no daemon wrote it", errLarge, blob.Size, l.limits.Blob)
	}
	if l.total += blob.Size; l.total > l.limits.Total {
		return nil, fmt.Errorf("with it there are %d bytes, at most %d are read of all: %s", l.total, l.limits.Total, notOurs)
	}
	body, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, l.limits.Blob))
}
