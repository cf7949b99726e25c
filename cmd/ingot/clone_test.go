package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// clone is a clone of a fleet on branch main, with commits whose ids are the same at every run.
type clone struct {
	t   *testing.T
	dir string
	env []string
}

func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{t: t, dir: t.TempDir(), env: append(os.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")}
	c.git("init", "--quiet", "--initial-branch=main")
	return c
}

func (c *clone) write(name, text string) {
	c.t.Helper()
	file := filepath.Join(c.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clone) read(name string) string {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(name)))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// replace changes a text in a file, which must be there.
func (c *clone) replace(name, old, text string) {
	c.t.Helper()
	before := c.read(name)
	if !strings.Contains(before, old) {
		c.t.Fatalf("%s does not contain %q", name, old)
	}
	c.write(name, strings.ReplaceAll(before, old, text))
}

func (c *clone) git(arguments ...string) string {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), "git", arguments...)
	command.Dir, command.Env = c.dir, c.env
	out, err := command.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v: %s", arguments, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c *clone) commit(message string) {
	c.t.Helper()
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message", message)
}

// run is what a command prints to both outputs, and its exit code.
func (c *clone) run(env []string, name string, arguments ...string) (string, int) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), name, arguments...)
	command.Dir, command.Env = c.dir, append(c.env, env...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%s %v: %v", name, arguments, err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// status makes the status branch that a daemon would leave which lets update: Reinstall stand for consent on some hosts: documents of each host at a
// revision; those without were never seen.
func (c *clone) status(revision string, reinstall schemas.Scope, documents func(inventory.Desired) *status.Document) {
	c.t.Helper()
	fleet, findings, err := fleets.NewReader(c.dir).ReadFleet(revision, nil)
	if err != nil || schemas.Fatal(findings) {
		c.t.Fatalf("the fleet at %s: %v %v", revision, findings, err)
	}
	dir := c.t.TempDir()
	for _, host := range fleet.Hosts {
		if d := documents(host); d != nil {
			file := filepath.Join(dir, filepath.FromSlash(status.Path(host.ID)))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, d.Encode(), 0o644)); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	page := status.NewFleet(status.Fleet{Commit: fleet.Commit, Reinstall: &reinstall}, nil, nil)
	if err := os.WriteFile(filepath.Join(dir, status.FleetPath), page.Encode(), 0o644); err != nil {
		c.t.Fatal(err)
	}
	plumbing := &clone{t: c.t, dir: dir, env: append(c.env, "GIT_DIR="+filepath.Join(c.dir, ".git"), "GIT_WORK_TREE="+dir, "GIT_INDEX_FILE="+filepath.Join(c.t.TempDir(), "index"))}
	plumbing.git("add", "--all", ".")
	plumbing.git("update-ref", "refs/heads/ingot/status", plumbing.git("commit-tree", "-m", "status", plumbing.git("write-tree")))
}
