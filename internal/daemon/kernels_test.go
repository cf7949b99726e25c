package daemon_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/sim"
	batchrun "github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// ownKernel is a Workload that boots a kernel of its own: where it is, its digest, the items.
const ownKernel = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: own}
spec:
  replicas: 1
  hosts: {matchLabels: {pool: batch}}
  run:
    boot:
      kernel: {url: "%s", sha256: "%s"}
      initrds: [{url: "%s", sha256: "%s"}]
      arguments: [console=ttyS0, 'site=$x;{a}']
    items: {list: [%s]}
    retries: 0
    deadline: %s
    results: {files: ["cmdline.txt"], maxSize: 1MiB}
`

// serveFile has the rack serve a file, and gives its URL and its digest.
func (w *world) serveFile(t *testing.T, name string, body []byte) (url, sum string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "images", name), body, 0o644); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(body)
	image := w.rack.Description().Image.URL
	return image[:strings.LastIndex(image, "/")+1] + name, hex.EncodeToString(digest[:])
}

// bootsKernel makes a machine claimable by a Workload with a kernel, and lets deadlines pass soon after a start.
func (w *world) bootsKernel(t *testing.T, host, workload string) {
	t.Helper()
	w.edit(t, filepath.Join("hosts", host+".yaml"), "  workload: hello\n", "  claimable: true\n")
	w.edit(t, filepath.Join("hosts", host+".yaml"), "labels: {", "labels: {pool: batch, ")
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "workloads", "own.yaml"), []byte(workload), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", ".")
	w.push(t, "a kernel of one's own")
	config, err := os.OpenFile(filepath.Join(w.dir, "ingot.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	if _, err := config.WriteString("deadlines: {start: 1s}\n"); err != nil {
		t.Fatal(err)
	}
}

// ended waits until a number of runs of the Workload have ended and counted, and gives them by item.
func (w *world) ended(t *testing.T, count int) map[int]daemon.RunResult {
	t.Helper()
	client := daemon.Connect(w.socket())
	for deadline := time.Now().Add(4 * time.Minute); ; <-time.After(200 * time.Millisecond) {
		items := map[int]daemon.RunResult{}
		err := client.ReadResults(t.Context(), daemon.ResultQuery{Name: "own"}, func(run daemon.RunResult) error {
			if !run.Open {
				items[run.Item] = run
			}
			return nil
		})
		if err == nil && len(items) >= count {
			return items
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d runs have ended: %v", len(items), count, err)
		}
	}
}

// TestAKernelIsRun has a machine boot a kernel of a user once for each item: results are kept, an exit code counts, a run that goes off or says nothing is no success, and a token of nobody stores
// nothing. In the end the machine is off and free, and nothing was written to its disk by ingot.
func TestAKernelIsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	kernel, kernelSum := w.serveFile(t, "vmlinuz", sim.NewKernel())
	initrd, initrdSum := w.serveFile(t, "initrd", []byte("an initrd"))
	items := "{seed: 1}, {seed: 2, then: \"off\"}, {exit: 3}, {says: rubbish}"
	w.bootsKernel(t, "machine-1", fmt.Sprintf(ownKernel, kernel, kernelSum, initrd, initrdSum, items, "10s"))
	stop := w.start(t)
	all := w.ended(t, 4)
	client := daemon.Connect(w.socket())
	for item, test := range map[int]struct {
		ok   bool
		exit int
		says string
	}{0: {true, 0, ""}, 1: {true, 0, ""}, 2: {false, 3, ""}, 3: {false, -1, "Failed: the run took longer than 10s"}} {
		run := all[item]
		if run.OK() != test.ok || run.Exit != test.exit || run.Orphan != test.says {
			t.Errorf("item %d: %+v, want %+v", item, run, test)
		}
		if !test.ok && len(run.Files) > 0 && item == 3 {
			t.Errorf("a token of nobody stored %v", run.Files)
		}
		if !test.ok {
			continue
		}
		file, err := client.OpenResult(t.Context(), run.Files[0].SHA256)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		_ = file.Close()
		if want := "console=ttyS0 site=$x;{a} INGOT_URL=https://"; err != nil || !strings.HasPrefix(string(data), want) {
			t.Errorf("item %d left the arguments %q, %v, want %q", item, data, err, want)
		}
	}
	w.awaitFree(t)
	stop()
	s := w.state(t, "machine-1")
	if s.Power != "Off" || s.Counts.Begun != 0 {
		t.Errorf("%+v, want off, without an install", s)
	}
	if last := strings.Join(s.Story, "\n"); !strings.Contains(last, "eject") {
		t.Errorf("the medium was not ejected:\n%s", last)
	}
}

// TestAKernelRunsOn while the daemon is away: the run goes on, is counted once, and its machine is freed.
func TestAKernelRunsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	kernel, kernelSum := w.serveFile(t, "vmlinuz", sim.NewKernel())
	initrd, initrdSum := w.serveFile(t, "initrd", []byte("an initrd"))
	w.bootsKernel(t, "machine-1", fmt.Sprintf(ownKernel, kernel, kernelSum, initrd, initrdSum, "{late: 20}", "10m"))
	stop := w.start(t)
	w.await(t, 1, "running a kernel", func(h daemon.HostView) bool { return h.Run != nil && h.Run.Stage == batchrun.Running })
	stop()
	w.start(t)
	if run := w.ended(t, 1)[0]; !run.OK() || run.Attempt != 1 {
		t.Errorf("%+v, want the run that went on", run)
	}
	w.awaitFree(t)
}

// awaitFree waits until the first machine is free for another run, and checks that it is off.
func (w *world) awaitFree(t *testing.T) {
	t.Helper()
	w.await(t, 1, "off and free", func(h daemon.HostView) bool { return h.Pushed && h.Phase == plan.Unmanaged && h.Run == nil })
	if s := w.state(t, "machine-1"); s.Power != "Off" {
		t.Errorf("%+v, want off", s)
	}
}

// TestKernelsThatAreRefused: each kernel that cannot be booted is said in one line before the machine is booted for it.
func TestKernelsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, *world) (kernel, sum string)
		waits   string
		want    cause.Name
	}{
		"gone": {func(t *testing.T, w *world) (string, string) {
			url, sum := w.serveFile(t, "vmlinuz", sim.NewKernel())
			return url + "-gone", sum
		}, "404 Not Found", "KernelUnusable"},
		"not answered yet": {func(t *testing.T, _ *world) (string, string) {
			never := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			t.Cleanup(never.Close)
			return never.URL + "/vmlinuz", strings.Repeat("5a", 32)
		}, "to be fetched and verified", "KernelFetched"},
		"another digest": {func(t *testing.T, w *world) (string, string) {
			url, _ := w.serveFile(t, "vmlinuz", sim.NewKernel())
			return url, strings.Repeat("0", 64)
		}, "the fleet says " + strings.Repeat("0", 64) + ": fix spec.run.boot.kernel.sha256", "KernelUnusable"},
		"not signed, with Secure Boot on": {func(t *testing.T, w *world) (string, string) {
			w.rack.Sim("machine-1").EnforceSecureBoot()
			return w.serveFile(t, "vmlinuz", sim.NewKernel())
		}, "Secure Boot is on, and the kernel is not signed", "KernelUntrusted"},
		"no kernel": {func(t *testing.T, w *world) (string, string) {
			return w.serveFile(t, "vmlinuz", []byte("<html>not a kernel</html>"))
		}, "the kernel cannot be started from UEFI", "KernelUnusable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			kernel, sum := test.prepare(t, w)
			initrd, initrdSum := w.serveFile(t, "initrd", []byte("an initrd"))
			w.bootsKernel(t, "machine-1", fmt.Sprintf(ownKernel, kernel, sum, initrd, initrdSum, "{seed: 1}", "10s"))
			w.start(t)
			var waits string
			w.await(t, 1, "waiting for a kernel", func(h daemon.HostView) bool {
				waits = h.Waits
				return strings.Contains(waits, test.waits)
			})
			w.awaitCause(t, test.want)
			if strings.Contains(waits, "\n") {
				t.Errorf("it waits for %q, want one line", waits)
			}
			state, err := w.rack.State("machine-1")
			if err != nil || state.RamdiskStarts != 1 { // the look at a new machine
				t.Errorf("the machine was started %d times, %v, want once, for the look at it:\n%s", state.RamdiskStarts, err,
					strings.Join(state.Story, "\n"))
			}
		})
	}
}
