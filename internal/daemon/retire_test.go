package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// retire has machine-1 leave the fleet, and gives the consents that the daemon asks for.
func (w *world) retire(t *testing.T) (consents []string) {
	t.Helper()
	w.change(t, "spec:\n", "spec:\n  lifecycle: Retired\n  retire: {disks: all, policy: clear}\n")
	w.await(t, 1, "held for a consent", func(h daemon.HostView) bool {
		if h.Hold == nil || h.Hold.Reason != change.NeedsConsent || len(h.Hold.Consent) != 2 {
			return false
		}
		consents = h.Hold.Consent
		return true
	})
	return consents
}

func (w *world) consent(t *testing.T, consents []string) {
	t.Helper()
	w.change(t, "spec:\n", "spec:\n  consent: {erase: [\""+strings.Join(consents, `", "`)+"\"]}\n")
}

func retired(h daemon.HostView) bool {
	return h.Phase == plan.Retired && strings.HasPrefix(h.Waits, "it is retired") && h.Pushed
}

// blank reports whether a disk of the rack is zeros.
func blank(d *sim.Disk) bool { return d.Digest() == sim.NewDisk().Digest() }

// TestAMachineIsRetired retires a machine with two disks, one with a system that runs, and ends the daemon while the disks are
// erased: both are erased once, each under its consent, the machine is off, the receipts are on the status branch, and
// nothing is done to the machine any more.
func TestAMachineIsRetired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	machine := w.rack.Sim("machine-1")
	spare := machine.AddDisk("SPARE")
	if _, err := spare.WriteAt([]byte("the only copy of the thesis"), 4096); err != nil {
		t.Fatal(err)
	}
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	before := machine.Digest()
	consents := w.retire(t)
	if machine.Digest() != before || !machine.Serves() {
		t.Fatal("a machine without consent was touched")
	}
	if why, err := daemon.Connect(w.socket()).ReadWhy(t.Context(), "machine-1"); err != nil || !strings.HasPrefix(why.Why, "Retiring the machine erases disk") {
		t.Errorf("ingot why says %+v (%v)", why, err)
	}
	erasing := make(chan struct{}, 8)
	machine.Break(func(step wire.Step) error {
		if step.Erase != nil {
			erasing <- struct{}{}
		}
		return nil
	})
	w.consent(t, consents)
	<-erasing
	stop()
	w.start(t)
	w.await(t, 1, "retired", retired)
	w.awaitCause(t, "Retired")
	page := w.branchPage(t, "machine-1")
	op := page.LastOperation
	if op.Kind != inventory.Erase || op.Outcome != inventory.Succeeded || op.Attempt != 1 || page.Installed != nil || !blank(spare) || !blank(machine.Disk()) {
		t.Errorf("operation %+v, installed %+v, blank %t and %t", op, page.Installed, blank(spare), blank(machine.Disk()))
	}
	if files := w.receiptsOf(t); len(files) != 2 {
		t.Errorf("%d files of receipts, want 2: %v", len(files), files)
	}
	if state, err := w.rack.State("machine-1"); err != nil || state.Power != "Off" {
		t.Errorf("state %+v, %v", state, err)
	}
}

// TestAMachineIsNotRetiredUnverified retires a machine with a disk that keeps its last blocks: the machine is not retired, and is held
// with what to do.
func TestAMachineIsNotRetiredUnverified(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	spare := w.rack.Sim("machine-1").AddDisk("SPARE")
	if _, err := spare.WriteAt([]byte("the only copy of the thesis"), sim.DiskSize-4096); err != nil {
		t.Fatal(err)
	}
	spare.WearOut(true)
	w.start(t)
	w.await(t, 1, "Active", active)
	w.consent(t, w.retire(t))
	w.await(t, 1, "held, not retired", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Pushed && strings.Contains(h.Hold.Message, "SPARE") && h.LastOperation.Outcome == inventory.Quarantined
	})
	page := w.branchPage(t, "machine-1")
	if files := w.receiptsOf(t); len(files) != 1 {
		t.Errorf("%d files of receipts, want 1 of the disk that was erased: %v, %+v", len(files), files, page.Hold)
	}
	t.Logf("%+v", page.Hold)
}

// TestARetireIsTakenBack takes spec.retire back while the machine is held for consent: nothing is written, and the machine runs
// what it ran.
func TestARetireIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	machine := w.rack.Sim("machine-1")
	if _, err := machine.AddDisk("SPARE").WriteAt([]byte("the only copy of the thesis"), 0); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	w.await(t, 1, "Active", active)
	before := machine.Digest()
	w.retire(t)
	w.change(t, "  lifecycle: Retired\n  retire: {disks: all, policy: clear}\n", "")
	w.await(t, 1, "Active again", func(h daemon.HostView) bool { return active(h) && h.Hold == nil })
	if machine.Digest() != before || !machine.Serves() {
		t.Error("the machine was touched")
	}
}

// TestARetirementWaitsForItsTurn pauses the fleet: nothing is done to the machine, with all consents, until the pause is over.
func TestARetirementWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	machine := w.rack.Sim("machine-1")
	if _, err := machine.AddDisk("SPARE").WriteAt([]byte("the only copy of the thesis"), 0); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	w.await(t, 1, "Active", active)
	before, consents := machine.Digest(), w.retire(t)
	w.pause(t, "true")
	w.consent(t, consents)
	w.await(t, 1, "paused", func(h daemon.HostView) bool { return h.Hold == nil && strings.Contains(h.Waits, "spec.paused") })
	if machine.Digest() != before || !machine.Serves() {
		t.Error("the machine was touched during the pause")
	}
	w.pause(t, "false")
	w.await(t, 1, "retired", retired)
}

// pause sets spec.paused of the fleet.
func (w *world) pause(t *testing.T, paused string) {
	t.Helper()
	text := "apiVersion: ingot.dev/v1alpha1\nkind: Fleet\nmetadata: {name: fleet}\nspec: {paused: " + paused + "}\n"
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "ingot.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "ingot.yaml")
	w.push(t, "paused: "+paused)
}
