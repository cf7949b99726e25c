package daemon_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// writesImage makes the workload of a fleet one that writes its image without coreos-installer.
func (w *world) writesImage(t *testing.T) {
	t.Helper()
	w.writesImageWith(t, "  phoneHome: Disabled\n", "")
}

// writesImageWith has more to say about the workload, and about the step.
func (w *world) writesImageWith(t *testing.T, spec, args string) {
	t.Helper()
	path := filepath.Join(w.dir, "fleet", workload)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image := regexp.MustCompile(`url: (\S+)\s+sha256: (\S+)`).FindStringSubmatch(string(data))
	text := "apiVersion: ingot.dev/v1alpha1\nkind: Workload\nmetadata: {name: hello}\nspec:\n" + spec + "  steps:\n" +
		"    - {step: write-image, args: {image: {url: \"" + image[1] + "\", sha256: " + image[2] + "}" + args + "}}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.push(t, "a workload that writes its image")
}

// TestAnImageIsWritten writes an image without coreos-installer: the machine counts as installed after the start from its disk,
// its disk has a mark and is known as an install of ours, and another image needs a consent.
func TestAnImageIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.writesImage(t)
	machine := w.rack.Sim("machine-1")
	w.start(t)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) || h.Phase == plan.Failed && h.Pushed })
	page := w.branchPage(t, "machine-1")
	op := page.LastOperation
	if page.Installed == nil {
		t.Fatalf("operation %+v", op)
	}
	if counts := machine.Counts(); counts.Begun != 1 || counts.Installs != 1 || len(op.Steps) != 1 || op.Steps[0].Key() != "write-image" || page.Installed.Mark == "" {
		t.Errorf("counts %+v, operation %+v, installed %+v", counts, op, page.Installed)
	}
	data, err := os.ReadFile(filepath.Join(w.dir, "fleet", workload))
	if err != nil {
		t.Fatal(err)
	}
	digest := regexp.MustCompile(`sha256: (\w+)`).FindStringSubmatch(string(data))[1]
	w.edit(t, workload, digest, wrongDigest)
	w.push(t, "another image")
	w.await(t, 1, "held for a consent", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Hold != nil && h.Hold.Reason == change.NeedsConsent && strings.Contains(h.Hold.Message, "our install")
	})
	w.edit(t, workload, wrongDigest, digest)
	w.push(t, "the image of before")
	w.await(t, 1, "Active again", func(h daemon.HostView) bool { return active(h) && h.Hold == nil })
	if counts := machine.Counts(); counts.Begun != 1 {
		t.Errorf("%d installs began, want 1", counts.Begun)
	}
}

// TestASystemWithAConfigDriveCalls: what a config drive holds has the system call, and a machine whose system has called is
// Active.
func TestASystemWithAConfigDriveCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.writesImageWith(t, "", ", configDrive: {userData: {packages: [curl]}}")
	w.start(t)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) || h.Phase == plan.Failed && h.Pushed })
	page := w.branchPage(t, "machine-1")
	if page.Installed == nil || page.Installed.PhoneHome.IsZero() {
		t.Fatalf("operation %+v, installed %+v", page.LastOperation, page.Installed)
	}
	if counts := w.rack.Sim("machine-1").Counts(); counts.Begun != 1 || counts.Installs != 1 {
		t.Errorf("counts %+v", counts)
	}
}
