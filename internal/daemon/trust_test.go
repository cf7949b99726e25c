package daemon_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
)

// TestARewrittenHistoryWaitsForTheOperator asks for signatures, rewrites the trunk, and has the operator name the commit that counts.
func TestARewrittenHistoryWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	key := filepath.Join(w.dir, "jo")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "allowed_signers"), append([]byte("jo "), public...), 0o644); err != nil {
		t.Fatal(err)
	}
	w.edit(t, "../ingot.yaml", "images:", "trust: {allowedSigners: allowed_signers}\nimages:")
	signed := []string{"-c", "gpg.format=ssh", "-c", "commit.gpgsign=true", "-c", "user.signingkey=" + key + ".pub"}

	w.start(t)
	w.awaitFleet(t, "it is not signed", func(v daemon.View) bool { return v.Commit == "" && strings.Contains(v.Source, "it is not signed") })
	w.git(t, append(signed, "commit", "--quiet", "--amend", "--no-edit")...)
	w.git(t, "push", "--quiet", "--force", "origin", "HEAD:main")
	w.await(t, 1, "Active", active)
	first := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	before := w.state(t, "machine-1")

	w.edit(t, "hosts/machine-1.yaml", "hello from machine-1", "hello again")
	w.git(t, append(signed, "commit", "--quiet", "-a", "--amend", "-m", "another history")...)
	w.git(t, "push", "--quiet", "--force", "origin", "HEAD:main")
	w.awaitFleet(t, "rewritten", func(v daemon.View) bool {
		return strings.HasPrefix(v.Commit, first) && strings.Contains(v.Source, "was rewritten") && strings.Contains(v.Source, "ingot trust repin ")
	})

	second := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	client := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock"))
	if err := client.RepinTrunk(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), "no full commit id: `git rev-parse") {
		t.Errorf("Repin(main) = %v, want it refused", err)
	}
	nowhere := strings.Repeat("12", 20)
	if err := client.RepinTrunk(t.Context(), nowhere); err == nil || !strings.Contains(err.Error(), "there is no commit "+nowhere+" in the history of branch main") {
		t.Errorf("Repin(%s) = %v, want it refused", nowhere, err)
	}
	if err := client.RepinTrunk(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	w.await(t, 1, "Held", func(h daemon.HostView) bool { return h.Commit == second && h.Hold != nil && len(h.Hold.Consent) > 0 })
	if after := w.state(t, "machine-1"); after.Disk != before.Disk || len(after.Story) != len(before.Story) {
		t.Errorf("the machine was touched: %v, then %v", before.Story, after.Story)
	}
	w.checkRepinned(t, first, second)
}

// checkRepinned wants the operator's calls in the audit log, the refused one too, and the other on the status branch.
func (w *world) checkRepinned(t *testing.T, first, second string) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	did := fmt.Sprintf("re-pinned the trunk to %s, from %s", second, first)
	for _, want := range []string{fmt.Sprintf(`(uid %d)","what":"refused: re-pinned the trunk to main, from %s"`, os.Geteuid(), first), fmt.Sprintf("%q", did)} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the audit log does not say %s:\n%s", want, log)
		}
	}
	w.awaitFleet(t, "the operator's act", func(v daemon.View) bool { return len(v.Acts) == 1 && v.Acts[0].What == did })
	w.awaitFleet(t, "the act on the board", func(daemon.View) bool { // there is a view after each push
		w.git(t, "fetch", "--quiet", "origin", "ingot/status")
		return strings.Contains(w.git(t, "show", "FETCH_HEAD:README.md"), "re-pinned the trunk to "+second)
	})
}

// awaitFleet waits until the daemon says something of the whole fleet.
func (w *world) awaitFleet(t *testing.T, what string, wanted func(daemon.View) bool) {
	t.Helper()
	var last daemon.View
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock")).FollowEvents(ctx, func(e daemon.Event) bool {
		if e.Fleet != nil {
			last = *e.Fleet
		}
		return e.Fleet != nil && wanted(*e.Fleet)
	})
	if err != nil {
		t.Fatalf("waited in vain for %s: %v; the fleet is %+v", what, err, last)
	}
}
