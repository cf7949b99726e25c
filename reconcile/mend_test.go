package reconcile_test

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestTheDaemonMendsItsPages has somebody else write to the status branch in every way: what is ours is as it was at the next look at the repository,
// what is not stays, and nothing that was read there counts.
func TestTheDaemonMendsItsPages(t *testing.T) {
	page, other := status.Path("host-0000"), status.Path("host-0001")
	for name, vandalise := range map[string]func(*world, map[string][]byte){
		"a page is no document":           func(w *world, _ map[string][]byte) { w.branch[page] = []byte("{") },
		"a page has another one's bytes":  func(w *world, _ map[string][]byte) { w.branch[page] = w.branch[other] },
		"an older page is put back":       func(w *world, older map[string][]byte) { w.branch[page] = older[page] },
		"a page is deleted":               func(w *world, _ map[string][]byte) { delete(w.branch, page) },
		"the fleet's page is edited":      func(w *world, _ map[string][]byte) { w.branch[status.FleetPath] = []byte("kind: Nothing\n") },
		"the board is deleted":            func(w *world, _ map[string][]byte) { delete(w.branch, status.BoardPath) },
		"the branch is an older one":      func(w *world, older map[string][]byte) { w.branch = maps.Clone(older) },
		"the branch is deleted":           func(w *world, _ map[string][]byte) { w.branch = map[string][]byte{} },
		"somebody else's file is changed": func(w *world, _ map[string][]byte) { w.branch["notes/a.md"] = []byte("theirs, edited") },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				d := w.daemon(t, reconcile.Limits{})
				after(5 * time.Second) // in the middle of it
				w.mu.Lock()
				older := maps.Clone(w.branch)
				w.mu.Unlock()
				after(30 * time.Minute)
				w.mu.Lock()
				want, records, calls := maps.Clone(w.branch), maps.Clone(w.records), w.calls
				if bytes.Equal(older[page], want[page]) || len(older) == 0 {
					t.Error("the older branch is none")
				}
				vandalise(w, older)
				theirs, there := w.branch["notes/a.md"]
				w.branch["notes/b.md"] = []byte("theirs")
				w.strayed = true
				w.mu.Unlock()
				after(2 * time.Minute)
				w.mu.Lock()
				if want["notes/b.md"] = []byte("theirs"); there {
					want["notes/a.md"] = theirs
				}
				if diff := cmp.Diff(withoutPush(want), withoutPush(w.branch)); diff != "" {
					t.Errorf("the branch (-want +got):\n%s", diff)
				}
				if pushes := w.calls - calls; pushes > 1 {
					t.Errorf("%d writes, want one push", pushes)
				}
				if diff := cmp.Diff(records, w.records); diff != "" {
					t.Errorf("the journal took something over (-want +got):\n%s", diff)
				}
				w.mu.Unlock()
				if got := d.phases(); got[plan.Active] != 2 {
					t.Errorf("phases = %v, want both Active", got)
				}
				d.end(t)
			})
		})
	}
}

// withoutPush is a branch without what every push changes.
func withoutPush(branch map[string][]byte) map[string][]byte {
	rest := maps.Clone(branch)
	if page, there := branch[status.FleetPath]; there {
		rest[status.FleetPath] = regexp.MustCompile(`(?m)^  push(ID)?: .*\n`).ReplaceAll(page, nil)
	}
	return rest
}

// TestAPushSeesThatTheBranchMoved breaks pages right before a push that is built upon them, on a branch that cannot be
// read at all: nothing is pushed on pages that nobody has read, and all of them are there again once they can be read.
func TestAPushSeesThatTheBranchMoved(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.daemon(t, reconcile.Limits{Poll: 24 * time.Hour})
		after(30 * time.Minute)
		w.mu.Lock()
		want := slices.Sorted(maps.Keys(w.branch))
		clear(w.branch)
		w.strayed, w.unreadable = true, errors.New("more than 50000 files")
		w.machines["host-0001"].hangs = true // its page changes
		w.mu.Unlock()
		after(time.Hour)
		w.mu.Lock()
		if got := slices.Sorted(maps.Keys(w.branch)); len(got) > 0 {
			t.Errorf("pushed on a branch that was not read: %v", got)
		}
		w.unreadable = nil
		w.mu.Unlock()
		if why := d.View().Publish; !strings.Contains(why, "more than 50000 files") {
			t.Errorf("Publish = %q", why)
		}
		after(time.Hour)
		d.end(t)
		if got := slices.Sorted(maps.Keys(w.branch)); !slices.Equal(got, want) {
			t.Errorf("the branch has %v, want all of %v again", got, want)
		}
	})
}

// TestWhatOperatorsDidIsNotForgotten has an operator act while the status branch cannot be read yet, which knows what others did before.
func TestWhatOperatorsDidIsNotForgotten(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		before := status.Act{At: time.Now().UTC(), By: "anna", What: "paused ring canary"}
		d := w.daemon(t, reconcile.Limits{})
		d.RecordAct(before)
		after(time.Hour)
		d.end(t)
		w.unreadable = errors.New("the forge is down")
		d = w.daemon(t, reconcile.Limits{})
		after(time.Minute)
		now := status.Act{At: time.Now().UTC(), By: "bert", What: "repinned the trunk"}
		d.RecordAct(now)
		after(time.Minute)
		w.mu.Lock()
		w.unreadable = nil
		w.mu.Unlock()
		after(time.Hour)
		d.end(t)
		fleet, err := status.ParseFleet(w.branch[status.FleetPath])
		if diff := cmp.Diff([]status.Act{now, before}, fleet.Acts); diff != "" || err != nil {
			t.Errorf("acts, %v (-want +got):\n%s", err, diff)
		}
	})
}
