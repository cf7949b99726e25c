package gitrepo_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
)

func unhex(t *testing.T, id string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// treeOrder is git's: directories sort as if their names ended in a slash.
func treeOrder(flat map[string]node, dirs map[string]map[string]node) []string {
	var names []string
	for name := range flat {
		names = append(names, name)
	}
	for name := range dirs {
		names = append(names, name)
	}
	key := func(name string) string {
		if _, dir := dirs[name]; dir || flat[name].mode == "40000" {
			return name + "/"
		}
		return name
	}
	sort.Slice(names, func(i, j int) bool { return key(names[i]) < key(names[j]) })
	return names
}

func latest(t *testing.T, repo *gitrepo.Repo) inventory.Snapshot {
	t.Helper()
	sources, err := repo.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sources.Trunk
}

func TestCommitsAreAcceptedAsTheyCome(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "",
			map[string]node{"hosts/a.yaml": text("a\n"), "big": text("unchanged"), "run.sh": {"100755", "#!/bin/sh\n"}})
		repo := open(t, r.config)
		one := latest(t, repo)
		if one.Commit != first || len(one.Files) != 3 || string(one.Files["hosts/a.yaml"].Data) != "a\n" ||
			!one.Files["run.sh"].Executable || one.Files["big"].Executable {
			t.Fatalf("first snapshot = %+v", one)
		}
		if one.Title != "change" || one.Author != "A User" || one.Time.IsZero() || repo.AcceptedCommit() != first {
			t.Errorf("title %q, author %q, time %v, accepted %q", one.Title, one.Author, one.Time,
				repo.AcceptedCommit())
		}
		if again := latest(t, repo); again.Commit != first {
			t.Errorf("nothing new gave %s", again.Commit)
		}
		second := r.commit(t, "main", first, map[string]node{"hosts/b.yaml": text("b\n"), "big": text("unchanged")})
		third := r.commit(t, "main", second, map[string]node{"hosts/b.yaml": text("b2\n"), "big": text("unchanged")})
		two := latest(t, repo)
		if two.Commit != third || len(two.Files) != 2 || string(two.Files["hosts/b.yaml"].Data) != "b2\n" {
			t.Fatalf("second snapshot = %+v", two)
		}
		if &two.Files["big"].Data[0] != &one.Files["big"].Data[0] {
			t.Error("an unchanged file is held twice")
		}
		if len(one.Files) != 3 {
			t.Error("the first snapshot changed")
		}
	})
}

func TestARestartKnowsItsAcceptedCommit(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "", map[string]node{"a": text("1")})
		tip := first
		for _, content := range []string{"2", "3", "4"} {
			tip = r.commit(t, "main", tip, map[string]node{"a": text(content)})
		}
		r.config.Accepted = first
		if got := latest(t, open(t, r.config)); got.Commit != tip {
			t.Errorf("after a restart three commits behind: %s, want %s", got.Commit, tip)
		}
	})
}

func TestARewrittenHistoryIsRefused(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "", map[string]node{"a": text("1")})
		second := r.commit(t, "main", first, map[string]node{"a": text("2")})
		repo := open(t, r.config)
		latest(t, repo)
		other := r.commit(t, "main", first, map[string]node{"a": text("evil")})
		orphan := r.commit(t, "elsewhere", "", map[string]node{"a": text("evil")})
		for name, tip := range map[string]string{"another child": other, "rewound": first, "unrelated": orphan} {
			git(t, r.bare, "update-ref", "refs/heads/main", tip)
			r.config.Accepted = second
			for when, subject := range map[string]*gitrepo.Repo{"running": repo, "restarted": open(t, r.config)} {
				sources, err := subject.Latest(t.Context())
				var rewritten gitrepo.HistoryRewritten
				if !errors.As(err, &rewritten) || rewritten.Accepted != second || rewritten.Found != tip ||
					sources.Trunk.Files != nil {
					t.Errorf("%s, %s: %+v, %v, want HistoryRewritten from %s to %s", name, when, sources, err, second,
						tip)
				}
				if subject.AcceptedCommit() != second {
					t.Errorf("%s, %s: accepted became %s", name, when, subject.AcceptedCommit())
				}
			}
		}
		third := r.commit(t, "main", second, map[string]node{"a": text("3")})
		if got := latest(t, repo); got.Commit != third {
			t.Errorf("after the history was put back: %s, want %s", got.Commit, third)
		}
	})
}

func TestAServerThatIsAwayChangesNothing(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "", map[string]node{"a": text("1")})
		repo := open(t, r.config)
		latest(t, repo)
		r.down()
		if _, err := repo.Latest(t.Context()); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("Latest with the server away = %v, want an error without the password", err)
		}
		if _, err := repo.Publish(t.Context(), map[string][]byte{"a": []byte("x")}, "status"); err == nil {
			t.Error("Publish with the server away worked")
		}
		r.up()
		if got := latest(t, repo); got.Commit != first {
			t.Errorf("after the server came back: %s", got.Commit)
		}
		if _, err := repo.Publish(t.Context(), map[string][]byte{"a": []byte("x")}, "status"); err != nil {
			t.Errorf("Publish after the server came back: %v", err)
		}
	})
}

func TestAMissingBranchIsAnErrorAndNotAnEmptyFleet(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		if sources, err := open(t, r.config).Latest(t.Context()); err == nil {
			t.Errorf("an empty repository gave %+v", sources)
		}
		r.commit(t, "elsewhere", "", map[string]node{"a": text("1")})
		if _, err := open(t, r.config).Latest(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "fleet.branch") {
			t.Errorf("no such branch: %v, want a hint at fleet.branch", err)
		}
	})
}

func TestPullRequestsAreNeverFetched(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, r *remote) {
		first := r.commit(t, "main", "", map[string]node{"a": text("1"), "rings": text("prod prod-*\n")})
		theirs := r.commit(t, "theirs", first, map[string]node{"a": text("evil")})
		for _, ref := range []string{"refs/pull/1/head", "refs/pull/1/merge", "refs/merge-requests/1/head",
			"refs/changes/01/1/1", "refs/tags/prod-1"} {
			git(t, r.bare, "update-ref", ref, theirs)
		}
		r.config.TagPatterns = follow
		repo := open(t, r.config)
		runs(t, repo, "", "", "is not a commit of branch main")
		if refs := gitrepo.References(repo); len(refs) != 1 || !strings.HasSuffix(refs[0], "/main") ||
			gitrepo.Has(repo, theirs) {
			t.Errorf("fetched %v, want the trunk alone", refs)
		}
	})
}

func TestWrongCredentialsAreSaidWithoutThem(t *testing.T) {
	t.Parallel()
	web := overHTTP(t)
	web.commit(t, "main", "", map[string]node{"a": text("1")})
	web.config.Password = secret.New("wrong-canary")
	_, err := open(t, web.config).Latest(t.Context())
	if err == nil || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "canary") {
		t.Errorf("wrong password: %v", err)
	}
	shell := overSSH(t)
	shell.commit(t, "main", "", map[string]node{"a": text("1")})
	stranger, unknown := shell.config, shell.config
	stranger.SSHKey = filepath.Join(t.TempDir(), "stranger")
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger.SSHKey)
	if _, err := open(t, stranger).Latest(t.Context()); err == nil || !strings.Contains(err.Error(), "fleet.sshKey") {
		t.Errorf("a key the server does not know: %v, want a hint at fleet.sshKey", err)
	}
	unknown.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	write(t, unknown.KnownHosts, hostLine(t, shell)+read(t, stranger.SSHKey+".pub"))
	if _, err := open(t, unknown).Latest(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "fleet.knownHosts") {
		t.Errorf("a server with another key: %v, want a hint at fleet.knownHosts", err)
	}
}

// hostLine is what a line of known_hosts starts with, for this server.
func hostLine(t *testing.T, r *remote) string {
	t.Helper()
	host, _, _ := strings.Cut(read(t, r.config.KnownHosts), " ")
	return host + " "
}

func TestConfigurationsThatCannotWorkAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]gitrepo.Config{
		"password in the address":     {URL: "https://robot:canary@example.com/fleet.git"},
		"password in a wrong address": {URL: "https://robot:canary%zz@example.com/fleet.git"},
		"ssh without known hosts":     {URL: "ssh://git@example.com/fleet.git", SSHKey: "/nowhere"},
		"unknown protocol":            {URL: "git://example.com/fleet.git"},
		"accepted commit cut off":     {URL: "/srv/fleet.git", Accepted: "0123abc"},
		"accepted commit is no id":    {URL: "/srv/fleet.git", Accepted: strings.Repeat("z", 40)},
		"accepted commit is zero":     {URL: "/srv/fleet.git", Accepted: strings.Repeat("0", 40)},
		"no certificate in ca":        {URL: "https://example.com/fleet.git", CA: []byte("not PEM")},
	} {
		if _, err := gitrepo.Open(config); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: Open = %v, want an error without the password", name, err)
		}
	}
}

// silent accepts and never says a word.
func silent(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener
}

func TestASilentServerEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	shell := overSSH(t)
	address := silent(t).Addr().String()
	for _, url := range []string{"http://" + address + "/fleet.git", "ssh://git@" + address + "/fleet.git"} {
		config := shell.config
		config.URL, config.Limits.Timeout = url, 500*time.Millisecond
		repo := open(t, config)
		for what, call := range map[string]func() error{
			"Latest": func() error { _, err := repo.Latest(t.Context()); return err },
			"Publish": func() error {
				_,
					err := repo.Publish(t.Context(), map[string][]byte{"a": nil}, "x")
				return err
			},
		} {
			done := make(chan error, 1)
			go func() { done <- call() }()
			select {
			case err := <-done:
				if err == nil {
					t.Errorf("%s from %s worked", what, url)
				}
			case <-time.After(2 * time.Minute):
				t.Fatalf("%s from %s does not end", what, url)
			}
		}
	}
}

func TestCredentialsDoNotFollowARedirect(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	r.commit(t, "main", "", map[string]node{"a": text("1")})
	var seen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			seen.Add(1)
		}
		http.NotFound(w, q)
	}))
	t.Cleanup(thief.Close)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, thief.URL+q.URL.RequestURI(), http.StatusFound)
	}))
	t.Cleanup(door.Close)
	r.config.URL = door.URL + "/fleet.git"
	if _, err := open(t, r.config).Latest(t.Context()); err == nil || seen.Load() != 0 {
		t.Errorf("Latest over a redirect = %v; another host saw the password %d times", err, seen.Load())
	}
}

func TestWatchTellsOfAPush(t *testing.T) {
	t.Parallel()
	for what, push := range map[string]func(r *remote, first string, n int){
		"commit": func(r *remote, first string, n int) {
			r.commit(t, "main", first, map[string]node{"a": text(fmt.Sprint(n))})
		},
		"tag":                    func(r *remote, first string, n int) { r.tag(t, fmt.Sprintf("prod-%d", n), first) },
		"tag with a slash":       func(r *remote, first string, n int) { r.tag(t, fmt.Sprintf("prod/%d", n), first) },
		"tag in a new directory": func(r *remote, first string, n int) { r.tag(t, fmt.Sprintf("%d/x/1", n), first) },
		"commit of a deep branch": func(r *remote, first string, n int) {
			r.commit(t, "env/prod", first, map[string]node{"a": text(fmt.Sprint(n))})
		},
	} {
		r := overPath(t)
		first := r.commit(t, "main", "", map[string]node{"a": text("1")})
		r.commit(t, "env/prod", "", map[string]node{"a": text("1")})
		r.tag(t, "prod/first", first)
		told := make(chan struct{}, 100)
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(watchContext(t))
		ready := make(chan struct{})
		repo := open(t, r.config)
		go func() {
			close(ready)
			ended <- repo.WatchRefs(ctx, func() { told <- struct{}{} })
		}()
		<-ready
		deadline := time.After(2 * time.Minute)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		heard := false
		for n := 0; !heard; n++ { // the watch may begin after the first push
			push(r, first, n)
			select {
			case <-told:
				heard = true
			case <-tick.C:
			case <-deadline:
				t.Fatalf("the push of a %s was not noticed", what)
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	}
}

func TestWatchOfWhatCannotTell(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	first := r.commit(t, "main", "", map[string]node{"a": text("1")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- open(t, r.config).WatchRefs(ctx, func() { t.Error("Watch heard of a repository elsewhere") })
	}()
	r.commit(t, "main", first, map[string]node{"a": text("2")})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("WatchRefs = %v, want the end of its context", err)
	}
}

// TestTheBranchsCommitCountsToo has a journal of an earlier moment accept the first commit, and the status branch the
// second: a trunk that was taken back to the first is rewritten, and one that contains both is accepted.
func TestTheBranchsCommitCountsToo(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	first := r.commit(t, "main", "", map[string]node{"a": text("1")})
	second := r.commit(t, "main", first, map[string]node{"a": text("2")})
	git(t, r.bare, "update-ref", "refs/heads/main", first)
	r.config.Accepted = first
	repo := open(t, r.config)
	if err := repo.TraceToo(second); err != nil {
		t.Fatal(err)
	}
	var rewritten gitrepo.HistoryRewritten
	if _, err := repo.Latest(t.Context()); !errors.As(err, &rewritten) || rewritten.Accepted != second {
		t.Errorf("Latest = %v, want that %s is missing", err, second)
	}
	git(t, r.bare, "update-ref", "refs/heads/main", second)
	if got, err := repo.Latest(t.Context()); err != nil || got.Trunk.Commit != second {
		t.Errorf("Latest = %s, %v, want %s", got.Trunk.Commit, err, second)
	}
	git(t, r.bare, "update-ref", "refs/heads/main", first)
	if err := repo.RepinTrunk(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got, err := repo.Latest(t.Context()); err != nil || got.Trunk.Commit != first {
		t.Errorf("Latest after an operator's word = %s, %v, want %s", got.Trunk.Commit, err, first)
	}
}
