package gitrepo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	format "github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/gitprogram"
	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
	"github.com/gitmetal/ingot/schemas"
)

// Clone is a clone on this machine, for the plan of a pull request. Nothing is fetched, except for objects that a
// partial clone left out: the git program fetches them.
type Clone struct {
	repo    *Repo
	dir     string
	partial bool
}

// OpenClone opens the clone around dir. The clone may be bare, partial or sparse.
func OpenClone(dir string) (*Clone, error) {
	opened, err := openAround(dir)
	if err != nil {
		return nil, fmt.Errorf("open the clone in %s: %w", dir, err)
	}
	c := Config{}
	c.fillDefaults()
	clone := &Clone{repo: newRepo(c, opened), dir: dir}
	if settings, err := opened.Config(); err == nil {
		clone.partial = slices.ContainsFunc(settings.Raw.Section("remote").Subsections,
			func(s *format.Subsection) bool { return s.HasOption("promisor") })
	}
	return clone, nil
}

// openAround opens the clone around dir. The error says what to do; git.ErrRepositoryNotExists where no clone is.
func openAround(dir string) (*git.Repository, error) {
	opened, err := git.PlainOpenWithOptions(dir,
		&git.PlainOpenOptions{DetectDotGit: !isBare(dir), EnableDotGitCommonDir: true})
	switch {
	case errors.Is(err, git.ErrUnknownExtension), errors.Is(err, git.ErrUnsupportedExtensionRepositoryFormatVersion):
		return openExtended(dir)
	case err != nil:
		return nil, fmt.Errorf("%w: run this in a clone of the fleet", err)
	}
	if files, ok := opened.Storer.(*filesystem.Storage); ok { // the default storage opens the pack again for every object
		opened.Storer = storeIn(files.Filesystem())
	}
	return opened, nil
}

// storeIn is the store of a clone, with the objects that the clone borrows from others (objects/info/alternates).
func storeIn(files billy.Filesystem) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(files, cache.NewObjectLRUDefault(),
		filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true, AlternatesFS: osfs.New("/")})
}

// extendedStore is the store of a clone with extensions that change no object and no ref.
type extendedStore struct{ *filesystem.Storage }

// harmless are the extensions that a reader of objects and refs need not know.
var harmless = []string{"worktreeconfig", "partialclone", "preciousobjects", "noop", "noop-v1"}

// Config gives the configuration without harmless extensions.
func (s extendedStore) Config() (*config.Config, error) {
	settings, err := s.Storage.Config()
	if err != nil {
		return settings, err
	}
	extensions := settings.Raw.Section("extensions")
	extensions.Options = slices.DeleteFunc(extensions.Options, func(o *format.Option) bool {
		return slices.Contains(harmless, strings.ToLower(o.Key))
	})
	return settings, nil
}

// openExtended opens a clone that go-git refuses for the extensions in its configuration.
func openExtended(dir string) (*git.Repository, error) {
	found, err := gitprogram.FindDirectories(dir)
	if err != nil {
		return nil, fmt.Errorf("the clone is sparse, partial or of a new format: %w: make a whole one with git clone", err)
	}
	var work billy.Filesystem
	if found.Top != "" {
		work = osfs.New(found.Top)
	}
	store := extendedStore{storeIn(dotgit.NewRepositoryFilesystem(osfs.New(found.Git), osfs.New(found.Common)))}
	opened, err := git.Open(store, work)
	if err == nil {
		return opened, nil
	}
	_ = store.Close()
	if settings, errConfig := store.Config(); errConfig == nil {
		if names := settings.Raw.Section("extensions").Option("objectformat"); strings.EqualFold(names, "sha256") {
			return nil, errors.New("the repository has SHA-256 object ids, which ingot does not read: " +
				"keep the fleet in one that `git init --object-format=sha1` made")
		}
	}
	return nil, fmt.Errorf("%w: make a clone of the usual format with git clone", err)
}

func closeStore(store storer.EncodedObjectStorer) error {
	if files, ok := store.(io.Closer); ok {
		return files.Close()
	}
	return nil
}

// Close closes the clone's files. Snapshots that were read stay valid.
func (c *Clone) Close() error { return closeStore(c.repo.repo.Storer) }

// fillCommit fetches what a partial clone left out of a commit.
func (c *Clone) fillCommit(hash plumbing.Hash) error {
	if !c.partial {
		return nil
	}
	fetched, err := gitprogram.FetchMissing(c.dir, hash.String())
	if err != nil {
		return fmt.Errorf("the clone is partial, and objects of commit %.12s cannot be fetched: %w: make a whole one: "+
			"git fetch --refetch --no-filter origin", hash, err)
	}
	if !fetched {
		return nil
	}
	opened, err := openAround(c.dir) // go-git lists the packs once
	if err != nil {
		return err
	}
	c.repo.repo = opened // the store before stays open: pages of a Status are read from there
	return nil
}

// readCommit gives the tree of a commit, whole.
func (c *Clone) readCommit(hash plumbing.Hash) (inventory.Snapshot, error) {
	if err := c.fillCommit(hash); err != nil {
		return inventory.Snapshot{}, err
	}
	return c.repo.readCommit(hash)
}

// WorkDirectory is the directory of the clone's work tree.
func (c *Clone) WorkDirectory() (string, error) {
	files, err := c.repo.repo.Worktree()
	if err != nil {
		return "", fmt.Errorf("the clone has no files: %w: use one that is not bare", err)
	}
	return files.Filesystem.Root(), nil
}

// ReadSnapshot reads the tree of a commit, named by any revision that git knows: a branch, a tag, HEAD~1, an id.
func (c *Clone) ReadSnapshot(revision string) (inventory.Snapshot, error) {
	hash, err := c.resolveRevision(revision)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return c.readCommit(hash)
}

func (c *Clone) resolveRevision(revision string) (plumbing.Hash, error) {
	hash, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
	if errors.Is(err, io.EOF) { // go-git's error for a missing ancestor
		err = errors.New("its history does not go back so far")
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("there is no commit %q in this clone: %w: %s", revision, err,
			c.fetchHint())
	}
	return *hash, nil
}

// fetchHint says how to fetch a missing commit. A shallow clone of CI has one commit of one branch, and fetches no
// other by default.
func (c *Clone) fetchHint() string {
	if shallow, err := c.repo.repo.Storer.Shallow(); err == nil && len(shallow) > 0 {
		return "the clone is shallow: git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'"
	}
	if config, err := c.repo.repo.Config(); err == nil && config.Core.IsBare {
		return "a bare clone has its branches without origin/: name them, as in --base main --head BRANCH"
	}
	return "name one that is, or fetch it: git fetch origin '+refs/heads/*:refs/remotes/origin/*'"
}

// ChooseReleases gives the releases of rings by the rings' tag patterns, from the tags of this clone. The map extra
// adds tags: it names a revision by the tag that is still to be made, or replaces an existing tag. Unlike Repo.Latest,
// ChooseReleases verifies no signature, needs no trunk and remembers nothing. A missing revision is an error.
func (c *Clone) ChooseReleases(patterns, extra map[string]string) (map[string]inventory.Release, error) {
	refs, err := c.listTags()
	if err != nil {
		return nil, fmt.Errorf("read the tags of this clone: %w", err)
	}
	for name, revision := range extra {
		commit, err := c.repo.repo.ResolveRevision(plumbing.Revision(revision))
		if err != nil {
			return nil, fmt.Errorf("there is no commit %q in this clone to tag %s: %w: %s", revision, name, err,
				c.fetchHint())
		}
		refs[plumbing.NewTagReferenceName(name)] = *commit
		delete(refs, plumbing.NewTagReferenceName(name)+"^{}")
	}
	judge := func(ref tags.Ref) error {
		if err := (c.repo.tagPolicy()).CheckTag(c.repo.repo.Storer, ref); err != nil {
			return err
		}
		_, err := c.readCommit(ref.Commit)
		return err
	}
	releases := map[string]inventory.Release{}
	for ring, pattern := range patterns {
		chooser := tags.Chooser{Listed: tags.ListTags(refs, []string{pattern}), Book: tags.Book{}, Judge: judge}
		choice := chooser.ChooseTag(pattern)
		releases[ring] = c.repo.readRelease(choice, chooser.Book, map[plumbing.Hash]bool{choice.Commit: true})
	}
	return releases, nil
}

// listTags lists the clone's tags as a server would.
func (c *Clone) listTags() (map[plumbing.ReferenceName]plumbing.Hash, error) {
	iter, err := c.repo.repo.Tags()
	if err != nil {
		return nil, err
	}
	refs := map[plumbing.ReferenceName]plumbing.Hash{}
	return refs, iter.ForEach(func(ref *plumbing.Reference) error {
		refs[ref.Name()] = ref.Hash()
		if tag, err := object.GetTag(c.repo.repo.Storer, ref.Hash()); err == nil {
			refs[ref.Name()+"^{}"] = tag.Target
		}
		return nil
	})
}

// OpenStatus opens the status branch of the clone: origin's branch, else the local one. Without a branch the Status has
// no commit and no files.
func (c *Clone) OpenStatus(branch string) (Status, error) {
	for _, name := range []plumbing.ReferenceName{plumbing.NewRemoteReferenceName("origin", branch),
		plumbing.NewBranchReferenceName(branch)} {
		ref, err := c.repo.repo.Reference(name, true)
		if err != nil {
			continue
		}
		if err := c.fillCommit(ref.Hash()); err != nil {
			return Status{}, fmt.Errorf("read the status branch: %w", err)
		}
		tip, err := object.GetCommit(c.repo.repo.Storer, ref.Hash())
		if err != nil {
			return Status{}, fmt.Errorf("read the status branch: %w", err)
		}
		l := c.repo.config.Limits
		listing, err := gittree.ListPages(c.repo.repo.Storer, tip.TreeHash,
			gittree.Limits{Files: l.Files, Blob: l.Blob, Total: l.Total, Depth: l.Depth})
		return Status{Listing: listing, Commit: ref.Hash().String()}, err
	}
	return Status{}, nil
}

// Status is one commit of the status branch. Files are read on demand.
type Status struct {
	*gittree.Listing
	Commit string // "" without a status branch
}

// fleetDocument recognises the fleet's own settings among files of the same name.
var fleetDocument = regexp.MustCompile(`(?m)^["']?kind["']?:\s*["']?Fleet["']?\s*(#.*)?$`)

// FindPath gives the directory of the repository with the fleet around a directory of the work tree, and makes the
// clone read it: the nearest one whose ingot.yaml, in the work tree or in HEAD, is a Fleet; "" without such a
// directory, and in a clone without files.
func (c *Clone) FindPath(dir string) string {
	top, err := c.WorkDirectory()
	if err != nil {
		return ""
	}
	for at := c.PathInside(dir); at != "."; at = path.Dir(at) {
		if c.hasFleet(top, at) {
			c.repo.config.Path = at
			return at
		}
	}
	return ""
}

// PathInside gives a directory's path below the top of the work tree, with slashes; "." for the top, for a directory
// outside, and in a clone without files.
func (c *Clone) PathInside(dir string) string {
	top, err := c.WorkDirectory()
	if err != nil {
		return "."
	}
	inside, err := relativePath(top, dir)
	if err != nil {
		return "."
	}
	return inside
}

// relativePath gives the path of a directory inside another, with slashes.
func relativePath(top, dir string) (string, error) {
	top, errTop := filepath.EvalSymlinks(top)
	dir, errDir := filepath.EvalSymlinks(dir)
	if err := errors.Join(errTop, errDir); err != nil {
		return "", err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	inside, err := filepath.Rel(top, dir)
	if err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("%s is not inside of %s", dir, top)
	}
	return filepath.ToSlash(inside), nil
}

// hasFleet reports whether a directory has the settings of a fleet, in the work tree or in HEAD.
func (c *Clone) hasFleet(top, at string) bool {
	name := path.Join(at, schemas.FleetFile)
	if file, err := os.Open(filepath.Join(top, filepath.FromSlash(name))); err == nil {
		defer file.Close()
		if text, err := io.ReadAll(io.LimitReader(file, schemas.MaxFile)); err == nil && fleetDocument.Match(text) {
			return true
		}
	}
	head, err := c.repo.repo.Head()
	if err != nil {
		return false
	}
	commit, err := object.GetCommit(c.repo.repo.Storer, head.Hash())
	if err != nil {
		return false
	}
	file, err := commit.File(name)
	if err != nil || file.Size > schemas.MaxFile {
		return false
	}
	text, err := file.Contents()
	return err == nil && fleetDocument.MatchString(text)
}
