package gitrepo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

const proposed = "7f3a9c21e0b4"

// TestProposals pushes, rewrites and withdraws a proposal on every kind of server.
func TestProposals(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		trunk := r.commit(t, "main", "", map[string]node{"hosts/a.yaml": text("a\n")})
		repo := open(t, r.config)
		if _, err := repo.Propose(t.Context(), gitrepo.Change{Name: proposed, Files: map[string][]byte{"x": {}}}); err == nil {
			t.Error("a proposal on no trunk")
		}
		if _, err := repo.Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
		push := func(old, content string) (string, error) {
			return repo.Propose(t.Context(), gitrepo.Change{Name: proposed, Old: old, Message: "Discovered: web-1\n",
				Files: map[string][]byte{"hosts/discovered/web-1.yaml": []byte(content)}})
		}
		first, err := push("", "one\n")
		if err != nil {
			t.Fatal(err)
		}
		const branch = "ingot/proposals/" + proposed
		if tree := git(t, r.bare, "ls-tree", "-r", "--name-only", branch); tree != "hosts/a.yaml\nhosts/discovered/web-1.yaml" {
			t.Errorf("the proposal has %s", tree)
		}
		if _, err := push("", "other\n"); !errors.Is(err, gitrepo.ErrRaced) {
			t.Errorf("a second new branch: %v", err)
		}
		trunk2 := r.commit(t, "main", trunk, map[string]node{"hosts/b.yaml": text("b\n")})
		if _, err := repo.Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
		second, err := push(first, "two\n")
		if err != nil {
			t.Fatal(err)
		}
		if log := git(t, r.bare, "log", "--format=%H", branch); log != second+"\n"+trunk2+"\n"+trunk {
			t.Errorf("the history of the proposal is %s, want one commit on the newest trunk", log)
		}
		if got := git(t, r.bare, "show", branch+":hosts/discovered/web-1.yaml"); got != "two" {
			t.Errorf("the file is %q", got)
		}
		if now := git(t, r.bare, "rev-parse", "main"); now != trunk2 {
			t.Errorf("the trunk was moved to %s", now)
		}
		tips, tip, err := repo.ListProposals(t.Context())
		if diff := cmp.Diff(map[string]string{proposed: second}, tips); err != nil || diff != "" || tip != trunk2 {
			t.Errorf("ListProposals: %v %s, trunk %s, want %s", err, diff, tip, trunk2)
		}

		git(t, r.bare, "update-ref", "refs/heads/"+branch, trunk) // somebody else's push
		if _, err := push(second, "three\n"); !errors.Is(err, gitrepo.ErrRaced) {
			t.Errorf("a push over somebody else's: %v", err)
		}
		if err := repo.Withdraw(t.Context(), proposed, second); !errors.Is(err, gitrepo.ErrRaced) {
			t.Errorf("the branch of somebody else was withdrawn: %v", err)
		}
		if now := git(t, r.bare, "rev-parse", branch); now != trunk {
			t.Errorf("somebody else's commit is gone: %s", now)
		}
		if err := repo.Withdraw(t.Context(), proposed, trunk); err != nil {
			t.Error(err)
		}
		if err := repo.Withdraw(t.Context(), proposed, trunk); err != nil {
			t.Errorf("a branch that is gone: %v", err)
		}
		if tips, _, err := repo.ListProposals(t.Context()); err != nil || len(tips) != 0 {
			t.Errorf("after the end: %v %v", tips, err)
		}
		git(t, r.bare, "fsck", "--full", "--strict")
	})
}

func TestNamesOfProposals(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.commit(t, "main", "", map[string]node{"a": text("a")})
	repo := open(t, r.config)
	if _, err := repo.Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "../../main", "x.lock", "a/b", "A", "Default string", strings.Repeat("a", 64)} {
		if _, err := repo.Propose(t.Context(), gitrepo.Change{Name: name, Files: map[string][]byte{"b": {}}}); err == nil {
			t.Errorf("%q is a branch", name)
		}
	}
	for _, file := range []string{"../b", "/b", "", ".", "a//b"} {
		if _, err := repo.Propose(t.Context(), gitrepo.Change{Name: proposed, Files: map[string][]byte{file: {}}}); err == nil {
			t.Errorf("%q is a file", file)
		}
	}
}

func TestAFleetInADirectoryProposesThere(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.config.Path = "sites/fra1"
	r.commit(t, "main", "", map[string]node{"sites/fra1/hosts/a.yaml": text("a\n")})
	repo := open(t, r.config)
	if _, err := repo.Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Propose(t.Context(), gitrepo.Change{Name: proposed, Message: "m",
		Files: map[string][]byte{"hosts/discovered/x.yaml": []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if got := git(t, r.bare, "show", "ingot/sites/fra1/proposals/"+proposed+":sites/fra1/hosts/discovered/x.yaml"); got != "x" {
		t.Errorf("the file is %q", got)
	}
}
