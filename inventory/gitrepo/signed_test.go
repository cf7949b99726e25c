package gitrepo_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
)

// signed is a repository with a clone, and signers with keys of ssh-keygen.
type signed struct {
	*testing.T
	dir    string
	remote *remote
}

func newSigned(t *testing.T, signers ...string) *signed {
	t.Helper()
	return newSignedOver(t, overPath(t), signers...)
}

// newSignedOver has the repository behind one way to reach it; the clone reaches it by its path.
func newSignedOver(t *testing.T, r *remote, signers ...string) *signed {
	t.Helper()
	s := &signed{t, t.TempDir(), r}
	for _, name := range signers {
		s.run(s.dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name)
	}
	s.run(s.dir, "git", "init", "-q", "-b", "main", "clone")
	s.git("remote", "add", "origin", r.bare)
	return s
}

func (s *signed) run(dir, name string, args ...string) string {
	s.Helper()
	command := exec.CommandContext(s.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a",
		"GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := command.CombinedOutput()
	if err != nil {
		s.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *signed) git(args ...string) string {
	s.Helper()
	return s.run(filepath.Join(s.dir, "clone"), "git", args...)
}

// as runs a git command that signs with a key; "" signs with none.
func (s *signed) as(signer string, args ...string) {
	s.Helper()
	config := []string{"-c", "commit.gpgsign=false"}
	if signer != "" {
		config = []string{"-c", "gpg.format=ssh", "-c", "commit.gpgsign=true", "-c",
			"user.signingkey=" + filepath.Join(s.dir, signer+".pub")}
	}
	s.git(append(config, args...)...)
}

// change commits a file, signed, and pushes it; it gives the commit.
func (s *signed) change(signer, file string) string {
	s.Helper()
	path := filepath.Join(s.dir, "clone", file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(before, 'x'), 0o644); err != nil {
		s.Fatal(err)
	}
	s.git("add", "-A")
	s.as(signer, "commit", "-qm", "change "+file)
	s.git("push", "-q", "origin", "HEAD:main")
	return s.git("rev-parse", "HEAD")
}

func (s *signed) public(signer string) string {
	s.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, signer+".pub"))
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// open opens the repository with jo and the forge as signers; secrets/ is jo's alone.
func (s *signed) open(accepted string, revoked ...string) *gitrepo.Repo {
	s.Helper()
	c := trust.Config{
		AllowedSigners: []byte("jo@example.com,jo namespaces=\"git\" " + s.public("jo") + "\nforge " +
			s.public("forge") + "\n"),
		Paths: []trust.Rule{{Path: "secrets/", Signers: []string{"jo"}}},
	}
	for _, name := range revoked {
		c.RevokedKeys = append(c.RevokedKeys, (s.public(name) + "\n")...)
	}
	policy, err := trust.New(c)
	if err != nil {
		s.Fatal(err)
	}
	config := s.remote.config
	config.Signers, config.Accepted = policy, accepted
	return open(s.T, config)
}

func (s *signed) refused(repo *gitrepo.Repo, why string) {
	s.Helper()
	before := repo.AcceptedCommit()
	_, err := repo.Latest(s.Context())
	var untrusted gitrepo.Untrusted
	if !errors.As(err, &untrusted) || !strings.Contains(untrusted.Why, why) {
		s.Fatalf("Latest = %v, want it not trusted: %s", err, why)
	}
	if repo.AcceptedCommit() != before {
		s.Errorf("accepted %s, want %s as before", repo.AcceptedCommit(), before)
	}
}

func (s *signed) accepted(repo *gitrepo.Repo, commit string) {
	s.Helper()
	if sources, err := repo.Latest(s.Context()); err != nil || sources.Trunk.Commit != commit {
		s.Fatalf("Latest = %s, %v; want %s", sources.Trunk.Commit, err, commit)
	}
}

func TestOnlySignedCommitsAreAccepted(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s := newSignedOver(t, r, "jo", "forge", "eve")
		repo := s.open("")
		s.change("", "hosts/a.yaml")
		s.refused(repo, "it is not signed")
		first := s.change("jo", "hosts/a.yaml")
		s.accepted(repo, first)

		second := s.change("forge", "hosts/b.yaml")
		s.accepted(repo, second)
		s.change("eve", "hosts/c.yaml")
		s.refused(repo, "is not an allowed signer's")
		s.change("jo", "hosts/c.yaml") // signed, but on top of what nobody vouched for
		s.refused(repo, "is not an allowed signer's")

		s.git("checkout", "-q", "-B", "repair", second)
		s.as("jo", "merge", "-q", "--no-ff", "-m", "vouched for", "main")
		s.git("push", "-q", "origin", "HEAD:main")
		s.accepted(repo, s.git("rev-parse", "HEAD"))
	})
}

func TestAMergeVouchesForWhatItMerges(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s := newSignedOver(t, r, "jo", "forge")
		first := s.change("jo", "hosts/a.yaml")
		repo := s.open("")
		s.accepted(repo, first)
		s.git("checkout", "-q", "-b", "work")
		s.git("push", "-q", "origin", "work")
		path := filepath.Join(s.dir, "clone", "hosts", "b.yaml")
		if err := os.WriteFile(path, []byte("b"), 0o644); err != nil {
			t.Fatal(err)
		}
		s.git("add", "-A")
		s.as("", "commit", "-qm", "unsigned work")
		s.git("checkout", "-q", "main")
		s.as("forge", "merge", "-q", "--no-ff", "-m", "Merge pull request 1", "work")
		s.git("push", "-q", "origin", "HEAD:main")
		s.accepted(repo, s.git("rev-parse", "HEAD"))
		s.accepted(s.open(first), s.git("rev-parse", "HEAD")) // a daemon that starts again, from a shallow history
	})
}

func TestPathsAreForTheirSigners(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s := newSignedOver(t, r, "jo", "forge")
		first := s.change("jo", "secrets/bmc.yaml")
		repo := s.open("")
		s.accepted(repo, first)
		s.change("forge", "secrets/bmc.yaml")
		s.refused(repo, "secrets/bmc.yaml may only be changed by jo")
		s.git("reset", "-q", "--hard", first)
		s.git("push", "-q", "--force", "origin", "HEAD:main")
		s.accepted(repo, s.change("jo", "secrets/bmc.yaml"))
		s.accepted(repo, s.change("forge", "hosts/a.yaml"))
	})
}

// A daemon that starts again has only the tip; what the accepted commit held must be fetched before it can be said what the tip changes.
func TestPathsAreForTheirSignersAfterARestart(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s := newSignedOver(t, r, "jo", "forge")
		first := s.change("jo", "secrets/bmc.yaml")
		s.accepted(s.open(""), first)
		second := s.change("forge", "hosts/a.yaml")
		s.accepted(s.open(first), second)
		s.change("forge", "secrets/bmc.yaml")
		s.refused(s.open(second), "secrets/bmc.yaml may only be changed by jo")
		s.refused(s.open(first), "secrets/bmc.yaml may only be changed by jo")
	})
}

func TestARevokedKeyCountsNoMore(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		s := newSignedOver(t, r, "jo", "forge")
		first := s.change("jo", "hosts/a.yaml")
		s.accepted(s.open(""), first)
		s.change("jo", "hosts/b.yaml")
		s.refused(s.open(first, "jo"), "is revoked")
		s.accepted(s.open(first), s.git("rev-parse", "HEAD"))
	})
}

// A proposal is no signed commit. A fast-forward of it is refused with the sentence that says how to merge; a signed merge
// commit is taken.
func TestAProposalIsMergedWithASignature(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "jo", "forge")
	first := s.change("jo", "hosts/a.yaml")
	repo := s.open(first)
	s.accepted(repo, first)
	tip, err := repo.Propose(t.Context(), gitrepo.Change{Name: proposed, Message: "Discovered: web-1\n",
		Files: map[string][]byte{"hosts/discovered/web-1.yaml": []byte("x\n")}})
	if err != nil {
		t.Fatal(err)
	}
	git(t, s.remote.bare, "update-ref", "refs/heads/main", tip)
	s.refused(repo, "it is a proposal of this daemon, which is not signed: merge with a signed merge or squash commit")
	git(t, s.remote.bare, "update-ref", "refs/heads/main", first)
	s.git("fetch", "-q", "origin", "ingot/proposals/"+proposed)
	s.as("jo", "merge", "-q", "--no-ff", "-m", "merge", "FETCH_HEAD")
	s.git("push", "-q", "origin", "HEAD:main")
	s.accepted(repo, s.git("rev-parse", "HEAD"))
}
