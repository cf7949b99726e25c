package daemon_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestPluginsComeFromTheCommitAndTheMirror installs a machine with a plug-in of each kind: they are asked before the
// install, and what they said stands on the page. Before the mirror has a plug-in, nothing boots.
func TestPluginsComeFromTheCommitAndTheMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	committed, served := "#!/bin/sh\necho of the commit\n", "#!/bin/sh\necho of the mirror\n"
	files := map[string]string{
		"plugins/raid": committed,
		"steps/raid.yaml": "apiVersion: ingot.dev/v1alpha1\nkind: Step\nmetadata: {name: raid}\nspec:\n  plugins:\n    - {url: plugins/acme, sha256: " + digestOf(served) +
			", step: create}\n    - {path: plugins/raid, step: make}\n",
	}
	for name, text := range files {
		path := filepath.Join(w.dir, "fleet", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.edit(t, workload, "spec:\n", "spec:\n  steps: [{step: install}, {step: raid}]\n")
	w.git(t, "add", "--all")
	w.push(t, "plug-ins behind the install")
	machine := w.rack.Sim("machine-1")
	w.start(t)
	w.await(t, 1, "held without the plug-in", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Hold != nil && h.Hold.Reason == change.ImageUnusable
	})
	if counts := machine.Counts(); counts.Begun != 0 {
		t.Errorf("%d installs began", counts.Begun)
	}
	mirror := filepath.Join(w.dir, "state", "images", "plugins")
	if err := os.MkdirAll(mirror, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mirror, "acme"), []byte(served), 0o644); err != nil {
		t.Fatal(err)
	}
	w.await(t, 1, "Active", active)
	steps := w.branchPage(t, "machine-1").LastOperation.Steps
	var order []string
	for _, s := range steps {
		order = append(order, s.Key()+" "+string(s.State))
	}
	if diff := cmp.Diff([]string{"describe Done", "install Done", "raid Done"}, order); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	want := []inventory.Described{{SHA256: digestOf(served), Name: "acme", Version: "simulated", Step: "create", Support: "generic"},
		{SHA256: digestOf(committed), Name: "raid", Version: "simulated", Step: "make", Support: "generic"}}
	if diff := cmp.Diff(want, steps[0].Described); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
