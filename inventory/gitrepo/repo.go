// Package gitrepo reads a fleet's commits and keeps its status branch, over https, http, ssh, or from a path (for which git must be installed: its upload-pack
// and receive-pack are run). It keeps objects in memory and has no work tree: symbolic links and submodules are refused, pull-request refs are never fetched.
// Of tags it fetches those alone that a ring could run, and their countersignatures where two signers are asked for; their commits come only with the trunk.
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
	"github.com/gitmetal/ingot/inventory/gitrepo/history"
	"github.com/gitmetal/ingot/inventory/gitrepo/remote"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Config says where a fleet is and how it is reached.
type Config struct {
	URL          string // https, http, ssh (also user@host:path), or a path
	Branch       string
	StatusBranch string
	SSHKey       string // file
	KnownHosts   string // file; required for ssh
	Username     string
	Password     secret.Value
	CA           []byte  // PEM, besides the system's
	Accepted     string  // the commit accepted last, by an earlier process; "" when none
	Signers      Signers // nil: every commit of the branch counts
	// Follow gives the tag patterns of a trunk's rings, by the ring's name; nil: no ring follows tags.
	Follow     func(trunk inventory.Snapshot) map[string]string
	Tags       map[string]string // what Repo.Tags gave to an earlier process
	TagSigners tags.Signers      // whose signature makes a release; nil: every tag on the trunk counts
	TwoSigners bool              // say of every release which of TagSigners countersigned its tag
	Limits     Limits
	Author     Author // of status commits
	Log        *slog.Logger
	Now        func() time.Time
}

// Author signs status commits. Zero fields get ingot <ingot@localhost>.
type Author struct{ Name, Email string }

// Limits bound what is read. Zero fields get their defaults.
type Limits struct {
	Files   int           // 50,000; directories count too
	Blob    int64         // bytes, 1 MiB
	Total   int64         // bytes of all blobs, 256 MiB
	Depth   int           // directories, 16
	Timeout time.Duration // of one fetch or push, 2 m
}

// HistoryRewritten means that the branch does not contain the accepted commit any more: nothing new is accepted.
type HistoryRewritten struct{ Branch, Accepted, Found string }

// Error names both commits.
func (e HistoryRewritten) Error() string {
	return fmt.Sprintf("branch %[1]s was rewritten: it is at %[2]s, which does not contain the accepted commit %[3]s: nothing is accepted until the accepted commit is in it again, or an operator runs `ingot trust repin %[2]s`", e.Branch, e.Found, e.Accepted)
}

// Freezes reports that nothing may be erased until an operator has looked.
func (e HistoryRewritten) Freezes() bool { return true }

// Repo is one fleet's repository. Latest, Read and Publish may be called from several goroutines; each waits for the others.
type Repo struct {
	config Config
	server *remote.Server

	mu       sync.Mutex
	repo     *git.Repository
	fetches  int
	accepted plumbing.Hash
	last     inventory.Sources
	trees    map[plumbing.Hash]tree // of the last sources, so that the next share their blobs
	patterns map[string]string      // of the last trunk, by ring
	listed   tags.Listed            // what the last releases were chosen from; nil: choose again
	counted  map[string]tags.Listed // countersignatures of the last releases, by tag
	book     tags.Book
	status   plumbing.Hash // tip of the status branch as Read gave it, or as Publish made it since
	strayed  bool          // it was seen elsewhere since
	writer   string        // who made the commit that Read gave last
}

// Open prepares a repository without reaching it.
func Open(c Config) (*Repo, error) {
	c.complete()
	r := newRepo(c, nil)
	if c.Accepted != "" {
		r.accepted = plumbing.NewHash(c.Accepted)
		if !plumbing.IsHash(c.Accepted) || r.accepted.IsZero() { // a zero hash would accept any history
			return nil, fmt.Errorf("the accepted commit %q is no object id: nothing can be accepted after it", c.Accepted)
		}
	}
	if c.TwoSigners && c.TagSigners == nil {
		return nil, errors.New("two signers are asked for, and nobody is named who may sign tags: nothing could ever be erased")
	}
	var err error
	if r.book, err = tags.ReadBook(c.Tags); err != nil {
		return nil, err
	}
	r.server, err = remote.New(remote.Config{
		URL: c.URL, SSHKey: c.SSHKey, KnownHosts: c.KnownHosts, Username: c.Username, Password: c.Password, CA: c.CA, Timeout: c.Limits.Timeout,
	})
	return r, err
}

func newRepo(c Config, repo *git.Repository) *Repo {
	return &Repo{config: c, repo: repo, trees: map[plumbing.Hash]tree{}, book: tags.Book{}}
}

func (c *Config) complete() {
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

// Accepted is the commit that Latest gave last, or the one given to Open.
func (r *Repo) Accepted() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accepted.IsZero() {
		return ""
	}
	return r.accepted.String()
}

// Repin has the next tips traced to another commit than the accepted one, which stays the newest whose tree was given until then. It is for an
// operator who has looked at a rewritten history, or at commits that nobody signed. The commit must be in the branch's history, or be at hand from before:
// with one that is nowhere nothing would ever be accepted. One that is still to be pushed is named when it is there.
func (r *Repo) Repin(ctx context.Context, commit string) error {
	hash, err := commitID(commit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err = r.fetch(ctx, r.config.Branch); err == nil && !r.has(hash) {
		err = r.unshallow(ctx)
	}
	if err != nil {
		return fmt.Errorf("whether there is a commit %s cannot be told: %w: name it again when the repository answers: until then nothing new is accepted anyway", commit, err)
	}
	if _, err := object.GetCommit(r.repo.Storer, hash); err != nil {
		return fmt.Errorf("there is no commit %s in the history of branch %s: `git log` there shows which are; one that is still to be pushed is named when it is there", commit, r.config.Branch)
	}
	r.accepted = hash
	return nil
}

// Trace has the next tips traced to a commit that an earlier process accepted, whether or not it is still there; see Repin.
func (r *Repo) Trace(commit string) error {
	hash, err := commitID(commit)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted = hash
	return nil
}

func commitID(commit string) (plumbing.Hash, error) {
	hash := plumbing.NewHash(commit)
	if !plumbing.IsHash(commit) || hash.IsZero() {
		return hash, fmt.Errorf("%q is no full commit id: `git rev-parse REVISION` prints it", commit)
	}
	return hash, nil
}

// Latest fetches the trunk and gives its tree, and the release of every ring that follows tags. A tip that does not contain the accepted commit is
// HistoryRewritten, one that no signed commits lead to is Untrusted; a tree that cannot be used is Refused. After an error the accepted commit is
// what it was. What is wrong with tags is never an error, but the trouble of its ring. What is given may share memory: it is not to be changed.
func (r *Repo) Latest(ctx context.Context) (inventory.Sources, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	look := r.look(ctx)
	if r.unchanged(look) {
		return r.last, nil
	}
	trunk, err := r.trunk(ctx, look)
	if err != nil {
		return inventory.Sources{}, err
	}
	r.last = inventory.Sources{Trunk: trunk, Releases: r.releases(ctx, trunk, look)}
	r.forget()
	return r.last, nil
}

// trunk gives the tree of the branch's tip, which becomes the accepted commit.
func (r *Repo) trunk(ctx context.Context, l look) (inventory.Snapshot, error) {
	if seen := r.tip(l); seen.String() == r.last.Trunk.Commit && r.has(seen) {
		return r.last.Trunk, nil // only tags are new
	}
	tip, err := r.fetch(ctx, r.config.Branch)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	if tip.String() == r.last.Trunk.Commit {
		return r.last.Trunk, nil
	}
	if err := r.descends(ctx, tip); err != nil {
		return inventory.Snapshot{}, err
	}
	if err := r.trusted(ctx, tip); err != nil {
		return inventory.Snapshot{}, err
	}
	snapshot, err := r.read(tip)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	r.accepted = tip
	if r.config.Follow != nil {
		r.patterns = r.config.Follow(snapshot)
	}
	return snapshot, nil
}

// maxFetches is after how many fetches the repository is cloned anew: memory never forgets an object.
const maxFetches = 500

// fetch brings a branch's tip. The first one clones one commit deep, later ones bring what is new: a depth on every fetch would bring the
// whole tree each time. Releases need the trunk's history: once there are any, it comes with the first.
func (r *Repo) fetch(ctx context.Context, branch string) (plumbing.Hash, error) {
	if r.repo == nil || r.fetches > maxFetches {
		repo, err := r.server.Store()
		if err != nil {
			return plumbing.ZeroHash, err
		}
		r.repo, r.fetches = repo, 0
	}
	local, depth := localBranch(branch), 0
	if _, err := r.repo.Reference(local, true); err != nil && (branch != r.config.Branch || len(r.patterns) == 0) {
		depth = 1
	}
	if err := r.pull(ctx, branch, depth); err != nil {
		return plumbing.ZeroHash, err
	}
	r.fetches++
	ref, err := r.repo.Reference(local, true)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("fetch %s: %w", branch, err)
	}
	return ref.Hash(), nil
}

// localBranch is where a branch of the server is kept.
func localBranch(branch string) plumbing.ReferenceName {
	return plumbing.ReferenceName("refs/ingot/" + branch)
}

func (r *Repo) pull(ctx context.Context, branch string, depth int) error {
	return r.server.Fetch(ctx, r.repo, map[plumbing.ReferenceName]plumbing.ReferenceName{plumbing.NewBranchReferenceName(branch): localBranch(branch)}, depth)
}

// descends checks that tip contains the accepted commit.
func (r *Repo) descends(ctx context.Context, tip plumbing.Hash) error {
	if r.accepted.IsZero() || tip == r.accepted {
		return nil
	}
	contained, err := r.contained(ctx, tip, []plumbing.Hash{r.accepted})
	if err == nil && !contained[r.accepted] {
		err = HistoryRewritten{Branch: r.config.Branch, Accepted: r.accepted.String(), Found: tip.String()}
	}
	return err
}

// contained gives those of the commits that tip contains. Where the shallow history ends too early, the whole history is fetched once.
func (r *Repo) contained(ctx context.Context, tip plumbing.Hash, commits []plumbing.Hash) (map[plumbing.Hash]bool, error) {
	found, complete, err := history.Find(r.repo.Storer, tip, commits)
	if err == nil && !complete {
		if err = r.unshallow(ctx); err == nil {
			found, _, err = history.Find(r.repo.Storer, tip, commits)
		}
	}
	if err != nil {
		err = fmt.Errorf("branch %s: %w", r.config.Branch, err)
	}
	return found, err
}

// unshallow brings the whole history of the trunk into a fresh store.
func (r *Repo) unshallow(ctx context.Context) (err error) {
	if r.repo, err = r.server.Store(); err != nil {
		return err
	}
	r.fetches = 0
	return r.pull(ctx, r.config.Branch, 0)
}
