package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestTwoSignARelease has one person release what installs one machine and erases another: the first goes on at once, the second when somebody else has
// countersigned the tag, as the board says to.
func TestTwoSignARelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.signers(t, "jo", "ann")
	w.edit(t, "../ingot.yaml", "images:", "trust: {allowedSigners: allowed_signers, twoSigners: true}\nreinstall: {allHosts: true}\nimages:")
	w.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1s")
	w.edit(t, "workloads/hello.yaml", "spec:\n", "spec:\n  update: Reinstall\n")
	w.edit(t, "hosts/machine-2.yaml", "  workload: hello\n", "")
	ring := "apiVersion: ingot.dev/v1alpha1\nkind: Ring\nmetadata: {name: prod}\nspec: {hosts: {allHosts: true}, tag: \"v*\"}\n"
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "ring.yaml"), []byte(ring), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "ring.yaml")
	first := w.release(t, "v1", "first")
	w.start(t)
	w.await(t, 1, "running the first release", runs(first)) // onto a blank disk: that erases nothing

	w.edit(t, "hosts/machine-2.yaml", "spec:\n", "spec:\n  workload: hello\n")
	second := w.release(t, "v2", "second")
	held := func(message string) func(daemon.HostView) bool {
		return func(h daemon.HostView) bool {
			return h.Metadata.Name == "machine-1" && h.Phase == plan.Held && h.Hold.Reason == change.NeedsSigners && strings.HasSuffix(h.Hold.Message, message) && h.Pushed
		}
	}
	w.await(t, 2, "held, and running the second release", func(h daemon.HostView) bool {
		return held("two must sign tag v2, which jo alone signed")(h) || h.Metadata.Name == "machine-2" && runs(second)(h)
	})
	w.git(t, "fetch", "--quiet", "origin")
	board := w.git(t, "show", "origin/ingot/status:README.md")
	for _, command := range change.Countersign("v2") {
		if !strings.Contains(board, "\n  "+command+"\n") {
			t.Errorf("the board does not say `%s`:\n%s", command, board)
		}
	}

	w.countersign(t, "jo", "v2")
	w.await(t, 1, "held still", held("countersign/v2/jo does not count: jo signed the tag too"))
	if counts := w.rack.Sim("machine-1").Counts(); counts.Begun != 1 {
		t.Errorf("machine-1 was written %d times before two had signed, want once", counts.Begun)
	}
	w.countersign(t, "ann", "v2")
	w.await(t, 2, "running the second release", runs(second))
	for name, times := range map[string]int{"machine-1": 2, "machine-2": 1} {
		if counts := w.rack.Sim(name).Counts(); counts.Begun != times {
			t.Errorf("%s was written %d times, want %d", name, counts.Begun, times)
		}
	}
}

// signers makes keys of allowed signers. The first signs all that is committed and tagged.
func (w *world) signers(t *testing.T, names ...string) {
	t.Helper()
	var allowed []byte
	for _, name := range names {
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(w.dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
		public, err := os.ReadFile(filepath.Join(w.dir, name+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		allowed = fmt.Appendf(allowed, "%s %s", name, public)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "allowed_signers"), allowed, 0o644); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"gpg.format": "ssh", "user.signingkey": filepath.Join(w.dir, names[0]+".pub"), "commit.gpgsign": "true", "tag.gpgsign": "true", "core.editor": "echo release >", // the message of a signed tag
	} {
		w.git(t, "config", key, value)
	}
}

// countersign does what the daemon says to.
func (w *world) countersign(t *testing.T, who, tag string) {
	t.Helper()
	for _, command := range change.Countersign(tag) {
		arguments := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(command, "git "), "$USER", who))
		w.git(t, append([]string{"-c", "user.signingkey=" + filepath.Join(w.dir, who+".pub")}, arguments...)...)
	}
}
