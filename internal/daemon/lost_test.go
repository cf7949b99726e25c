package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
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
// the others are as they were. People read of it wherever they look, and what is left of its page stays for them to mend.
func TestOnlyOurOwnPagesAreBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.makeRings(t, 2)
	first := w.release(t, "v1", "one")
	stop := w.start(t)
	w.await(t, 2, "Active", func(h daemon.HostView) bool { return active(h) && runs(first)(h) })
	stop()
	before := w.states(t)
	w.loseJournal(t)
	w.git(t, "fetch", "--quiet", "origin")
	w.git(t, "checkout", "--quiet", "-B", "edited", "origin/ingot/status")
	w.edit(t, status.Path("machine-1"), "workload: hello", "workload: other")
	w.git(t, "commit", "--quiet", "-am", "machine-1: by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	edited := w.git(t, "show", "HEAD:"+status.Path("machine-1"))
	w.git(t, "checkout", "--quiet", "main")

	w.start(t)
	w.await(t, 1, "Active, from its page", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-2" && active(h) })
	w.await(t, 1, "left alone, for its page was edited", func(h daemon.HostView) bool {
		return h.Metadata.Name == "machine-1" && h.Phase == plan.Held && strings.Contains(h.Hold.Message,
			"its seal does not fit")
	})
	w.awaitFleet(t, "it is held in its ring", func(v daemon.View) bool {
		return len(v.Rings) > 0 && v.Rings[1].Name == "canary" && slices.Equal(v.Rings[1].Held, []string{"machine-1"})
	})
	w.awaitFleet(t, "it is on the board", func(daemon.View) bool { // there is a view after each push
		w.git(t, "fetch", "--quiet", "origin", "ingot/status")
		_, people, _ := strings.Cut(w.git(t, "show", "FETCH_HEAD:"+status.BoardPath), "## Needs a look")
		return strings.Contains(people, "machine-1") && strings.Contains(people, "its seal does not fit") && strings.Contains(w.git(t, "show", "FETCH_HEAD:"+status.FleetPath), "Held: 1")
	})
	if now := w.git(t, "show", "FETCH_HEAD:"+status.Path("machine-1")); now != edited {
		t.Errorf("the page that is not believed was written over:\n%s", now)
	}
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// rewound is a world whose machine is Active at the second commit, and whose daemon was stopped and has lost its journal since, while the trunk was taken back to
// the first one.
func rewound(t *testing.T) (w *world, first string, before map[string]machineState) {
	t.Helper()
	w = newWorld(t, 1)
	first = strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	w.edit(t, "README.md", "# ", "# # ")
	w.push(t, "another line")
	second := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	stop := w.start(t)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && h.Commit == second })
	stop()
	before = w.states(t)
	w.loseJournal(t)
	w.git(t, "push", "--quiet", "--force", "origin", first+":main")
	return w, first, before
}

// TestALostJournalKnowsTheAcceptedCommit rewinds the trunk while no daemon runs, and loses the journal: the status branch knows better.
func TestALostJournalKnowsTheAcceptedCommit(t *testing.T) {
	t.Parallel()
	w, _, before := rewound(t)

	w.start(t)
	w.awaitFleet(t, "rewritten", func(v daemon.View) bool { return v.Commit == "" && strings.Contains(v.Source, "was rewritten") })
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// TestADeletedFleetPageIsNoFirstStart rewinds the trunk, loses the journal, and deletes the one page that knows better: the pages of hosts say that there
// was one. Nothing is accepted before an operator names the commit that counts.
func TestADeletedFleetPageIsNoFirstStart(t *testing.T) {
	t.Parallel()
	w, first, before := rewound(t)
	w.git(t, "fetch", "--quiet", "origin")
	w.git(t, "checkout", "--quiet", "-B", "edited", "origin/ingot/status")
	w.git(t, "rm", "--quiet", status.FleetPath)
	w.git(t, "commit", "--quiet", "-m", "fleet: by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")

	w.start(t)
	w.awaitFleet(t, "the deleted page", func(v daemon.View) bool {
		return v.Commit == "" && strings.Contains(v.Source, "was deleted") && strings.Contains(v.Source, "ingot trust repin COMMIT")
	})
	if err := daemon.Connect(w.socket()).RepinTrunk(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.awaitFleet(t, "the commit that counts", func(v daemon.View) bool { return v.Commit == first && v.Source == "" })
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// TestALostJournalKnowsTheReleases moves a ring's tag while no daemon runs, and loses the journal: the status branch knows what the tag was.
func TestALostJournalKnowsTheReleases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.makeRings(t, 1)
	first := w.release(t, "v1", "one")
	stop := w.start(t)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && runs(first)(h) })
	stop()
	before := w.states(t)
	w.loseJournal(t)
	second := w.release(t, "v2", "two")
	w.git(t, "tag", "-f", "v1", "v2")
	w.git(t, "push", "--quiet", "--force", "origin", "v1", ":refs/tags/v2")

	w.start(t)
	moved := func(v daemon.View) bool {
		return v.Commit == second && len(v.Rings) > 0 && v.Rings[0].Tag == "v1" && v.Rings[0].Commit == first && strings.Contains(v.Rings[0].Trouble, "tag v1 was moved")
	}
	w.awaitFleet(t, "a moved tag", moved)
	w.await(t, 1, "Active, on what the tag was", runs(first))
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// TestASpoiledBranchIsMended spoils a page, and then the whole branch, while the daemon runs: its next look at the repository sees that the branch moved, and
// its pages are as they were.
func TestASpoiledBranchIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.start(t)
	w.await(t, 2, "Active", active)
	w.git(t, "fetch", "--quiet", "origin")
	page := "origin/ingot/status:" + status.Path("machine-1")
	want := w.git(t, "show", page)
	before := w.states(t)
	again := func() {
		t.Helper()
		now := ""
		w.follow(t, func() string { return "the page of machine-1 to be what it was, not " + now }, func(e daemon.Event) bool {
			if e.Fleet == nil { // there is one after each push
				return false
			}
			w.git(t, "fetch", "--quiet", "--prune", "origin")
			now = w.gitAsks(t, "show", page)
			return now == want
		})
	}

	w.git(t, "checkout", "--quiet", "-B", "spoiled", "origin/ingot/status")
	w.edit(t, status.Path("machine-1"), "phase: Active", "phase: [")
	w.git(t, "commit", "--quiet", "-am", "machine-1: by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	w.git(t, "checkout", "--quiet", "main")
	again()
	w.git(t, "push", "--quiet", "origin", ":ingot/status")
	again()
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// gitAsks gives "" where git says no.
func (w *world) gitAsks(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(w.dir, "fleet")}, args...)...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// TestAnOlderStateDirectoryInstallsNothingAgain copies the state directory while the written system starts, and puts it back after the system called home.
func TestAnOlderStateDirectoryInstallsNothingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	state, older := filepath.Join(w.dir, "state"), filepath.Join(w.dir, "older")
	stop := w.start(t)
	w.await(t, 1, "starting", func(h daemon.HostView) bool { return h.Phase == plan.Starting })
	stop()
	if err := os.CopyFS(older, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	stop = w.start(t)
	w.await(t, 1, "Active", active)
	w.awaitFleet(t, "its page to be pushed", func(daemon.View) bool {
		w.git(t, "fetch", "--quiet", "origin", "ingot/status")
		return strings.Contains(w.git(t, "show", "FETCH_HEAD:"+status.Path("machine-1")), "phase: Active")
	})
	stop()
	before := w.states(t)
	w.loseJournal(t)
	if err := os.CopyFS(state, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	w.await(t, 1, "Active again", active)
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("the machine was touched (-before +after):\n%s", diff)
	}
}
