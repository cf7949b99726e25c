package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestAnOperatorHasAHostTriedAgain has the script before an install fail three times, which gives the host up with nothing written, and an operator say, through
// the control socket, that it is tried again. The audit log has what was asked for, the refused calls too, and the fleet's page who did it.
func TestAnOperatorHasAHostTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.burnIn(t)
	machine := w.rack.Sim("machine-1")
	machine.Break(func(step wire.Step) error {
		if step.Script == nil {
			return nil
		}
		return errors.New("the memory is bad")
	})
	w.start(t)
	w.await(t, 1, "given up", func(h daemon.HostView) bool {
		return h.Phase == plan.Failed && h.Hold != nil && h.Hold.Reason == change.InstallFailed && strings.Contains(h.Hold.Message, "the memory is bad") && h.Pushed
	})
	if counts := machine.Counts(); counts.Begun != 0 {
		t.Errorf("%d installs began", counts.Begun)
	}
	machine.Break(nil)
	client := daemon.Connect(w.socket())
	if err := client.RetryHost(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("Retry(nobody) = %v, want it refused", err)
	}
	if err := client.RetryHost(t.Context(), "machine-1"); err != nil {
		t.Fatal(err)
	}
	w.await(t, 1, "Active", active)
	if err := client.RetryHost(t.Context(), "machine-1"); err == nil || !strings.Contains(err.Error(), "nothing to try again") {
		t.Errorf("Retry of a host that is Active = %v, want it refused", err)
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"what":"retry of host machine-1"`, `"what":"refused: retry of host machine-1"`, fmt.Sprintf("(uid %d)", os.Geteuid())} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the audit log does not say %s:\n%s", want, log)
		}
	}
	w.awaitFleet(t, "the operator's act", func(v daemon.View) bool { return len(v.Acts) == 1 && v.Acts[0].What == "retry of host machine-1" })
}
