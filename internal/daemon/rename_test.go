package daemon_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestARenamedMachineIsReinstalledUnderItsNewName renames an installed machine, which nothing is done to, and has another system installed on it: its medium,
// its agent's tokens and the call home name it as the fleet does now, and its epoch went on. Its old name is nowhere.
func TestARenamedMachineIsReinstalledUnderItsNewName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	before := w.states(t)
	p := w.page(t)
	_, feed := w.rack.Console("machine-1")
	p.awaitKept(t, "machine-1", "said as machine-1", func() { _, _ = io.WriteString(feed, "said as machine-1\n") })

	w.edit(t, "hosts/machine-1.yaml", "name: machine-1", "name: db-1\n  formerly: machine-1")
	w.push(t, "machine-1 is db-1")
	first := ""
	w.await(t, 1, "Active under its new name", func(h daemon.HostView) bool {
		if first = ""; h.Installed != nil {
			first = h.Installed.ID
		}
		return active(h) && h.Metadata.Name == "db-1"
	})
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("a rename did something to the machine (-before +after):\n%s", diff)
	}
	w.git(t, "fetch", "--quiet", "origin")
	if pages := w.git(t, "ls-tree", "-r", "--name-only", "origin/ingot/status", "hosts/"); strings.TrimSpace(pages) != status.Path("db-1") {
		t.Errorf("the status branch has %s, want the page of db-1 alone", pages)
	}
	p.awaitKept(t, "db-1", "said as machine-1", nothing)
	if kept, err := os.ReadFile(filepath.Join(w.dir, "state", "consoles", "machine-1.log")); err == nil {
		t.Errorf("under its old name is kept %q", kept)
	}
	stop()
	w.start(t)

	w.release(t, "v1", "another")
	consent := w.awaitConsent(t, "DISK00001/")
	w.edit(t, "hosts/machine-1.yaml", "  workload:", "  consent: {erase: \""+consent+"\"}\n  workload:")
	w.push(t, "db-1: consent")
	w.await(t, 1, "installed anew", func(h daemon.HostView) bool {
		return active(h) && h.Metadata.Name == "db-1" && h.Installed.ID != first && h.Operation == nil
	})
}
