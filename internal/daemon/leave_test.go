package daemon_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestLeaveTakenBackBetweenTwoSteps has a script run before the install of a machine whose disk holds data, under a consent, with the real agent, hub and Git.
// While it runs somebody takes leave back: not a byte of the disk changes, and the page says what is so.
func TestLeaveTakenBackBetweenTwoSteps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		take func(*testing.T, *world)
		then func(daemon.HostView) bool
	}{
		"protect": {
			func(t *testing.T, w *world) { w.change(t, "spec:\n", "spec:\n  protect: true\n") },
			func(h daemon.HostView) bool { return h.Phase == plan.Protected },
		},
		"file deleted": {
			func(t *testing.T, w *world) {
				other, err := os.ReadFile(filepath.Join(w.dir, "fleet", "hosts", "machine-1.yaml"))
				if err != nil {
					t.Fatal(err)
				}
				text := strings.NewReplacer("machine-1", "machine-9", "00001", "00009", "Systems/1", "Systems/9").Replace(string(other))
				text = strings.Replace(text, "spec:\n", "spec:\n  lifecycle: Unmanaged\n", 1) // an empty fleet would be refused
				if err := os.WriteFile(filepath.Join(w.dir, "fleet", "hosts", "machine-9.yaml"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				w.git(t, "rm", "--quiet", "-f", "hosts/machine-1.yaml")
				w.git(t, "add", "--all")
				w.push(t, "machine-1 is gone")
			},
			func(h daemon.HostView) bool { return h.Phase == plan.Orphaned },
		},
		"consent reverted": {
			func(t *testing.T, w *world) {
				w.git(t, "revert", "--no-edit", "HEAD")
				w.git(t, "push", "--quiet", "origin", "HEAD:main")
			},
			func(h daemon.HostView) bool { return h.Hold != nil && h.Hold.Reason == change.NeedsConsent },
		},
		"trunk rewritten": {
			func(t *testing.T, w *world) {
				w.git(t, "commit", "--quiet", "--amend", "-m", "another history")
				w.git(t, "push", "--quiet", "--force", "origin", "HEAD:main")
			},
			func(h daemon.HostView) bool { return h.Hold != nil && h.Hold.Reason == change.Frozen },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.data(t)
			w.burnIn(t)
			began, end := w.holdScripts(t)
			w.start(t)
			consent := w.awaitConsent(t, "DISK00001/")
			disk := contents(t, w.rack.Sim("machine-1").Disk())
			w.change(t, "spec:\n", "spec:\n  consent: {erase: \""+consent+"\"}\n")
			<-began
			test.take(t, w)
			w.await(t, 1, "as the change has it", func(h daemon.HostView) bool {
				return h.Metadata.Name == "machine-1" && (test.then(h) || strings.Contains(h.Waits, "not let write any more") || name == "trunk rewritten")
			})
			if name == "trunk rewritten" {
				w.awaitFleet(t, "frozen", func(v daemon.View) bool { return v.Frozen != "" })
			}
			end()
			w.await(t, 1, "as the change has it", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-1" && test.then(h) && h.Pushed })
			if counts := w.rack.Sim("machine-1").Counts(); counts.Begun > 0 || !bytes.Equal(contents(t, w.rack.Sim("machine-1").Disk()), disk) {
				t.Errorf("%d installs began, the disk is as it was: %t", counts.Begun, bytes.Equal(contents(t, w.rack.Sim("machine-1").Disk()), disk))
			}
		})
	}
}

// burnIn has the workload run a script before its install.
func (w *world) burnIn(t *testing.T) {
	t.Helper()
	dir := filepath.Join(w.dir, "fleet", "steps")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"burn-in.yaml": "apiVersion: ingot.dev/v1alpha1\nkind: Step\nmetadata: {name: burn-in}\nspec: {script: steps/burn-in.sh}\n",
		"burn-in.sh":   "#!/bin/sh\nexit 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.edit(t, workload, "spec:\n", "spec:\n  steps: [{step: burn-in}, {step: install}]\n")
	w.git(t, "add", "steps")
	w.push(t, "a script before the install")
}

// holdScripts has the scripts of machine-1 begin, which began tells, and not end before end is called.
func (w *world) holdScripts(t *testing.T) (began <-chan struct{}, end func()) {
	t.Helper()
	first, over := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.rack.Sim("machine-1").Break(func(step wire.Step) error {
		if step.Script != nil {
			once.Do(func() { close(first) })
			<-over
		}
		return nil
	})
	end = sync.OnceFunc(func() { close(over) })
	t.Cleanup(end)
	return first, end
}
