package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/program"
	"github.com/gitmetal/ingot/inventory/gitrepo"
)

func statusOf(t *testing.T, repo *gitrepo.Repo) map[string][]byte {
	t.Helper()
	files, err := repo.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestStatusIsWrittenAndReadBack(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo := open(t, r.config)
		if files, err := repo.Read(t.Context()); err != nil || len(files) != 0 {
			t.Fatalf("Read without a branch = %v, %v", files, err)
		}
		want := map[string][]byte{"README.md": []byte("board\n"), "hosts/3f/a.yaml": []byte("a\n"),
			"hosts/3f/b.yaml": []byte("b\n"), "hosts/71/c.yaml": []byte("c\n")}
		first, err := repo.Publish(t.Context(), want, "status of abc\n\nCommit: abc\n")
		if err != nil {
			t.Fatal(err)
		}
		second, err := repo.Publish(t.Context(),
			map[string][]byte{"hosts/3f/b.yaml": []byte("b2\n"), "hosts/71/c.yaml": nil}, "more")
		if err != nil {
			t.Fatal(err)
		}
		want["hosts/3f/b.yaml"] = []byte("b2\n")
		delete(want, "hosts/71/c.yaml")
		for name, subject := range map[string]*gitrepo.Repo{"same": repo, "fresh": open(t, r.config)} {
			if diff := cmp.Diff(want, statusOf(t, subject)); diff != "" {
				t.Errorf("%s: the status branch (-want +got):\n%s", name, diff)
			}
		}
		unchanged, err := repo.Publish(t.Context(), map[string][]byte{"README.md": []byte("board\n"), "nothing": nil},
			"no change")
		if err != nil || unchanged != second {
			t.Errorf("Publish of what is there = %s, %v, want %s", unchanged, err, second)
		}
		if log := git(t, r.bare, "log", "--format=%H %an %s", "ingot/status"); log != second+" ingot more\n"+first+
			" ingot status of abc" {
			t.Errorf("log = %s", log)
		}
		git(t, r.bare, "fsck", "--full", "--strict")
		if dirs := git(t, r.bare, "ls-tree", "--name-only", "ingot/status", "hosts/"); dirs != "hosts/3f" {
			t.Errorf("left below hosts: %s", dirs)
		}
	})
}

func TestEveryStatusFileDeleted(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.commit(t, "main", "", map[string]node{"a": text("1")})
	repo := open(t, r.config)
	if tip, err := repo.Publish(t.Context(), map[string][]byte{"a": nil}, "nothing"); err != nil || tip != "" {
		t.Errorf("nothing on no branch = %q, %v, want no commit", tip, err)
	}
	if _, err := repo.Publish(t.Context(), map[string][]byte{"a/b": []byte("x")}, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Publish(t.Context(), map[string][]byte{"a/b": nil}, "none"); err != nil {
		t.Fatal(err)
	}
	git(t, r.bare, "fsck", "--full", "--strict")
	if files, err := open(t, r.config).Read(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("Read = %v, %v, want nothing", files, err)
	}
}

func TestPathsThatAreNoneAreNotWritten(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.commit(t, "main", "", map[string]node{"a": text("1")})
	repo := open(t, r.config)
	for _, path := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", ".", ".git/config"} {
		if tip, err := repo.Publish(t.Context(), map[string][]byte{path: []byte("x")}, "bad"); err == nil {
			t.Errorf("%q was written by %s", path, tip)
		}
	}
}

func TestConcurrentPushersLoseNothing(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		r.commit(t, "main", "", map[string]node{"a": text("1")})
		const pushers, pushes = 3, 4
		var all sync.WaitGroup
		for p := range pushers {
			repo := open(t, r.config)
			all.Go(func() {
				for n := range pushes {
					name := fmt.Sprintf("hosts/%d/%d", p, n)
					change := map[string][]byte{name: []byte(name), fmt.Sprintf("brief/%d/%d", p, n): []byte(name),
						fmt.Sprintf("brief/%d/%d", p, n-1): nil}
					if _, err := repo.Publish(t.Context(), change, name); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		all.Wait()
		files := statusOf(t, open(t, r.config))
		if count := git(t, r.bare, "rev-list", "--count", "ingot/status"); len(files) != pushers*(pushes+1) ||
			count != fmt.Sprint(pushers*pushes) {
			t.Errorf("%d files in %s commits, want all %d that were written and the last of those that each push "+
				"deletes", len(files), count, pushers*pushes)
		}
		git(t, r.bare, "fsck", "--full", "--strict")
	})
}

func TestARefusedPushIsSaidInTheServersWords(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		r.commit(t, "main", "", map[string]node{"a": text("1")})
		hook := filepath.Join(r.bare, "hooks", "pre-receive")
		if err := program.Write(hook, "#!/bin/sh\necho 'only bots may push here' >&2\nexit 1\n"); err != nil {
			t.Fatal(err)
		}
		repo := open(t, r.config)
		_, err := repo.Publish(t.Context(), map[string][]byte{"a": []byte("x")}, "status")
		if err == nil || !strings.Contains(err.Error(), "pre-receive hook declined") ||
			!strings.Contains(err.Error(), "only bots may push here") || strings.Contains(err.Error(), password) {
			t.Errorf("Publish = %v, want the hook's words", err)
		}
		if err := os.Remove(hook); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Publish(t.Context(), map[string][]byte{"a": []byte("x")}, "status"); err != nil {
			t.Errorf("Publish after the hook is gone: %v", err)
		}
	})
}

// Whoever may push to the status branch can put anything there: what is no plain file is passed over, and what is too much is an error, not a part.
func TestAStatusBranchThatNoDaemonWrote(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.commit(t, "main", "", map[string]node{"a": text("1")})
	r.config.Limits = gitrepo.Limits{Blob: 100, Total: 150, Files: 20}
	repo := open(t, r.config)
	r.commit(t, "ingot/status", "", map[string]node{"README.md": text("board"), "link": {"120000", "/etc/passwd"},
		"..": text("up"), "bad\xff": text("x"), "hosts/.GIT/config": text("x"),
		"odd": text("a file, and soon a directory")})
	if diff := cmp.Diff(map[string][]byte{"README.md": []byte("board"), "odd": []byte("a file, and soon a directory")},
		statusOf(t, repo)); diff != "" {
		t.Errorf("the status branch (-want +got):\n%s", diff)
	}
	if _, err := repo.Publish(t.Context(), map[string][]byte{"odd/page": []byte("x")}, "over it"); err != nil {
		t.Errorf("Publish below what is a file there: %v", err)
	}
	many := map[string]node{}
	for i := range 21 {
		many[fmt.Sprint(i)] = text("x")
	}
	for name, files := range map[string]map[string]node{
		"large pages": {"a": text(strings.Repeat("x", 99)), "b": text(strings.Repeat("y", 99))}, "many pages": many,
		"a deep page": {strings.Repeat("d/", 17) + "x": text("deep")},
	} {
		r.commit(t, "ingot/status", "", files)
		if files, err := open(t, r.config).Read(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "no daemon wrote this") || files != nil {
			t.Errorf("%s: Read gave %d pages and %v, want an error alone", name, len(files), err)
		}
	}
}

// TestTheStatusBranchStrays has somebody else push to the branch, and delete it: a look at the source sees it, and so does a push that is built upon it.
func TestTheStatusBranchStrays(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo, other := open(t, r.config), open(t, r.config)
		if _, err := repo.Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
		statusOf(t, repo)
		publish := func(by *gitrepo.Repo, file string) {
			t.Helper()
			if _, err := by.Publish(t.Context(), map[string][]byte{file: []byte(file)}, file); err != nil {
				t.Fatal(err)
			}
		}
		look := func() {
			t.Helper()
			if _, err := repo.Latest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := func(when string, strayed bool) {
			t.Helper()
			if repo.Strayed() != strayed {
				t.Errorf("%s: Strayed = %t, want %t", when, !strayed, strayed)
			}
		}
		publish(repo, "ours")
		look()
		want("nobody else pushed", false)
		publish(other, "theirs")
		want("nobody looked", false)
		look()
		want("somebody else pushed", true)
		statusOf(t, repo)
		look()
		want("it was read", false)
		publish(other, "more of theirs")
		publish(repo, "more of ours")
		want("a push was built upon theirs", true)
		if files := statusOf(t, repo); len(files) != 4 {
			t.Errorf("%d files, want all four", len(files))
		}
		git(t, r.bare, "update-ref", "-d", "refs/heads/ingot/status")
		look()
		want("the branch is deleted", true)
		statusOf(t, repo)
		publish(repo, "again")
		look()
		want("it is there again", false)
	})
}

// TestAPushIsBuiltOnWhatWasRead has somebody else push before a push that must not be built on what nobody has read.
func TestAPushIsBuiltOnWhatWasRead(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo, other := open(t, r.config), open(t, r.config)
		ours := map[string][]byte{"hosts/a": []byte("ours")}
		if _, err := repo.PublishSeen(t.Context(), ours, "the first"); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Publish(t.Context(), map[string][]byte{"hosts/a": []byte("theirs")}, "theirs"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if tip, err := repo.PublishSeen(t.Context(), ours, "over it"); !errors.Is(err, gitrepo.ErrMoved) ||
				!repo.Strayed() {
				t.Errorf("PublishSeen = %q, %v, want ErrMoved", tip, err)
			}
		}
		if files := statusOf(t, repo); string(files["hosts/a"]) != "theirs" ||
			!strings.Contains(repo.LastCommit(), " in "+git(t, r.bare, "rev-parse", "ingot/status")[:10]) {
			t.Errorf("the branch has %q by %q", files["hosts/a"], repo.LastCommit())
		}
		if _, err := repo.PublishSeen(t.Context(), ours, "after a look"); err != nil {
			t.Errorf("PublishSeen after Read: %v", err)
		}
	})
}

// TestAPageThatIsTooLargeIsOnePage: the others are read.
func TestAPageThatIsTooLargeIsOnePage(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	r.commit(t, "main", "", map[string]node{"a": text("1")})
	c := r.config
	c.Limits.Blob = 10
	repo := open(t, c)
	if _, err := repo.Publish(t.Context(), map[string][]byte{"small": []byte("x"), "large": make([]byte, 11)},
		"both"); err != nil {
		t.Fatal(err)
	}
	files := statusOf(t, repo)
	if content, there := files["large"]; !there || content != nil || string(files["small"]) != "x" {
		t.Errorf("Read = %q, want the small page, and the large one without content", files)
	}
}
