package pages

import (
	"fmt"
	"io"

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

// Read gives the pages of a tree, by path. Whoever may push to the status branch is trusted with less than who writes the fleet: what is not a plain
// file under a plain name is not ours, and passed over; what is too much is an error.
func Read(store storer.EncodedObjectStorer, tree plumbing.Hash, limits Limits) (map[string][]byte, error) {
	r := reader{store: store, limits: limits, files: map[string][]byte{}}
	if err := r.tree(tree, "", 0); err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	return r.files, nil
}

type reader struct {
	store  storer.EncodedObjectStorer
	limits Limits
	files  map[string][]byte
	seen   int
	total  int64
}

func (r *reader) tree(hash plumbing.Hash, dir string, depth int) error {
	if depth > r.limits.Depth {
		return fmt.Errorf("%s: directories nest deeper than %d: %s", filename.Printable(dir), r.limits.Depth, notOurs)
	}
	tree, err := object.GetTree(r.store, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if r.seen++; r.seen > r.limits.Files {
			return fmt.Errorf("it has more than %d files and directories: %s", r.limits.Files, notOurs)
		}
		if !filename.Plain(entry.Name) || len(dir)+len(entry.Name) > filename.MaxPath {
			continue
		}
		if err := r.entry(entry, dir+entry.Name, depth); err != nil {
			return err
		}
	}
	return nil
}

// notOurs is what to do about a status branch that no daemon has written.
const notOurs = "no daemon wrote this: find out who pushes there, and set the branch back to the last commit of the daemon"

func (r *reader) entry(entry object.TreeEntry, file string, depth int) error {
	switch entry.Mode {
	case filemode.Dir:
		return r.tree(entry.Hash, file+"/", depth+1)
	case filemode.Regular, filemode.Executable:
		data, err := r.page(entry.Hash)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		r.files[file] = data
	default: // not ours
	}
	return nil
}

func (r *reader) page(hash plumbing.Hash) ([]byte, error) {
	blob, err := object.GetBlob(r.store, hash)
	if err != nil {
		return nil, err
	}
	if r.total += blob.Size; blob.Size > r.limits.Blob || r.total > r.limits.Total {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read of a file and %d of all: %s", blob.Size, r.limits.Blob, r.limits.Total, notOurs)
	}
	body, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, r.limits.Blob))
}
