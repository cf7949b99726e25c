// Package gitrepo reads the commits of a fleet and writes its status branch, over https, http, ssh, or at a path (git
// must be installed for a path: upload-pack and receive-pack are run). Objects are kept in memory; there is no work
// tree.
//
// In the daemon call Open, then Latest for the trunk and its releases. On a clone call OpenClone, then ReadSnapshot. Do
// not write files of a snapshot to a disk, and do not read refs outside this package: symbolic links, submodules and
// names that are unsafe on some system are refused here, pull-request refs are never fetched. Tags are fetched only
// when a ring could run them, together with their countersignatures where two signers are asked for. The commits of
// tags come only with the trunk.
package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo/remote"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Config says where a fleet is and how the server is reached.
type Config struct {
	URL          string // https, http, ssh (also user@host:path), or a path
	Branch       string
	Path         string // the fleet's directory in the repository; "" for the whole repository
	StatusBranch string
	SSHKey       string // path of a file
	KnownHosts   string // path of a file, required for ssh
	Username     string
	Password     secret.Value
	CA           []byte  // PEM, besides the system's CAs
	Accepted     string  // the commit that an earlier process accepted last, "" for none
	Signers      Signers // nil: every commit of the branch counts
	// TagPatterns gives the tag patterns of a trunk's rings, by the ring's name; nil: no ring follows tags.
	TagPatterns    func(trunk inventory.Snapshot) map[string]string
	RememberedTags map[string]string // from Repo.RememberedTags of an earlier process
	TagSigners     tags.Signers      // signers that make a tag a release; nil: every tag on the trunk counts
	TwoSigners     bool              // report for every release which of TagSigners countersigned
	Limits         Limits
	Author         Author // of status commits
	Log            *slog.Logger
	Now            func() time.Time
}

// Author is the author of status commits. Empty fields become ingot <ingot@localhost>.
type Author struct{ Name, Email string }

// Limits bound what is read. Zero fields get their defaults, named beside the fields.
type Limits struct {
	Files   int           // 50,000, including directories
	Blob    int64         // bytes of one file, 1 MiB
	Total   int64         // bytes of all files, 256 MiB
	Depth   int           // nested directories, 16
	Timeout time.Duration // of one fetch or push, 2 m
}

// HistoryRewritten means that the branch does not contain the accepted commit any more. Nothing new is accepted.
type HistoryRewritten struct{ Branch, Accepted, Found string }

// Error names both commits.
func (e HistoryRewritten) Error() string {
	return fmt.Sprintf("branch %s was rewritten: it does not contain the accepted commit %.12s: "+
		"push that commit again, or run `ingot trust repin %s`", e.Branch, e.Accepted, e.Found)
}

// Freezes reports that nothing may be erased until an operator has looked.
func (e HistoryRewritten) Freezes() bool { return true }

// Repo is the repository of one fleet. Goroutines may call the methods at the same time. Calls for the trunk and the status
// branch run one after the other, and wait for no call for a proposal.
type Repo struct {
	config Config
	server *remote.Server

	mu                sync.Mutex
	repo              *git.Repository
	fetches           int
	accepted          plumbing.Hash
	acceptedToo       plumbing.Hash // by a daemon with another journal; zero since a tip that contains it was accepted
	last              inventory.Sources
	trees             map[plumbing.Hash]loadedTree // trees of the last sources, by commit
	patterns          map[string]string            // tag patterns of the last trunk, by ring
	lastListed        tags.Listed                  // tags of the last choice; nil: choose again
	lastCountersigned map[string]tags.Listed       // countersignatures of the last releases, by tag
	book              tags.Book
	statusTip         plumbing.Hash // tip of the status branch as of the last Read or Publish
	strayed           bool          // the status branch was seen at another commit since
	statusAuthor      string        // author and id of the commit of the last Read
}

// Open prepares a repository. It does not reach the server.
func Open(c Config) (*Repo, error) {
	c.fillDefaults()
	r := newRepo(c, nil)
	if c.Accepted != "" {
		r.accepted = plumbing.NewHash(c.Accepted)
		if !plumbing.IsHash(c.Accepted) || r.accepted.IsZero() { // every history contains a zero hash
			return nil, fmt.Errorf("the accepted commit %q is no object id: nothing can be accepted after it",
				c.Accepted)
		}
	}
	if c.TwoSigners && c.TagSigners == nil {
		return nil, errors.New("two signers are required, but no tag signers are named: nothing could ever be erased")
	}
	var err error
	if r.book, err = tags.ReadBook(c.RememberedTags); err != nil {
		return nil, err
	}
	r.server, err = remote.New(remote.Config{
		URL: c.URL, SSHKey: c.SSHKey, KnownHosts: c.KnownHosts, Username: c.Username, Password: c.Password, CA: c.CA,
		Timeout: c.Limits.Timeout, Now: c.Now,
	})
	return r, err
}

// Path is the fleet's directory in the repository; "" for the whole repository.
func (r *Repo) Path() string { return r.config.Path }

// StatusBranch is the name of the status branch of a fleet in a directory of the repository, unless somebody chose
// another: fleets of one repository must not share a branch.
func StatusBranch(path string) string {
	if path == "" {
		return "ingot/status"
	}
	return "ingot/" + path + "/status"
}

func newRepo(c Config, repo *git.Repository) *Repo {
	return &Repo{config: c, repo: repo, trees: map[plumbing.Hash]loadedTree{}, book: tags.Book{}}
}

func (c *Config) fillDefaults() {
	l := &c.Limits
	setDefault(&l.Files, 50_000)
	setDefault(&l.Blob, 1<<20)
	setDefault(&l.Total, 256<<20)
	setDefault(&l.Depth, 16)
	setDefault(&l.Timeout, 2*time.Minute)
	setDefault(&c.Author.Name, "ingot")
	setDefault(&c.Author.Email, "ingot@localhost")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// AcceptedCommit is the commit that Latest accepted last, or the commit given to Open.
func (r *Repo) AcceptedCommit() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accepted.IsZero() {
		return ""
	}
	return r.accepted.String()
}

// RepinTrunk accepts another commit, so that later tips have to contain the new one. An operator calls it after looking
// at a rewritten history, or at commits without a signature. The commit must be in the branch's history or in memory:
// no tip could ever contain a commit that does not exist. A commit that is still to be pushed is named after the push.
func (r *Repo) RepinTrunk(ctx context.Context, commit string) error {
	hash, err := parseCommitID(commit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err = r.fetchBranch(ctx, r.config.Branch); err == nil && !r.hasObject(hash) {
		err = r.fetchHistory(ctx)
	}
	if err != nil {
		return fmt.Errorf("look for commit %.12s: %w: name the commit again when the repository answers", commit, err)
	}
	if _, err := object.GetCommit(r.repo.Storer, hash); err != nil {
		return fmt.Errorf("there is no commit %s in the history of branch %s: "+
			"push the commit, or name one from `git log`",
			commit, r.config.Branch)
	}
	r.accepted, r.acceptedToo = hash, plumbing.ZeroHash
	return nil
}

// TraceFrom makes later tips contain a commit that an earlier process accepted, without checking that the commit
// exists; see RepinTrunk.
func (r *Repo) TraceFrom(commit string) error {
	hash, err := parseCommitID(commit)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted = hash
	return nil
}

// TraceToo makes the next accepted tip contain another commit besides the accepted commit, again without checking that
// the commit exists. RepinTrunk ends it.
func (r *Repo) TraceToo(commit string) error {
	hash, err := parseCommitID(commit)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acceptedToo = hash
	return nil
}

func parseCommitID(commit string) (plumbing.Hash, error) {
	hash := plumbing.NewHash(commit)
	if !plumbing.IsHash(commit) || hash.IsZero() {
		return hash, fmt.Errorf("%q is no full commit id: `git rev-parse REVISION` prints it", commit)
	}
	return hash, nil
}

// Latest fetches the trunk and gives its tree, and the release of every ring that follows tags. Errors:
// HistoryRewritten when the tip does not contain the accepted commit, Untrusted when no signed commits lead to the tip,
// Refused for a tree that cannot be used. After an error the accepted commit stays. Trouble with tags is no error: it
// is the Trouble of the release. The result may share memory and must not be changed.
func (r *Repo) Latest(ctx context.Context) (inventory.Sources, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	look := r.listRefs(ctx)
	if r.isUnchanged(look) {
		return r.last, nil
	}
	trunk, err := r.fetchTrunk(ctx, look)
	if err != nil {
		return inventory.Sources{}, err
	}
	r.last = inventory.Sources{Trunk: trunk, Releases: r.chooseReleases(ctx, trunk, look)}
	r.dropUnusedTrees()
	return r.last, nil
}

// fetchTrunk gives the tree of the branch's tip, and accepts the tip.
func (r *Repo) fetchTrunk(ctx context.Context, l refListing) (inventory.Snapshot, error) {
	if seen := r.trunkTip(l); seen.String() == r.last.Trunk.Commit && r.hasObject(seen) {
		return r.last.Trunk, nil // only tags are new
	}
	tip, err := r.fetchBranch(ctx, r.config.Branch)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	if tip.String() == r.last.Trunk.Commit {
		return r.last.Trunk, nil
	}
	if err := r.checkDescent(ctx, tip); err != nil {
		return inventory.Snapshot{}, err
	}
	if err := r.checkSignatures(ctx, tip); err != nil {
		return inventory.Snapshot{}, err
	}
	snapshot, err := r.readCommit(tip)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	r.accepted, r.acceptedToo = tip, plumbing.ZeroHash
	if r.config.TagPatterns != nil {
		r.patterns = r.config.TagPatterns(snapshot)
	}
	return snapshot, nil
}

// maxFetches is the number of fetches after which the repository is cloned again: the memory storage never drops an
// object.
const maxFetches = 500

// fetchBranch fetches the tip of a branch. The first fetch is one commit deep, later fetches bring what is new: a depth
// on every fetch would bring the whole tree each time. Where rings follow tags the first fetch brings the trunk's
// history too.
func (r *Repo) fetchBranch(ctx context.Context, branch string) (plumbing.Hash, error) {
	if r.repo == nil || r.fetches > maxFetches {
		repo, err := r.server.NewStore()
		if err != nil {
			return plumbing.ZeroHash, err
		}
		r.repo, r.fetches = repo, 0
	}
	local, depth := localBranch(branch), 0
	if _, err := r.repo.Reference(local, true); err != nil && (branch != r.config.Branch || len(r.patterns) == 0) {
		depth = 1
	}
	if err := r.pullBranch(ctx, branch, depth); err != nil {
		return plumbing.ZeroHash, err
	}
	r.fetches++
	ref, err := r.repo.Reference(local, true)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("fetch %s: %w", branch, err)
	}
	return ref.Hash(), nil
}

// localBranch is the local ref of a server's branch.
func localBranch(branch string) plumbing.ReferenceName {
	return plumbing.ReferenceName("refs/ingot/" + branch)
}

func (r *Repo) pullBranch(ctx context.Context, branch string, depth int) error {
	return r.server.FetchRefs(ctx, r.repo,
		map[plumbing.ReferenceName]plumbing.ReferenceName{plumbing.NewBranchReferenceName(branch): localBranch(branch)},
		depth)
}

// checkDescent checks that tip contains every accepted commit.
func (r *Repo) checkDescent(ctx context.Context, tip plumbing.Hash) error {
	for _, accepted := range []plumbing.Hash{r.acceptedToo, r.accepted} {
		if accepted.IsZero() || tip == accepted {
			continue
		}
		contained, err := r.findContained(ctx, tip, []plumbing.Hash{accepted})
		if err != nil {
			return err
		}
		if !contained[accepted] { // guard: commit-descends
			return HistoryRewritten{Branch: r.config.Branch, Accepted: accepted.String(), Found: tip.String()}
		}
	}
	return nil
}

// findContained gives the commits that tip contains. Where a shallow history ends too early, the whole history is
// fetched once.
func (r *Repo) findContained(
	ctx context.Context, tip plumbing.Hash, commits []plumbing.Hash,
) (map[plumbing.Hash]bool, error) {
	found, complete, err := findCommits(r.repo.Storer, tip, commits)
	if err == nil && !complete {
		if err = r.fetchHistory(ctx); err == nil {
			found, _, err = findCommits(r.repo.Storer, tip, commits)
		}
	}
	if err != nil {
		err = fmt.Errorf("branch %s: %w", r.config.Branch, err)
	}
	return found, err
}

// fetchHistory fetches the whole history of the trunk into a new store.
func (r *Repo) fetchHistory(ctx context.Context) (err error) {
	if r.repo, err = r.server.NewStore(); err != nil {
		return err
	}
	r.fetches = 0
	return r.pullBranch(ctx, r.config.Branch, 0)
}
