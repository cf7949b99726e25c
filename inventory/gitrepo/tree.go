package gitrepo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/schemas"
)

// Refused means that a commit's tree cannot be used. The findings name the places.
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

// maxProblems is the most findings of one tree.
const maxProblems = 100

// treeReader reads one tree.
type treeReader struct {
	repo     *Repo
	files    map[string]inventory.File
	blobs    map[plumbing.Hash]inventory.File
	above    string            // in front of the paths in findings: the way from the fleet's directory to the repository
	folded   map[string]string // path by its folded form
	seen     int               // entries with directories: few objects can name endless trees
	total    int64
	findings []schemas.Finding
}

// loadedTree is the tree of a commit in memory.
type loadedTree struct {
	snapshot inventory.Snapshot
	blobs    map[plumbing.Hash]inventory.File
}

// readCommit gives the tree of a commit. Trees in memory are not read again, and share their blobs with new trees.
func (r *Repo) readCommit(hash plumbing.Hash) (inventory.Snapshot, error) {
	if known, ok := r.trees[hash]; ok {
		return known.snapshot, nil
	}
	commit, err := object.GetCommit(r.repo.Storer, hash)
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	root, found, err := r.findDirectory(commit, r.config.Path)
	if err == nil && !found {
		err = NoFleet{commit.Hash.String(), r.config.Path}
	}
	if err != nil {
		return inventory.Snapshot{}, err
	}
	rd := treeReader{repo: r, files: map[string]inventory.File{}, blobs: map[plumbing.Hash]inventory.File{},
		folded: map[string]string{}}
	err = rd.readTree(root, "", 0)
	shared := map[string]inventory.File{}
	if err == nil {
		shared, err = rd.readShared(commit)
	}
	if err != nil {
		return inventory.Snapshot{}, fmt.Errorf("read the tree of %s: %w", hash, err)
	}
	if len(rd.findings) > 0 {
		schemas.SortFindings(rd.findings)
		return inventory.Snapshot{}, Refused{Commit: hash.String(), Findings: rd.findings}
	}
	title, _, _ := strings.Cut(commit.Message, "\n")
	snapshot := inventory.Snapshot{Commit: hash.String(), Path: r.config.Path, Time: commit.Committer.When,
		Author: printableLine(commit.Author.Name), Title: printableLine(title), Files: rd.files, Shared: shared}
	r.trees[hash] = loadedTree{snapshot, rd.blobs}
	return snapshot, nil
}

// NoFleet means that a commit has no directory where the fleet is to be.
type NoFleet struct{ Commit, Path string }

// Error says where the fleet is looked for.
func (e NoFleet) Error() string {
	return fmt.Sprintf("commit %.12s has no directory %s, in which the fleet is to be: nothing is changed; bring the "+
		"directory back, or name another in fleet.path", e.Commit, e.Path)
}

// findDirectory gives the tree of a directory in a commit, "" for the whole. What is beside the directory is not read.
func (r *Repo) findDirectory(commit *object.Commit, directory string) (at plumbing.Hash, found bool, err error) {
	if at = commit.TreeHash; directory == "" {
		return at, true, nil
	}
	for name := range strings.SplitSeq(directory, "/") {
		tree, err := object.GetTree(r.repo.Storer, at)
		if err != nil {
			return at, false, fmt.Errorf("read the tree of %s: %w", commit.Hash, err)
		}
		i := slices.IndexFunc(tree.Entries,
			func(e object.TreeEntry) bool { return e.Name == name && e.Mode == filemode.Dir })
		if i < 0 {
			return at, false, nil
		}
		at = tree.Entries[i].Hash
	}
	return at, true, nil
}

func (rd *treeReader) addFinding(file, hint, format string, args ...any) {
	if len(rd.findings) < maxProblems {
		rd.findings = append(rd.findings,
			schemas.Finding{Position: schemas.Position{File: gittree.MaskUnprintable(rd.shown(file))}, Severity: schemas.Error,
				Message: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// maxLine is the number of bytes after which a commit's title and author are cut.
const maxLine = 200

// printableLine makes text of a commit safe for status and logs.
func printableLine(text string) string {
	text = gittree.MaskUnprintable(strings.ToValidUTF8(text, "?"))
	for at := range text {
		if at > maxLine {
			return text[:at] + "…"
		}
	}
	return text
}

func (rd *treeReader) readTree(hash plumbing.Hash, dir string, depth int) error {
	limits := rd.repo.config.Limits
	if depth > limits.Depth {
		rd.addFinding(dir, "", "directories nest deeper than %d", limits.Depth)
		return nil
	}
	tree, err := object.GetTree(rd.repo.repo.Storer, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if rd.seen++; rd.seen > limits.Files {
			return rd.reportFull(dir)
		}
		file := entry.Name
		if dir != "" { // path.Join would resolve a name such as ..
			file = dir + "/" + entry.Name
		}
		if !rd.checkName(file, entry.Name) {
			continue
		}
		if err := rd.readEntry(entry, file, depth); err != nil {
			return err
		}
	}
	return nil
}

// reportFull reports once that there are too many entries.
func (rd *treeReader) reportFull(dir string) error {
	if rd.seen == rd.repo.config.Limits.Files+1 {
		rd.addFinding(dir, "", "the fleet has more than %d files and directories", rd.repo.config.Limits.Files)
	}
	return nil
}

func (rd *treeReader) readEntry(entry object.TreeEntry, file string, depth int) error {
	switch entry.Mode {
	case filemode.Dir:
		return rd.readTree(entry.Hash, file, depth+1)
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		return rd.readBlob(entry, file)
	case filemode.Symlink:
		rd.addFinding(file, "commit the file itself", "symbolic links are not read")
	case filemode.Submodule:
		rd.addFinding(file, "commit the files themselves", "submodules are not read")
	default:
		rd.addFinding(file, "", "mode %s is not read", entry.Mode)
	}
	return nil
}

func (rd *treeReader) readBlob(entry object.TreeEntry, file string) error {
	if known, ok := rd.findBlob(entry.Hash); ok {
		known.Executable = entry.Mode == filemode.Executable
		if rd.fitsTotal(file, int64(len(known.Data))) {
			rd.keepFile(entry.Hash, file, known)
		}
		return nil
	}
	blob, err := object.GetBlob(rd.repo.repo.Storer, entry.Hash)
	if err != nil {
		return err
	}
	limits := rd.repo.config.Limits
	if blob.Size > limits.Blob {
		rd.addFinding(file, "large files belong into the image mirror", "the file has more than %d bytes", limits.Blob)
		return nil
	}
	if !rd.fitsTotal(file, blob.Size) {
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
	rd.keepFile(entry.Hash, file, inventory.File{Blob: entry.Hash.String(), Data: data,
		Executable: entry.Mode == filemode.Executable})
	return nil
}

// findBlob finds a blob in this tree or in a tree that was read before.
func (rd *treeReader) findBlob(hash plumbing.Hash) (inventory.File, bool) {
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

func (rd *treeReader) fitsTotal(file string, size int64) bool {
	limit := rd.repo.config.Limits.Total
	if rd.total+size > limit {
		rd.addFinding(file, "", "the fleet has more than %d bytes", limit)
		return false
	}
	return true
}

func (rd *treeReader) keepFile(hash plumbing.Hash, file string, f inventory.File) {
	rd.total += int64(len(f.Data))
	rd.files[file] = f
	rd.blobs[hash] = f
}

// checkName refuses names that are no plain file name on some system, and two paths that some file system takes for
// one.
func (rd *treeReader) checkName(file, name string) bool {
	folded := gittree.FoldName(file)
	other, taken := rd.folded[folded]
	switch {
	case !utf8.ValidString(name):
		rd.addFinding(file, "", "the name is not UTF-8")
	case !gittree.IsPlainName(name):
		rd.addFinding(file, "", "the name %q is not allowed", gittree.MaskUnprintable(name))
	case len(file) > gittree.MaxPath:
		short := strings.ToValidUTF8(file[:80], "") + "…"
		rd.addFinding(short, "", "the path is longer than %d bytes", gittree.MaxPath)
	case taken && other == file:
		rd.addFinding(file, "make the tree with git", "the name is in its directory twice")
	case taken && strings.EqualFold(other, file):
		rd.addFinding(file, "rename one of them", "the name differs from %s only by case", other)
	case taken:
		rd.addFinding(file, "rename one of them", "the name differs from %s only by how its letters are encoded", other)
	default:
		rd.folded[folded] = file
		return true
	}
	return false
}
