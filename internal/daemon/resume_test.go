package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestAnOperatorResumesAHost has a step on hold in front of the install, and an operator say through the control socket that the host may go on. The audit log has
// who asked.
func TestAnOperatorResumesAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.edit(t, workload, "spec:\n", "spec:\n  steps: [{step: hold}, {step: install}]\n")
	w.push(t, "a hold before the install")
	machine := w.rack.Sim("machine-1")
	w.start(t)
	w.await(t, 1, "on hold", func(h daemon.HostView) bool {
		return h.Hold != nil && h.Hold.Reason == change.OnHold && strings.Contains(h.Hold.Message, "ingot resume machine-1")
	})
	if counts := machine.Counts(); counts.Begun != 0 {
		t.Errorf("%d installs began", counts.Begun)
	}
	client := daemon.Connect(w.socket())
	if err := client.Resume(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("Resume(nobody) = %v, want it refused", err)
	}
	if err := client.Resume(t.Context(), "machine-1"); err != nil {
		t.Fatal(err)
	}
	w.await(t, 1, "Active", active)
	log, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"what":"resumed machine-1"`, `"what":"refused: resumed nobody"`} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the audit log does not say %s:\n%s", want, log)
		}
	}
}
