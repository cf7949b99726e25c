package gitrepo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/filename"
	"github.com/gitmetal/ingot/schemas"
)

// Refused means that a commit's tree cannot be used; the findings name the places.
type Refused struct {
	Commit   string
	Findings []schemas.Finding
}

// Error names the first finding and counts the rest.
func (e Refused) Error() string {
	more := ""
	if n := len(e.Findings) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("commit %s is refused: %s%s", e.Commit, e.Findings[0], more)
}

// maxProblems is how many problems of one tree are told.
const maxProblems = 100

// reader reads one tree.
type reader struct {
	repo   *Repo
	files  map[string]inventory.File
	blobs  map[plumbing.Hash]inventory.File
	folded map[string]string // path by its lower-case form
	seen   int               // entries, directories too: a few objects can name endless trees of them
	total  int64
	bad    []schemas.Finding
}

// tree is a commit's tree that was read.
type tree struct {
	snapshot inventory.Snapshot
	blobs    map[plumbing.Hash]inventory.File
}

// read gives the tree of a commit, from what was read before if it is there; else its blobs are shared with that.
func (r *Repo) read(hash plumbing.Hash) (inventory.Snapshot, error) {
	if known, ok := r.trees[hash]; ok {
		return known.snapshot, nil
	}
	commit, err := object.GetCommit(r.repo.Storer, hash)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	rd := reader{repo: r, files: map[string]inventory.File{}, blobs: map[plumbing.Hash]inventory.File{}, folded: map[string]string{}}
	if err := rd.tree(commit.TreeHash, "", 0); err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the tree of %s: %w", hash, err)
	}
	if len(rd.bad) > 0 {
		schemas.Sort(rd.bad)
		return inventory.Snapshot{}, Refused{Commit: hash.String(), Findings: rd.bad}
	}
	title, _, _ := strings.Cut(commit.Message, "\n")
	snapshot := inventory.Snapshot{Commit: hash.String(), Time: commit.Committer.When, Author: line(commit.Author.Name), Title: line(title), Files: rd.files}
	r.trees[hash] = tree{snapshot, rd.blobs}
	return snapshot, nil
}

func (rd *reader) refuse(file, hint, format string, args ...any) {
	if len(rd.bad) < maxProblems {
		rd.bad = append(rd.bad, schemas.Finding{Position: schemas.Position{File: filename.Printable(file)}, Severity: schemas.Error, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// maxLine is after how many bytes a commit's title and its author's name are cut.
const maxLine = 200

// line is text of a commit as it may be shown anywhere: it ends up in status and logs.
func line(text string) string {
	text = filename.Printable(strings.ToValidUTF8(text, "?"))
	for at := range text {
		if at > maxLine {
			return text[:at] + "…"
		}
	}
	return text
}

func (rd *reader) tree(hash plumbing.Hash, dir string, depth int) error {
	limits := rd.repo.config.Limits
	if depth > limits.Depth {
		rd.refuse(dir, "", "directories nest deeper than %d", limits.Depth)
		return nil
	}
	tree, err := object.GetTree(rd.repo.repo.Storer, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if rd.seen++; rd.seen > limits.Files {
			return rd.full(dir)
		}
		file := entry.Name
		if dir != "" { // path.Join would swallow a name such as ..
			file = dir + "/" + entry.Name
		}
		if !rd.goodName(file, entry.Name) {
			continue
		}
		if err := rd.entry(entry, file, depth); err != nil {
			return err
		}
	}
	return nil
}

// full says once that there are too many entries; the walk ends with the tree it is in.
func (rd *reader) full(dir string) error {
	if rd.seen == rd.repo.config.Limits.Files+1 {
		rd.refuse(dir, "", "the fleet has more than %d files and directories", rd.repo.config.Limits.Files)
	}
	return nil
}

func (rd *reader) entry(entry object.TreeEntry, file string, depth int) error {
	switch entry.Mode {
	case filemode.Dir:
		return rd.tree(entry.Hash, file, depth+1)
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		return rd.blob(entry, file)
	case filemode.Symlink:
		rd.refuse(file, "commit the file itself", "symbolic links are not read")
	case filemode.Submodule:
		rd.refuse(file, "commit the files themselves", "submodules are not read")
	default:
		rd.refuse(file, "", "mode %s is not read", entry.Mode)
	}
	return nil
}

func (rd *reader) blob(entry object.TreeEntry, file string) error {
	if known, ok := rd.known(entry.Hash); ok {
		known.Executable = entry.Mode == filemode.Executable
		if rd.fits(file, int64(len(known.Data))) {
			rd.keep(entry.Hash, file, known)
		}
		return nil
	}
	blob, err := object.GetBlob(rd.repo.repo.Storer, entry.Hash)
	if err != nil {
		return err
	}
	limits := rd.repo.config.Limits
	if blob.Size > limits.Blob {
		rd.refuse(file, "large files belong into the image mirror", "the file has more than %d bytes", limits.Blob)
		return nil
	}
	if !rd.fits(file, blob.Size) {
		return nil
	}
	body, err := blob.Reader()
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limits.Blob))
	if err != nil {
		return err
	}
	rd.keep(entry.Hash, file, inventory.File{Blob: entry.Hash.String(), Data: data, Executable: entry.Mode == filemode.Executable})
	return nil
}

// known finds a blob that was read before, in this tree or in another.
func (rd *reader) known(hash plumbing.Hash) (inventory.File, bool) {
	if file, ok := rd.blobs[hash]; ok {
		return file, true
	}
	for _, tree := range rd.repo.trees {
		if file, ok := tree.blobs[hash]; ok {
			return file, true
		}
	}
	return inventory.File{}, false
}

func (rd *reader) fits(file string, size int64) bool {
	limit := rd.repo.config.Limits.Total
	if rd.total+size > limit {
		rd.refuse(file, "", "the fleet has more than %d bytes", limit)
		return false
	}
	return true
}

func (rd *reader) keep(hash plumbing.Hash, file string, f inventory.File) {
	rd.total += int64(len(f.Data))
	rd.files[file] = f
	rd.blobs[hash] = f
}

// goodName refuses what cannot be a plain file name everywhere, and two paths that some file system takes for one.
func (rd *reader) goodName(file, name string) bool {
	folded := filename.Fold(file)
	other, taken := rd.folded[folded]
	switch {
	case !utf8.ValidString(name):
		rd.refuse(file, "", "the name is not UTF-8")
	case !filename.Plain(name):
		rd.refuse(file, "", "the name %q is not allowed", filename.Printable(name))
	case len(file) > filename.MaxPath:
		rd.refuse(strings.ToValidUTF8(file[:80], "")+"…", "", "the path is longer than %d bytes", filename.MaxPath)
	case taken && other == file:
		rd.refuse(file, "make the tree with git", "the name is in its directory twice")
	case taken && strings.EqualFold(other, file):
		rd.refuse(file, "rename one of them", "the name differs from %s only by case", other)
	case taken:
		rd.refuse(file, "rename one of them", "the name differs from %s only by how its letters are encoded", other)
	default:
		rd.folded[folded] = file
		return true
	}
	return false
}
