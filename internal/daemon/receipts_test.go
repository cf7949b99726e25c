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
	"github.com/gitmetal/ingot/reconcile/receipts"
)

// erasesFirst puts an erase of the root disk in front of the install of the workload.
func (w *world) erasesFirst(t *testing.T) {
	t.Helper()
	w.edit(t, workload, "spec:\n", "spec:\n  steps: [{step: erase-disks, args: {disks: [root], policy: clear}}, {step: install}]\n")
	w.push(t, "a workload that erases first")
}

// receiptsOf gives the files of receipts on the status branch, by path, with their bytes.
func (w *world) receiptsOf(t *testing.T) map[string]string {
	t.Helper()
	w.git(t, "fetch", "--quiet", "origin", "+ingot/status:refs/remotes/origin/ingot/status")
	files := map[string]string{}
	for _, file := range strings.Fields(w.git(t, "ls-tree", "-r", "--name-only", "origin/ingot/status")) {
		if receipts.IsFile(file) {
			files[file] = w.git(t, "show", "origin/ingot/status:"+file)
		}
	}
	return files
}

// onlyReceipt gives the receipts of the one disk that was erased.
func (w *world) onlyReceipt(t *testing.T) (file string, all []receipts.Receipt) {
	t.Helper()
	files := w.receiptsOf(t)
	for name, text := range files {
		read, err := receipts.Decode(name, []byte(text))
		if err != nil || !strings.Contains(text, "# ingot-seal: v1 ") {
			t.Fatalf("%s: %v:\n%s", name, err, text)
		}
		file, all = name, read.Erases
	}
	if len(files) != 1 {
		t.Fatalf("%d files of receipts, want 1", len(files))
	}
	return file, all
}

// TestReceiptsOfErases erases a disk in two operations. Each has its receipt in the disk's file on the status branch, sealed;
// a deleted file is written again, and a lost journal changes nothing.
func TestReceiptsOfErases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.erasesFirst(t)
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	_, all := w.onlyReceipt(t)
	first := w.branchPage(t, "machine-1").LastOperation
	if r := all[0]; len(all) != 1 || r.Operation != first.ID || r.Commit != first.Commit || r.Host != "machine-1" || r.Policy != "clear" ||
		r.Method != "overwrite" || r.Samples == 0 || r.Agent == "" || r.Serial == "" || r.Begun.IsZero() || r.Ended.Before(r.Begun) {
		t.Fatalf("receipts %+v of operation %s", all, first.ID)
	}

	w.edit(t, workload, "policy: clear", "policy: metadata")
	w.push(t, "another policy")
	consent := w.awaitConsent(t, "")
	w.change(t, "spec:\n", "spec:\n  consent: {erase: \""+consent+"\"}\n")
	w.await(t, 1, "Active again", func(h daemon.HostView) bool { return active(h) && h.LastOperation.ID != first.ID && h.Hold == nil })
	file, all := w.onlyReceipt(t)
	if len(all) != 2 || all[0].Policy != "metadata" || all[1].Operation != first.ID || all[1].Policy != "clear" {
		t.Fatalf("receipts %+v", all)
	}

	stop()
	text := w.receiptsOf(t)[file]
	w.loseJournal(t)
	w.git(t, "checkout", "--quiet", "-B", "edited", "origin/ingot/status")
	w.edit(t, "README.md", "# ", "# # ")
	w.git(t, "commit", "--quiet", "-am", "by hand")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	w.start(t)
	w.await(t, 1, "Active, from its page", active)
	if err := os.Remove(filepath.Join(w.dir, "fleet", file)); err != nil {
		t.Fatal(err)
	}
	w.git(t, "pull", "--quiet", "--rebase", "--autostash", "origin", "ingot/status")
	w.git(t, "rm", "--quiet", file)
	w.git(t, "commit", "--quiet", "-m", "no receipts")
	w.git(t, "push", "--quiet", "origin", "HEAD:ingot/status")
	w.awaitFleet(t, "the receipts are back", func(daemon.View) bool { return w.receiptsOf(t)[file] == text })
}

// TestReceiptsOutliveTheDaemon ends the daemon when a disk is erased and the forge takes no push, with its journal or without: the
// receipt is on the status branch before anything else is done to the machine.
func TestReceiptsOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*world, *testing.T){"with the journal": func(*world, *testing.T) {}, "without": (*world).loseJournal} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.erasesFirst(t)
			w.rack.Sim("machine-1").Break(func(step wire.Step) error {
				if step.Erase != nil {
					w.refusePushes(t)
				}
				return nil
			})
			stop := w.start(t)
			w.await(t, 1, "erased, and not pushed", func(h daemon.HostView) bool {
				return h.Operation != nil && len(h.Operation.Steps) > 0 && h.Operation.Steps[0].State == inventory.StepDone && !h.Pushed
			})
			stop()
			if files := w.receiptsOf(t); len(files) > 0 {
				t.Fatalf("the branch has receipts already: %v", files)
			}
			lose(w, t)
			w.rack.Sim("machine-1").Break(nil)
			w.takePushes(t)
			w.start(t)
			w.await(t, 1, "Active", active)
			_, all := w.onlyReceipt(t)
			if op := w.branchPage(t, "machine-1").LastOperation; len(all) != 1 || all[0].Operation != op.ID || all[0].Attempt != 1 || op.Attempt != 1 {
				t.Errorf("receipts %+v of operation %+v", all, op)
			}
		})
	}
}

// TestADiskThatIsNotErasedHasNoReceipt erases a disk that keeps its last blocks whatever is written: there is no receipt, and people
// read that the disk is not erased.
func TestADiskThatIsNotErasedHasNoReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.erasesFirst(t)
	disk := w.rack.Sim("machine-1").Disk()
	if _, err := disk.WriteAt([]byte("the only copy of the thesis"), sim.DiskSize-4096); err != nil {
		t.Fatal(err)
	}
	disk.WearOut(true)
	stop := w.start(t)
	consent := w.awaitConsent(t, "")
	w.change(t, "spec:\n", "spec:\n  consent: {erase: \""+consent+"\"}\n")
	w.await(t, 1, "held", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Hold.Reason == change.ConsentSpent && h.Pushed
	})
	stop()
	if files := w.receiptsOf(t); len(files) > 0 {
		t.Errorf("receipts %v", files)
	}
	if failed := receipts.FindFailed(w.branchPage(t, "machine-1")); len(failed) != 1 || !strings.Contains(failed[0].Why, "not erased by overwrite") {
		t.Errorf("FindFailed = %+v", failed)
	}
}
