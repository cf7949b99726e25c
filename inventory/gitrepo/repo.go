// Package gitrepo reads a fleet's commits and keeps its status branch, over https, http, ssh, or from a path (for which git must be installed: its upload-pack
// and receive-pack are run). It keeps objects in memory and has no work tree: symbolic links and submodules are refused, pull-request refs are never fetched.
package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
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
	Limits       Limits
	Author       Author // of status commits
	Log          *slog.Logger
	Now          func() time.Time
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
	return fmt.Sprintf("branch %s was rewritten: it is at %s, which does not contain the accepted commit %s: nothing is accepted until the accepted commit is in it again", e.Branch, e.Found, e.Accepted)
}

// Freezes reports that nothing may be erased until an operator has looked.
func (e HistoryRewritten) Freezes() bool { return true }

// errNoBranch means that the repository is there and the branch is not.
var errNoBranch = errors.New("there is no such branch")

// Repo is one fleet's repository. Latest, Read and Publish may be called from several goroutines; each waits for the others.
type Repo struct {
	config   Config
	auth     transport.AuthMethod
	endpoint *transport.Endpoint

	mu       sync.Mutex
	repo     *git.Repository
	fetches  int
	accepted plumbing.Hash
	last     inventory.Snapshot
	blobs    map[plumbing.Hash]inventory.File // of the last snapshot, so that the next shares them
}

// Open prepares a repository without reaching it.
func Open(c Config) (*Repo, error) {
	c.complete()
	r := &Repo{config: c, blobs: map[plumbing.Hash]inventory.File{}}
	if c.Accepted != "" {
		r.accepted = plumbing.NewHash(c.Accepted)
		if !plumbing.IsHash(c.Accepted) || r.accepted.IsZero() { // a zero hash would accept any history
			return nil, fmt.Errorf("the accepted commit %q is no object id: nothing can be accepted after it", c.Accepted)
		}
	}
	var err error
	if r.endpoint, err = endpointOf(c); err != nil {
		return nil, err
	}
	if r.auth, err = authOf(c, r.endpoint); err != nil {
		return nil, err
	}
	return r, nil
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
// operator who has looked at a rewritten history, or at commits that nobody signed.
func (r *Repo) Repin(commit string) error {
	hash := plumbing.NewHash(commit)
	if !plumbing.IsHash(commit) || hash.IsZero() {
		return fmt.Errorf("%q is no full commit id", commit)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted = hash
	return nil
}

// Latest fetches the trunk and gives its tree. A tip that does not contain the accepted commit is HistoryRewritten, one that no signed
// commits lead to is Untrusted; a tree that cannot be used is Refused. After an error the accepted commit is what it was.
func (r *Repo) Latest(ctx context.Context) (inventory.Sources, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	tip, err := r.fetch(ctx, r.config.Branch)
	if err != nil {
		return inventory.Sources{}, err
	}
	if tip.String() == r.last.Commit {
		return inventory.Sources{Trunk: r.last}, nil
	}
	if err := r.descends(ctx, tip); err != nil {
		return inventory.Sources{}, err
	}
	if err := r.trusted(ctx, tip); err != nil {
		return inventory.Sources{}, err
	}
	snapshot, blobs, err := r.snapshot(tip)
	if err != nil {
		return inventory.Sources{}, err
	}
	r.last, r.blobs, r.accepted = snapshot, blobs, tip
	return inventory.Sources{Trunk: snapshot}, nil
}

// maxFetches is after how many fetches the repository is cloned anew: memory never forgets an object.
const maxFetches = 500

// fetch brings a branch's tip. The first one clones one commit deep, later ones bring what is new: a depth on every fetch would bring the
// whole tree each time.
func (r *Repo) fetch(ctx context.Context, branch string) (plumbing.Hash, error) {
	if r.repo == nil || r.fetches > maxFetches {
		repo, err := git.Init(memory.NewStorage(), nil)
		if err != nil {
			return plumbing.ZeroHash, fmt.Errorf("open repository: %w", err)
		}
		if _, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{r.endpoint.String()}}); err != nil {
			return plumbing.ZeroHash, fmt.Errorf("open repository: %w", err)
		}
		r.repo, r.fetches = repo, 0
	}
	local := plumbing.ReferenceName("refs/ingot/" + branch)
	depth := 0
	if _, err := r.repo.Reference(local, true); err != nil {
		depth = 1
	}
	if err := r.pull(ctx, branch, local, depth); err != nil {
		return plumbing.ZeroHash, err
	}
	r.fetches++
	ref, err := r.repo.Reference(local, true)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("fetch %s: %w", branch, err)
	}
	return ref.Hash(), nil
}

func (r *Repo) pull(ctx context.Context, branch string, local plumbing.ReferenceName, depth int) error {
	spec := config.RefSpec("+" + plumbing.NewBranchReferenceName(branch).String() + ":" + local.String())
	options := &git.FetchOptions{
		RemoteName: "origin", RefSpecs: []config.RefSpec{spec}, Depth: depth, Auth: r.auth, Tags: git.NoTags, Force: true,
		CABundle: r.config.CA, ProxyOptions: r.endpoint.Proxy, // the deadline of ssh
	}
	err := r.repo.FetchContext(ctx, options)
	for try := 1; try < fetchTries && answeredEarly(err) && ctx.Err() == nil; try++ {
		err = r.repo.FetchContext(ctx, options)
	}
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return r.explain("fetch "+branch, err)
	}
	return nil
}

// fetchTries is how often a fetch is begun whose answer came too early.
const fetchTries = 5

// answeredEarly means that a server over ssh had answered and gone before go-git closed its input, which go-git takes for a failure and throws the answer
// away. It does not wrap the error.
func answeredEarly(err error) bool {
	return err != nil && strings.Contains(err.Error(), "closing input: EOF")
}

// maxWalk is how many commits are looked at between a tip and the accepted commit.
const maxWalk = 100_000

// descends checks that tip contains the accepted commit. Where the shallow history ends too early, the whole history is fetched once.
func (r *Repo) descends(ctx context.Context, tip plumbing.Hash) error {
	if r.accepted.IsZero() || tip == r.accepted {
		return nil
	}
	found, complete, err := r.contains(tip)
	if err == nil && !found && !complete {
		if err = r.unshallow(ctx); err == nil {
			found, _, err = r.contains(tip)
		}
	}
	if err != nil {
		return err
	}
	if !found {
		return HistoryRewritten{Branch: r.config.Branch, Accepted: r.accepted.String(), Found: tip.String()}
	}
	return nil
}

// contains walks from tip to the accepted commit; complete is false when the walk met the edge of a shallow history.
func (r *Repo) contains(tip plumbing.Hash) (found, complete bool, err error) {
	complete = true
	seen := map[plumbing.Hash]bool{tip: true}
	for queue := []plumbing.Hash{tip}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == r.accepted {
			return true, true, nil
		}
		if len(seen) > maxWalk {
			return false, true, fmt.Errorf("branch %s: the accepted commit is more than %d commits back", r.config.Branch, maxWalk)
		}
		commit, err := object.GetCommit(r.repo.Storer, queue[0])
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			complete = false
			continue
		}
		if err != nil {
			return false, false, fmt.Errorf("read commit %s: %w", queue[0], err)
		}
		for _, parent := range commit.ParentHashes {
			if !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	return false, complete, nil
}

// unshallow brings the whole history of the trunk into a fresh store.
func (r *Repo) unshallow(ctx context.Context) error {
	repo, err := git.Init(memory.NewStorage(), nil)
	if err != nil {
		return fmt.Errorf("open repository: %w", err)
	}
	if _, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{r.endpoint.String()}}); err != nil {
		return fmt.Errorf("open repository: %w", err)
	}
	r.repo, r.fetches = repo, 0
	return r.pull(ctx, r.config.Branch, plumbing.ReferenceName("refs/ingot/"+r.config.Branch), 0)
}

// explain says in words what a transport error means, without credentials.
func (r *Repo) explain(what string, err error) error {
	where := redact(r.endpoint)
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("%s from %s: the server refuses our credentials: check fleet.username, passwordFile or sshKey", what, where)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%s from %s: there is no such repository: check fleet.url", what, where)
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("%s from %s: the repository is empty: %w", what, where, errNoBranch)
	case errors.As(err, new(git.NoMatchingRefSpecError)):
		return fmt.Errorf("%s from %s: %w: check fleet.branch", what, where, errNoBranch)
	case errors.As(err, new(*knownhosts.KeyError)):
		return fmt.Errorf("%s from %s: the server's key is not the one we know: check it, then fleet.knownHosts", what, where)
	case r.endpoint.Protocol == "ssh":
		return fmt.Errorf("%s from %s: %w: check that the server is reachable and takes fleet.sshKey", what, where, err)
	default:
		return fmt.Errorf("%s from %s: %w: check fleet.url and that the server is reachable", what, where, err)
	}
}

func redact(e *transport.Endpoint) string {
	if e.Protocol == "file" {
		return e.Path
	}
	return strings.TrimRight(fmt.Sprintf("%s://%s/%s", e.Protocol, e.Host, strings.TrimLeft(e.Path, "/")), "/")
}
