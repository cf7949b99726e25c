package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestAnOperatorHasAHostForgotten loses the journal of two machines in service, one of whose pages somebody edited,
// and has an operator say through the control socket that what is known of that machine counts no more: its page is
// written anew, and the machine, which runs, is nobody's. After another loss of the journal the page says so still.
// The audit log has what was asked for, and the fleet's page who did it.
func TestAnOperatorHasAHostForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	stop := w.start(t)
	w.await(t, 2, "Active", active)
	stop()
	before := w.states(t)
	w.loseJournal(t)
	epoch := w.branchPage(t, "machine-1").Epoch
	w.git(t, "checkout", "--quiet", "-B", "edited", "origin/ingot/status")
	w.edit(t, status.Path("machine-1"), "workload: hello", "workload: other")
	w.git(t, "commit", "--quiet", "-am", "machine-1: by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	w.git(t, "checkout", "--quiet", "main")

	stop = w.start(t)
	w.await(t, 1, "held, for its page was edited", func(h daemon.HostView) bool {
		return h.Metadata.Name == "machine-1" && h.Hold != nil && h.Hold.Reason == change.NotBelieved &&
			strings.Contains(h.Hold.Message, "`ingot forget machine-1`")
	})
	client := daemon.Connect(w.socket())
	if err := client.ForgetHost(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(),
		"there is no host nobody") {
		t.Errorf("Forget(nobody) = %v, want it refused", err)
	}
	if err := client.ForgetHost(t.Context(), "id:machine-1"); err != nil {
		t.Fatal(err)
	}
	forgotten := func(h daemon.HostView) bool {
		return h.Metadata.Name == "machine-1" && h.Phase == plan.Held && h.Hold.Reason == change.FoundRunning &&
			h.Installed == nil && h.Forgotten > epoch && h.Epoch >= h.Forgotten && h.Pushed
	}
	w.await(t, 1, "forgotten", forgotten)
	w.awaitFleet(t, "the operator's act", func(v daemon.View) bool {
		return len(v.Acts) == 1 &&
			v.Acts[0].What == "forgot host id:machine-1"
	})
	if page := w.branchPage(t, "machine-1"); page.Forgotten <= epoch || page.Revision == 0 || page.Life.ID == "" {
		t.Errorf("the page says %+v", page)
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "state", "audit.log"))
	if err != nil || !strings.Contains(string(log), `"what":"forgot host id:machine-1"`) ||
		!strings.Contains(string(log), `"what":"refused: forgot host nobody"`) {
		t.Errorf("the audit log says %s, %v", log, err)
	}

	stop()
	w.loseJournal(t)
	w.start(t)
	w.await(t, 1, "forgotten still", forgotten)
	if diff := cmp.Diff(before, w.states(t)); diff != "" {
		t.Errorf("machines were touched (-before +after):\n%s", diff)
	}
}

// branchPage is what a host's page on the status branch says now.
func (w *world) branchPage(t *testing.T, name string) status.Document {
	t.Helper()
	w.git(t, "fetch", "--quiet", "origin", "+ingot/status:refs/remotes/origin/ingot/status")
	page, err := status.Parse([]byte(w.git(t, "show", "origin/ingot/status:"+status.Path(inventory.MachineID(name)))))
	if err != nil {
		t.Fatalf("the page of %s: %v", name, err)
	}
	return page
}

// TestAHostThatMayBeWritingIsNotForgotten has an operator say so while a job is with the machine's agent.
func TestAHostThatMayBeWritingIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.burnIn(t)
	began, end := w.holdScripts(t)
	w.start(t)
	<-began
	w.await(t, 1, "with its agent", func(h daemon.HostView) bool {
		if h.Operation == nil {
			return false
		}
		step, _ := h.Operation.Step()
		return step.State == inventory.StepWorking
	})
	err := daemon.Connect(w.socket()).ForgetHost(t.Context(), "machine-1")
	if err == nil || !strings.Contains(err.Error(), "may be writing: wait for its end") {
		t.Errorf("Forget = %v, want it refused", err)
	}
	end()
	w.await(t, 1, "Active", active)
}
