package daemon_test

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

// TestTwoFleetsInOneRepository serves two fleets in directories of one repository, beside a symbolic link and a file that
// no fleet may have. A release of one fleet installs its machine again, and leaves the machine of the other alone. A daemon
// that is given the other fleet's status branch touches nothing.
func TestTwoFleetsInOneRepository(t *testing.T) {
	t.Parallel()
	a := newWorld(t, 2)
	a.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 100ms\nreinstall: {allHosts: true}")
	a.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1s")
	a.edit(t, "workloads/hello.yaml", "spec:\n", "spec:\n  update: Reinstall\n")
	b := *a
	b.config, b.stateIn = "ingot-b.yaml", "state-b"
	a.splitFleet(t)
	a.writeConfig(t, "ingot.yaml", "fleets/a", nil)
	a.writeConfig(t, b.config, "fleets/b", map[string]string{"stateDir: state": "stateDir: state-b",
		"identityDir: identity": "identityDir: identity-b"})

	stopA := a.start(t)
	a.await(t, 1, "machine-1 Active", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-1" && active(h) })
	b.start(t)
	b.await(t, 1, "machine-2 Active", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-2" && active(h) })

	a.edit(t, "fleets/b/workloads/hello.yaml", "ingot.demo=", "ingot.demo=next")
	a.push(t, "a release of fleet b")
	commit := strings.TrimSpace(a.git(t, "rev-parse", "HEAD"))
	b.await(t, 1, "machine-2 with the release", runs(commit))
	if one, two := a.rack.Sim("machine-1").Counts(), a.rack.Sim("machine-2").Counts(); one.Begun != 1 || two.Begun != 2 {
		t.Errorf("machine-1 was written %d times, machine-2 %d times, want 1 and 2", one.Begun, two.Begun)
	}

	a.git(t, "fetch", "--quiet", "origin")
	for branch, path := range map[string]string{"ingot/fleets/a/status": "fleets/a", "ingot/fleets/b/status": "fleets/b"} {
		page := a.git(t, "show", "origin/"+branch+":fleet.yaml")
		if !strings.Contains(page, "path: "+path+"\n") {
			t.Errorf("fleet.yaml on %s does not name the fleet's directory:\n%s", branch, page)
		}
	}

	stopA()
	a.writeConfig(t, "ingot.yaml", "fleets/a", map[string]string{"path: fleets/a": "path: fleets/a\n  statusBranch: ingot/fleets/b/status",
		"stateDir: state": "stateDir: state-c"})
	a.edit(t, "../ingot.yaml", "identityDir: identity", "identityDir: identity-b")
	before := a.git(t, "ls-remote", "origin", "refs/heads/ingot/fleets/b/status")
	a.stateIn = "state-c"
	a.start(t)
	a.awaitSource(t, "is of the fleet in fleets/b, fleet.path is fleets/a")
	if after := a.git(t, "ls-remote", "origin", "refs/heads/ingot/fleets/b/status"); strings.Fields(after)[0] == "" || a.rack.Sim("machine-1").Counts().Begun != 1 {
		t.Errorf("the branch of fleet b went from %s to %s, or machine-1 was written again", before, after)
	}
}

// splitFleet makes two fleets of the fleet, each with one machine.
func (w *world) splitFleet(t *testing.T) {
	t.Helper()
	top := filepath.Join(w.dir, "fleet")
	for name, other := range map[string]string{"a": "machine-2", "b": "machine-1"} {
		dir := filepath.Join(top, "fleets", name)
		for _, part := range []string{"hosts", "workloads", "secrets"} {
			if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(top, part))); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(dir, "hosts", other+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	w.git(t, "rm", "-rqf", "hosts", "workloads", "secrets")
	if err := os.Symlink("/etc/passwd", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "large"), make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "--all")
	w.push(t, "two fleets")
}

// writeConfig writes the configuration of a daemon for a fleet in a directory, with ports of its own.
func (w *world) writeConfig(t *testing.T, file, path string, changes map[string]string) {
	t.Helper()
	first := filepath.Join(w.dir, "first.yaml")
	if _, err := os.Stat(first); err != nil {
		if err := os.Rename(filepath.Join(w.dir, "ingot.yaml"), first); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := config.LoadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "  branch: main\n", "  branch: main\n  path: "+path+"\n", 1)
	for _, address := range []string{settings.Listen.Agents, settings.Listen.Media, settings.Listen.Web} {
		config = strings.ReplaceAll(config, address, freeAddress(t))
	}
	for old, replacement := range changes {
		config = strings.Replace(config, old, replacement, 1)
	}
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitSource waits until the daemon says why the fleet cannot be read.
func (w *world) awaitSource(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		view, err := daemon.Connect(w.socket()).ReadView(t.Context())
		if err == nil && strings.Contains(view.Source, want) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the daemon says %q (%v), want %q", view.Source, err, want)
		}
	}
}

// stateDir is the name of the daemon's stateDir.
func (w *world) stateDir() string { return cmp.Or(w.stateIn, "state") }
