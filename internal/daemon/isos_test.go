package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/sim"
)

// ownISO is a Workload that boots an ISO: where it is, its digest, what ends its run, the deadline.
const ownISO = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: own}
spec:
  replicas: 1
  hosts: {matchLabels: {pool: batch}}
  run:
    iso: {url: "%s", sha256: "%s"}
    endsWith: PowerOff
    items: {range: {from: 1, to: 2}}
    retries: 0
    deadline: %s
`

// TestAnISOIsRun has a machine boot an ISO of a user once for each item: it ends well when the machine goes off. In the end the
// medium is out, and nothing was written to the disk by ingot.
func TestAnISOIsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	iso, sum := w.serveFile(t, "memtest.iso", sim.NewISO("off"))
	w.bootsKernel(t, "machine-1", fmt.Sprintf(ownISO, iso, sum, "10m"))
	stop := w.start(t)
	for item, run := range w.ended(t, 2) {
		if !run.OK() || run.Attempt != 1 {
			t.Errorf("item %d: %+v, want success", item, run)
		}
	}
	w.awaitFree(t)
	stop()
	s := w.state(t, "machine-1")
	if s.Power != "Off" || s.Counts.Begun != 0 {
		t.Errorf("%+v, want off, without an install", s)
	}
	if last := strings.Join(s.Story, "\n"); strings.Count(last, "override Cd/Once") != 2 || !strings.Contains(last, "eject") {
		t.Errorf("want the medium started once by each of two runs, and ejected:\n%s", last)
	}
}

// TestAnISOThatHangs fails its run at the deadline, and its machine is powered off and freed.
func TestAnISOThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	iso, sum := w.serveFile(t, "memtest.iso", sim.NewISO("hang"))
	w.bootsKernel(t, "machine-1", strings.Replace(fmt.Sprintf(ownISO, iso, sum, "5s"), "to: 2", "to: 1", 1))
	w.start(t)
	if run := w.ended(t, 1)[0]; run.Orphan != "Failed: the run took longer than 5s" {
		t.Errorf("%+v, want a run over its deadline", run)
	}
	w.awaitFree(t)
}

// TestISOsThatAreRefused: each ISO that cannot be booted is said in one line before the machine is booted for it.
func TestISOsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, *world) (iso, sum string)
		waits   string
	}{
		"gone": {func(t *testing.T, w *world) (string, string) {
			url, sum := w.serveFile(t, "memtest.iso", sim.NewISO("off"))
			return url + "-gone", sum
		}, "404 Not Found: fix spec.run.iso.url"},
		"another digest": {func(t *testing.T, w *world) (string, string) {
			url, _ := w.serveFile(t, "memtest.iso", sim.NewISO("off"))
			return url, strings.Repeat("0", 64)
		}, "the fleet says " + strings.Repeat("0", 64) + ": fix spec.run.iso.sha256, or find out who changed the ISO"},
		"no ISO": {func(t *testing.T, w *world) (string, string) {
			return w.serveFile(t, "memtest.iso", []byte("<html>not an ISO</html>"))
		}, "the ISO cannot be started from UEFI: it is no ISO 9660 image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			iso, sum := test.prepare(t, w)
			w.bootsKernel(t, "machine-1", fmt.Sprintf(ownISO, iso, sum, "10s"))
			w.start(t)
			var waits string
			w.await(t, 1, "waiting for an ISO", func(h daemon.HostView) bool {
				waits = h.Waits
				return strings.Contains(waits, test.waits)
			})
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
