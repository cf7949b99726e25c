package daemon_test

import (
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestASecretAloneIsMended has the fleet hold a wrong password for a BMC. When only the Secret is corrected, the daemon
// logs in after its next poll of the fleet, long before refused credentials would be tried again: the error is gone.
func TestASecretAloneIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	password := w.rack.Description().Machines[0].Password
	w.seal(t, "not the password")
	w.start(t)
	w.await(t, 1, "refused by their BMC", func(h daemon.HostView) bool {
		return h.Phase == plan.Waiting && h.Hold != nil && h.Hold.Reason == change.BMCUnauthorized && h.Pushed
	})
	mended := time.Now()
	w.seal(t, password)
	w.await(t, 1, "past the error", func(h daemon.HostView) bool {
		return (h.Hold == nil || h.Hold.Reason != change.BMCUnauthorized) && h.Trouble == "" && h.Power != ""
	})
	// The fleet is polled each 10 s here; a host is looked at each 5 min, and refused credentials rest for 20 min.
	if took := time.Since(mended); took > 4*time.Minute {
		t.Errorf("the new password was used after %s, want one poll of the fleet", took)
	}
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && h.Hold == nil && h.Error == "" })
	if refused := w.rack.BMC("machine-1").Log().Counts().RefusedLogins; refused != 1 {
		t.Errorf("%d logins were refused, want 1", refused)
	}
}

// TestASecretForAnotherKey has the fleet hold a Secret that the daemon has no key for: the cause is the Secret, no password is
// tried, and the Secret for the daemon's key is enough.
func TestASecretForAnotherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	password := w.rack.Description().Machines[0].Password
	w.sealFor(t, password, stranger.Recipient())
	w.start(t)
	w.awaitCause(t, "SecretUnusable")
	w.seal(t, password)
	w.await(t, 1, "Active", active)
	if refused := w.rack.BMC("machine-1").Log().Counts().RefusedLogins; refused != 0 {
		t.Errorf("%d logins were refused, want none", refused)
	}
}

// TestASecondLookWritesNothing looks at an installed machine again after a restart of the daemon and after commits that
// change the host's labels: the BMC is asked, and nothing is written to it.
func TestASecondLookWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	stop()
	counts := func() (requests, writes int) {
		c := w.rack.BMC("machine-1").Log().Counts()
		return c.Requests, c.Writes
	}
	before := w.state(t, "machine-1")
	asked, written := counts()

	w.start(t)
	w.await(t, 1, "Active after a restart", func(h daemon.HostView) bool { return active(h) && h.Power != "" })
	labels := "{rack: lab}"
	for _, next := range []string{"{rack: lab, row: a}", "{rack: lab, row: b}"} {
		since := time.Now()
		w.change(t, labels, next)
		labels = next
		w.awaitLookAfterCommit(t, since, active)
	}
	again, more := counts()
	if again == asked {
		t.Error("the BMC was not asked again: this test shows nothing")
	}
	if more != written {
		t.Errorf("%d writes to the BMC, want none", more-written)
	}
	if diff := cmp.Diff(before, w.state(t, "machine-1")); diff != "" {
		t.Errorf("something was done to the machine (-before +after):\n%s", diff)
	}
}

// TestAMachineIsLetGoAndTakenBack gives an installed machine away, as Unmanaged, Adopted and without a workload, and
// takes it back each time: it is what it was, its system was not stopped, and nothing was written to its BMC.
func TestAMachineIsLetGoAndTakenBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old, replacement string
		phase            plan.Phase
	}{
		"Unmanaged":        {"  workload: hello", "  lifecycle: Unmanaged\n  workload: hello", plan.Unmanaged},
		"Adopted":          {"  workload: hello", "  lifecycle: Adopted\n  workload: hello", plan.Unmanaged},
		"without workload": {"  workload: hello\n", "", plan.Active}, // what is installed goes on
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.start(t)
			w.await(t, 1, "Active", active)
			before, log := w.state(t, "machine-1"), w.rack.BMC("machine-1").Log()
			written := log.Counts().Writes
			since := time.Now()
			w.change(t, test.old, test.replacement)
			w.awaitLookAfterCommit(t, since, func(h daemon.HostView) bool { return h.Phase == test.phase && h.Pushed })
			since = time.Now()
			w.git(t, "revert", "--no-edit", "HEAD")
			w.git(t, "push", "--quiet", "origin", "HEAD:main")
			w.awaitLookAfterCommit(t, since, active)
			if diff := cmp.Diff(before, w.state(t, "machine-1")); diff != "" {
				t.Errorf("something was done to the machine (-before +after):\n%s", diff)
			}
			if more := log.Counts().Writes - written; more != 0 {
				t.Errorf("%d writes to the BMC, want none", more)
			}
		})
	}
}

// awaitLookAfterCommit waits until the daemon accepted the clone's commit, which was made after a time, and looked at
// machine-1 after that time and found it as wanted.
func (w *world) awaitLookAfterCommit(t *testing.T, since time.Time, wanted func(daemon.HostView) bool) {
	t.Helper()
	commit := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	accepted, last := false, daemon.HostView{}
	w.follow(t, func() string { return "a look after commit " + commit }, func(e daemon.Event) bool {
		accepted = accepted || e.Fleet != nil && e.Fleet.Commit == commit
		if e.Host != nil {
			last = *e.Host
		}
		return accepted && last.Looked.After(since) && wanted(last)
	})
}
