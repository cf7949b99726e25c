//go:build e2e

package e2e_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestAMachineLeavesTheFleet: a machine whose disk holds data is retired. Nothing is erased before the consent; then the disk is erased and read back in
// the ramdisk, the receipt is on the status branch, and the machine is off.
func TestAMachineLeavesTheFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.fillDisks()
	file := "hosts/" + host + ".yaml"
	w.change(file, "spec:\n", "spec:\n  lifecycle: Retired\n  retire: {disks: all, policy: clear}\n")
	w.serve()
	held := w.await("Held for consent", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Hold != nil && h.Hold.Reason == change.NeedsConsent && len(h.Hold.Consent) == 1
	})
	if diff := w.compareDisks(before); diff != "" {
		t.Errorf("a disk changed without consent: %s", diff)
	}
	w.change(file, "spec:\n", "spec:\n  consent: {erase: \""+held.Hold.Consent[0]+"\"}\n")
	view := w.await("Retired", func(h daemon.HostView) bool {
		return h.Phase == plan.Retired && h.Pushed && strings.HasPrefix(h.Waits, "it is retired")
	})
	if op := view.LastOperation; op.Kind != inventory.Erase || op.Outcome != inventory.Succeeded || op.Attempt != 1 {
		t.Errorf("operation %+v, want one erase that succeeded at the first attempt", op)
	}
	w.awaitState("the machine to go off", func(s lab.MachineState) bool { return s.Power == "Off" && s.DiskStarts == 0 })
	w.checkZeros(w.diskPath())
	serial := w.rack.Machines[0].DiskSerial
	w.git("fetch", "--quiet", "origin")
	receipts := w.git("ls-tree", "-r", "--name-only", "origin/ingot/status", "receipts/")
	if !strings.HasPrefix(receipts, "receipts/"+host+"/") || strings.Count(receipts, "\n") > 1 {
		t.Errorf("receipts on the status branch: %q, want one of %s", receipts, host)
	}
	if said := w.ingot("receipts", "--repo", w.path("fleet"), "-o", "yaml", host); !strings.Contains(said, serial) || !strings.Contains(said, "method: overwrite") || !strings.Contains(said, "samples: 4096") {
		t.Errorf("ingot receipts says %q, want disk %s overwritten and read back at 4096 places", said, serial)
	}
}

// checkZeros reads a whole disk.
func (w *world) checkZeros(path string) {
	w.Helper()
	file, err := os.Open(path)
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close()
	block, zeros := make([]byte, 4<<20), make([]byte, 4<<20)
	for at := int64(0); ; at += int64(len(block)) {
		n, err := io.ReadFull(file, block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			w.Fatalf("the erased disk holds data within 4 MiB of byte %d", at)
		}
		if err != nil {
			return // the end
		}
	}
}
