package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/status"
)

// loseJournal is what is left when a daemon's disk is: the fleet, its status branch, and the identity.
func (w *world) loseJournal(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
}

// TestOnlyOurOwnPagesAreBelieved loses the journal, and with it everything but the status branch, on which somebody edited a page: that host is left alone,
// the others are as they were.
func TestOnlyOurOwnPagesAreBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	stop := w.start(t)
	w.await(t, 2, "Active", active)
	stop()
	before := w.states(t)
	w.loseJournal(t)
	w.git(t, "fetch", "--quiet", "origin")
	w.git(t, "checkout", "--quiet", "-B", "edited", "origin/ingot/status")
	w.edit(t, status.Path("machine-1"), "workload: hello", "workload: other")
	w.git(t, "commit", "--quiet", "-am", "machine-1: by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	w.git(t, "checkout", "--quiet", "main")

	w.start(t)
	w.await(t, 1, "Active, from its page", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-2" && active(h) })
	w.await(t, 1, "left alone, for its page was edited", func(h daemon.HostView) bool {
		return h.Metadata.Name == "machine-1" && strings.Contains(h.Trouble, "its seal does not fit")
	})
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// TestALostJournalKnowsTheAcceptedCommit rewinds the trunk while no daemon runs, and loses the journal: the status branch knows better.
func TestALostJournalKnowsTheAcceptedCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	first := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	w.edit(t, "README.md", "# ", "# # ")
	w.push(t, "another line")
	second := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	stop := w.start(t)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && h.Commit == second })
	stop()
	before := w.states(t)
	w.loseJournal(t)
	w.git(t, "push", "--quiet", "--force", "origin", first+":main")

	w.start(t)
	w.awaitFleet(t, "rewritten", func(v daemon.View) bool { return v.Commit == "" && strings.Contains(v.Source, "was rewritten") })
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}
