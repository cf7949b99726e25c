// Package gittree reads and writes Git trees as files by path: the pages of a status branch, and the names that are
// plain files on every system. Call ReadPages, or ListPages to read pages on demand, and NewWriter for a push. Do not
// use names of a tree that IsPlainName refuses, and do not print names before MaskUnprintable.
package gittree

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
)

// Limits bound what is read. No limit may be zero.
type Limits struct {
	Files int   // including directories
	Blob  int64 // bytes of one page
	Total int64 // bytes of all pages
	Depth int   // nested directories
}

// errLarge means that a page is larger than any page of a daemon.
var errLarge = errors.New("the page is too large")

// ReadFile gives a file of a commit, by its path; nil without the file. A file with more bytes than most is an error.
func ReadFile(store storer.EncodedObjectStorer, commit plumbing.Hash, path string, most int64) ([]byte, error) {
	at, err := object.GetCommit(store, commit)
	if err != nil {
		return nil, err
	}
	file, err := at.File(path)
	switch {
	case errors.Is(err, object.ErrFileNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case file.Size > most:
		return nil, fmt.Errorf("%s is too large", path)
	}
	text, err := file.Contents()
	return []byte(text), err
}

// ReadPages gives the pages of a tree, by path. Pushing to the status branch takes less trust than pushing to the
// fleet: anything but a plain file under a plain name is skipped, a page that is too large has no content, and a total
// above the limits is an error.
func ReadPages(store storer.EncodedObjectStorer, tree plumbing.Hash, limits Limits) (map[string][]byte, error) {
	l, err := ListPages(store, tree, limits)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(l.blobs))
	for _, file := range l.ListFiles() {
		if files[file], err = l.ReadPage(file); err != nil && !errors.Is(err, errLarge) {
			return nil, err
		}
	}
	return files, nil
}

// Listing is the pages of a tree. Pages are read on demand. The zero Listing and a nil Listing are empty.
type Listing struct {
	store  storer.EncodedObjectStorer
	limits Limits
	blobs  map[string]plumbing.Hash
	seen   int
	total  int64
}

// ListPages finds the pages of a tree, by the rules of ReadPages.
func ListPages(store storer.EncodedObjectStorer, tree plumbing.Hash, limits Limits) (*Listing, error) {
	l := &Listing{store: store, limits: limits, blobs: map[string]plumbing.Hash{}}
	if err := l.listTree(tree, "", 0); err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	return l, nil
}

// ListFiles gives the paths of all pages, sorted.
func (l *Listing) ListFiles() []string {
	if l == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.blobs))
}

// ReadPage gives one page, nil without such a page.
func (l *Listing) ReadPage(file string) ([]byte, error) {
	if l == nil {
		return nil, nil
	}
	blob, there := l.blobs[file]
	if !there {
		return nil, nil
	}
	data, err := l.readBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %s: %w", file, err)
	}
	return data, nil
}

func (l *Listing) listTree(hash plumbing.Hash, dir string, depth int) error {
	if depth > l.limits.Depth {
		return fmt.Errorf("%s: directories nest deeper than %d: %s", MaskUnprintable(dir), l.limits.Depth,
			foreignBranch)
	}
	tree, err := object.GetTree(l.store, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if l.seen++; l.seen > l.limits.Files {
			return fmt.Errorf("it has more than %d files and directories: %s", l.limits.Files, foreignBranch)
		}
		if !IsPlainName(entry.Name) || len(dir)+len(entry.Name) > MaxPath {
			continue
		}
		if err := l.listEntry(entry, dir+entry.Name, depth); err != nil {
			return err
		}
	}
	return nil
}

// foreignBranch says what to do about a status branch that no daemon wrote.
const foreignBranch = "no daemon wrote this: find out who pushes there, and set the branch back to the last commit " +
	"of the daemon"

func (l *Listing) listEntry(entry object.TreeEntry, file string, depth int) error {
	switch entry.Mode {
	case filemode.Dir:
		return l.listTree(entry.Hash, file+"/", depth+1)
	case filemode.Regular, filemode.Executable:
		l.blobs[file] = entry.Hash
	default: // no page of a daemon
	}
	return nil
}

func (l *Listing) readBlob(hash plumbing.Hash) ([]byte, error) {
	blob, err := object.GetBlob(l.store, hash)
	if err != nil {
		return nil, err
	}
	if blob.Size > l.limits.Blob {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are read: no daemon wrote it", errLarge, blob.Size,
			l.limits.Blob)
	}
	if l.total += blob.Size; l.total > l.limits.Total {
		return nil, fmt.Errorf("with it there are %d bytes, at most %d are read of all: %s", l.total, l.limits.Total,
			foreignBranch)
	}
	body, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, l.limits.Blob))
}
