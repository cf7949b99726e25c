package gitrepo_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// remote is a bare repository behind one way to reach it.
type remote struct {
	bare   string         // its path on this machine
	config gitrepo.Config // how the code under test reaches it
	down   func()         // takes the server off, up brings it back at the same place
	up     func()

	before            func(http.ResponseWriter, *http.Request) bool // over http: answers in place of the server
	requests, failing atomic.Int64                                  // over http: requests so far, and how many of the next fail
}

// remotes are the ways the suite runs over: each is the real server.
var remotes = map[string]func(*testing.T) *remote{"path": overPath, "http": overHTTP, "ssh": overSSH}

func overEach(t *testing.T, test func(*testing.T, *remote)) {
	t.Helper()
	for name, start := range remotes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// overMany leaves out ssh, which needs a second for each of many connections.
func overMany(t *testing.T, test func(*testing.T, *remote)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T) *remote{"path": overPath, "http": overHTTP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// git runs the real git, away from this machine's configuration.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return gitInput(t, dir, "", args...)
}

func gitInput(t *testing.T, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, gitEnv(), strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func gitEnv() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_AUTHOR_NAME=A User", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A User",
		"GIT_COMMITTER_EMAIL=a@example.com")
}

func bareRepository(t *testing.T) *remote {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "fleet.git")
	git(t, ".", "init", "-q", "--bare", "-b", "main", bare)
	git(t, bare, "config", "http.receivepack", "true")
	return &remote{bare: bare, config: gitrepo.Config{Branch: "main", StatusBranch: "ingot/status"}}
}

func overPath(t *testing.T) *remote {
	t.Helper()
	r := bareRepository(t)
	r.config.URL = r.bare
	away := r.bare + ".away"
	r.down = func() { rename(t, r.bare, away) }
	r.up = func() { rename(t, away, r.bare) }
	return r
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

const password = "pass-canary-1"

// overHTTP is git's own http-backend behind a password.
func overHTTP(t *testing.T) *remote {
	t.Helper()
	r := bareRepository(t)
	backend := &cgi.Handler{
		Path: gitPath(t, "git-http-backend"), Env: append(gitEnv(), "GIT_PROJECT_ROOT="+filepath.Dir(r.bare),
			"GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=robot"),
	}
	var off atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.requests.Add(1)
		if r.before != nil && r.before(w, q) {
			return
		}
		if off.Load() || r.failing.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
		if user, given, _ := q.BasicAuth(); user != "robot" || given != password {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who is there?", http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil { // half of one has git-http-backend read its end for ever
			panic(http.ErrAbortHandler)
		}
		q.TransferEncoding = nil
		q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		backend.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.config.URL, r.config.Username, r.config.Password = server.URL+"/fleet.git", "robot", secret.New(password)
	r.down, r.up = func() { off.Store(true) }, func() { off.Store(false) }
	return r
}

func gitPath(t *testing.T, program string) string {
	t.Helper()
	return filepath.Join(git(t, ".", "--exec-path"), program)
}

// overSSH is a real sshd with a key of its own.
func overSSH(t *testing.T) *remote {
	t.Helper()
	r := bareRepository(t)
	dir := t.TempDir()
	for _, key := range []string{"host", "user"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
	}
	port := freePort(t)
	config := fmt.Sprintf("ListenAddress 127.0.0.1:%s\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nStrictModes "+
		"no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nPermitRootLogin prohibit-password\nMaxStartups "+
		"100\nSetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n", port, dir, dir)
	write(t, filepath.Join(dir, "sshd_config"), config)
	write(t, filepath.Join(dir, "known_hosts"),
		fmt.Sprintf("[127.0.0.1]:%s %s", port, read(t, filepath.Join(dir, "host.pub"))))
	r.config.URL = "ssh://" + run(t, "id", "-un") + "@127.0.0.1:" + port + r.bare
	r.config.SSHKey, r.config.KnownHosts = filepath.Join(dir, "user"), filepath.Join(dir, "known_hosts")
	var stop func()
	r.up = func() { stop = startSSHD(t, filepath.Join(dir, "sshd_config")) }
	r.down = func() { stop() }
	r.up()
	t.Cleanup(func() { stop() })
	return r
}

// startSSHD returns when the server listens; stop ends it, and may be called twice.
func startSSHD(t *testing.T, config string) (stop func()) {
	t.Helper()
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/usr/sbin/sshd", "-D", "-e", "-f", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for said := false; lines.Scan(); {
			if !said && strings.Contains(lines.Text(), "Server listening") {
				said = true
				close(listening)
			}
		}
	}()
	select {
	case <-listening:
	case <-ended:
		t.Fatal("sshd ended before it listened")
	case <-time.After(2 * time.Minute):
		t.Fatal("sshd does not listen")
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := tryRun(t, name, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

func tryRun(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func open(t *testing.T, config gitrepo.Config) *gitrepo.Repo {
	t.Helper()
	repo, err := gitrepo.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// node is an entry of a tree to be; mode as git writes it.
type node struct{ mode, content string }

func text(content string) node { return node{"100644", content} }

// commit makes a commit of exactly these entries on top of parent, without a checkout and without git's checks of names, and moves branch to it.
func (r *remote) commit(t *testing.T, branch, parent string, files map[string]node) string {
	t.Helper()
	args := []string{"commit-tree", r.tree(t, files), "-m", "change\n\nbody"}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	id := git(t, r.bare, args...)
	git(t, r.bare, "update-ref", "refs/heads/"+branch, id)
	return id
}

// tree writes one level by hand, so that names git would refuse can be in it.
func (r *remote) tree(t *testing.T, files map[string]node) string {
	t.Helper()
	dirs, flat := map[string]map[string]node{}, map[string]node{}
	for name, file := range files {
		if dir, rest, nested := strings.Cut(name, "/"); nested {
			if dirs[dir] == nil {
				dirs[dir] = map[string]node{}
			}
			dirs[dir][rest] = file
			continue
		}
		flat[name] = file
	}
	var raw strings.Builder
	for _, name := range treeOrder(flat, dirs) {
		mode, id := "40000", ""
		if file, ok := flat[name]; ok {
			mode, id = file.mode, file.content
			if mode != "160000" && mode != "40000" {
				id = gitInput(t, r.bare, file.content, "hash-object", "-w", "--stdin")
			}
		} else {
			id = r.tree(t, dirs[name])
		}
		fmt.Fprintf(&raw, "%s %s\x00%s", mode, name, unhex(t, id))
	}
	return gitInput(t, r.bare, raw.String(), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
}

// watchContext ends with the test.
func watchContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx
}
