// Package gitprogram runs the git program in a clone on this machine, for what go-git does not do. StoreTree stores the
// files of a directory as `git add` would, with the conversions of the clone's settings; FetchMissing fetches objects
// that a partial clone left out; FindDirectories finds the parts of a clone that go-git cannot open. The clone's index,
// refs and work tree are not written. Do not run git elsewhere: environment, deadline and limits are set here.
package gitprogram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrUnusable means that the git program is not installed, or refuses the clone as a whole: for example a clone of
// another user.
var ErrUnusable = errors.New("the git program cannot be used here")

// ErrNothing means that Git would store nothing of a directory: the directory is ignored, or empty.
var ErrNothing = errors.New("git stores nothing of the directory")

// Limits bound StoreTree.
type Limits struct {
	Files int   // that are new or changed
	Total int64 // bytes of files that are new or changed
}

// timeout bounds one use of the git program. A fetch of missing objects is the longest.
const timeout = 2 * time.Minute

// maxOutput is the most bytes of the git program's output that are read.
const maxOutput = 256 << 20

// run is one use of the git program in a directory.
type run struct {
	ctx   context.Context
	dir   string
	extra []string // environment
}

// git runs the program with an input, and gives its output without the last line feed.
func (r run) git(input string, args ...string) (string, error) {
	verb := args[0]
	if verb == "-c" { // a setting, and then the verb
		verb = args[2]
	}
	settings := []string{"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "core.safecrlf=false",
		"-c", "advice.addEmbeddedRepo=false"}
	command := exec.CommandContext(r.ctx, "git", append(settings, args...)...)
	command.Dir, command.Stdin = r.dir, strings.NewReader(input)
	command.Env = append(withoutClone(os.Environ()), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0")
	command.Env = append(command.Env, r.extra...)
	command.WaitDelay = time.Second
	var out, words limitedBuffer
	command.Stdout, command.Stderr = &out, &words
	err := command.Run()
	switch said := firstLine(words.String()); {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: it is not installed", ErrUnusable)
	case err != nil && r.ctx.Err() != nil:
		return "", fmt.Errorf("git %s took longer than %s", verb, timeout)
	case err != nil && strings.Contains(said, "dubious ownership"):
		return "", fmt.Errorf("%w: the clone belongs to another user: git config --global --add safe.directory %s",
			ErrUnusable, r.dir)
	case err != nil && said != "":
		return "", fmt.Errorf("git %s: %s", verb, said)
	case err != nil:
		return "", fmt.Errorf("git %s: %w", verb, err)
	case out.full:
		return "", fmt.Errorf("git %s gave more than %d bytes", verb, maxOutput)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// limitedBuffer keeps the first maxOutput bytes.
type limitedBuffer struct {
	bytes.Buffer
	full bool
}

// Write never fails.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	room := max(maxOutput-b.Len(), 0)
	b.full = b.full || len(p) > room
	_, _ = b.Buffer.Write(p[:min(len(p), room)])
	return len(p), nil
}

// withoutClone drops the variables that name another clone than the one around the directory. A hook of Git has them.
func withoutClone(environment []string) []string {
	local := []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX",
		"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_CONFIG", "GIT_GRAFT_FILE"}
	return slices.DeleteFunc(slices.Clone(environment), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(local, name)
	})
}

// firstLine gives the first line of an error of git that says what went wrong.
func firstLine(said string) string {
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "warning:") {
			return line
		}
	}
	return ""
}

// Directories are the parts of a clone, as absolute paths.
type Directories struct {
	Git    string // of this work tree
	Common string // of all work trees
	Top    string // of the work tree; "" in a bare clone
}

// FindDirectories finds the clone around a directory.
func FindDirectories(dir string) (d Directories, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r := run{ctx: ctx, dir: dir}
	found, err := r.git("", "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
	if err != nil {
		return d, err
	}
	d.Git, d.Common, _ = strings.Cut(found, "\n")
	if bare, err := r.git("", "rev-parse", "--is-bare-repository"); err != nil || bare == "true" {
		return d, err
	}
	d.Top, err = r.git("", "rev-parse", "--path-format=absolute", "--show-toplevel")
	return d, err
}

// StoreTree stores a directory of a work tree as Git would store it, and gives the tree's object id. New objects are
// written below scratch/objects, where scratch is an empty directory of the caller. Files that a sparse checkout left
// out are part of the tree. ErrNothing when Git would store nothing.
func StoreTree(dir, scratch string, limits Limits) (tree string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r := run{ctx: ctx, dir: dir}
	paths, err := r.git("", "rev-parse", "--path-format=absolute", "--git-path", "index", "--git-path", "objects")
	if err != nil {
		return "", err
	}
	index, stored, _ := strings.Cut(paths, "\n")
	objects, copied := filepath.Join(scratch, "objects"), filepath.Join(scratch, "index")
	if err := errors.Join(os.Mkdir(objects, 0o700), copyIndex(index, copied)); err != nil {
		return "", fmt.Errorf("copy the index: %w", err)
	}
	r.extra = []string{"GIT_INDEX_FILE=" + copied}
	if err := r.checkSizes(limits); err != nil {
		return "", err
	}
	r.extra = append(r.extra, "GIT_OBJECT_DIRECTORY="+objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+stored)
	prefix, err := r.git("", "rev-parse", "--show-prefix")
	if err != nil {
		return "", err
	}
	if _, err := r.git("", "check-ignore", "--quiet", "."); prefix != "" && err == nil {
		return "", ErrNothing
	}
	if _, err := r.git("", "add", "--all"); err != nil {
		return "", err
	}
	if stored, err := r.git("", "ls-files", "--", "."); prefix != "" && err == nil && stored == "" {
		return "", ErrNothing
	}
	tree, err = r.git("", "write-tree", "--missing-ok", "--prefix="+prefix)
	if err == nil && r.isPartial() { // files that are not checked out
		_, err = r.fetchMissing(tree)
	}
	return tree, err
}

// copyIndex copies an index with its time: Git compares the times of files with the time of the index.
func copyIndex(from, to string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing was added yet
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, data, 0o600), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// checkSizes refuses more new files than a fleet may have, before they are stored.
func (r run) checkSizes(limits Limits) error {
	listed, err := r.git("", "ls-files", "-z", "--others", "--modified", "--exclude-standard")
	if err != nil {
		return err
	}
	files := strings.FieldsFunc(listed, func(c rune) bool { return c == 0 })
	var total int64
	for _, file := range files {
		if info, err := os.Lstat(filepath.Join(r.dir, file)); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	if len(files) > limits.Files || total > limits.Total {
		return fmt.Errorf("%d files with %d bytes are new or changed here, at most %d with %d are read: name others in "+
			".gitignore", len(files), total, limits.Files, limits.Total)
	}
	return nil
}

// maxRounds bounds FetchMissing: a fetch brings whole trees, then their files.
const maxRounds = 20

// FetchMissing fetches the trees and files of a commit that a partial clone left out, into the clone. It reports
// whether anything was missing.
func FetchMissing(dir, commit string) (fetched bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r := run{ctx: ctx, dir: dir}
	return r.fetchMissing(commit)
}

func (r run) fetchMissing(object string) (fetched bool, err error) {
	for range maxRounds {
		listed, err := r.git("", "rev-list", "--objects", "--missing=print", "--no-walk", object)
		if err != nil {
			return fetched, err
		}
		var missing strings.Builder
		for line := range strings.Lines(listed) {
			if id, is := strings.CutPrefix(line, "?"); is {
				missing.WriteString(strings.TrimSpace(id) + "\n")
			}
		}
		if missing.Len() == 0 {
			return fetched, nil
		}
		// what Git itself runs when an object is missing
		if _, err := r.git(missing.String(), "-c", "fetch.negotiationAlgorithm=noop", "fetch", r.promisor(), "--no-tags",
			"--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin"); err != nil {
			return fetched, err
		}
		fetched = true
	}
	return fetched, fmt.Errorf("objects of %.12s are missing still after %d fetches", object, maxRounds)
}

func (r run) isPartial() bool { return r.promisor() != "" }

// promisor gives the remote that a partial clone was made from, "" for a whole clone.
func (r run) promisor() string {
	found, err := r.git("", "config", "--get-regexp", `^remote\..*\.promisor$`)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(found, " ")
	return strings.TrimSuffix(strings.TrimPrefix(name, "remote."), ".promisor")
}
