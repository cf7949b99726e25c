package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// rings of the rollout: 3 canaries, of which machine-1 goes first, 7 early ones, 20 others.
const rings = `apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: canary}
spec: {hosts: {matchLabels: {ring: canary}}, tag: "v*", canaries: {hosts: [machine-1]}}
---
apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: early}
spec: {hosts: {matchLabels: {ring: early}}, tag: "v*", after: [canary], maxUnavailable: 3}
---
apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: broad}
spec: {hosts: {matchLabels: {ring: broad}}, tag: "v*", after: [early], maxUnavailable: 50%}
`

var mostDown = map[string]int{"canary": 1, "early": 3, "broad": 10}

// TestRolloutInTheLab takes 30 simulated machines through four tags: the first installs them, the second fails on a canary and stops there, the third
// mends it while a host is protected in the middle, the fourth goes back. The machines themselves are asked how many are down.
func TestRolloutInTheLab(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	ringOf := w.makeRings(t, 30)
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 100ms\nlimits: {installs: 30, erasesPerHour: 1000}\nreinstall: {allHosts: true}")
	w.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1s")
	w.edit(t, "workloads/hello.yaml", "spec:\n", "spec:\n  update: Reinstall\n")
	first := w.release(t, "v1", "first")
	w.start(t)
	w.await(t, 30, "Active", runs(first))

	down := w.watchMachines(t, ringOf)
	w.rack.Sim("machine-1").BreakWrites(func(job wire.Install) error {
		if slices.Contains(job.KernelArguments, "ingot.demo=second") {
			return errors.New("this release does not work here")
		}
		return nil
	})
	w.release(t, "v2", "second")
	var needed string
	w.await(t, 30, "stopped at the canary", func(h daemon.HostView) bool {
		if h.Metadata.Name != "machine-1" {
			return h.Phase == plan.Pending && h.Installed != nil && h.Installed.Commit == first
		}
		if h.Hold != nil && len(h.Hold.Consent) == 1 {
			needed = h.Hold.Consent[0]
		}
		return h.Phase == plan.Held && h.LastOperation != nil && strings.Contains(h.LastOperation.Error, "does not work here")
	})
	w.wantBegun(t, 1, "machine-1")

	third := w.release(t, "v3", "third")
	w.await(t, 1, "held for the consent to the third release", func(h daemon.HostView) bool {
		if h.Phase == plan.Held && len(h.Hold.Consent) == 1 && h.Hold.Consent[0] != needed {
			needed = h.Hold.Consent[0]
			return true
		}
		return false
	})
	w.edit(t, "hosts/machine-1.yaml", "  workload:", fmt.Sprintf("  consent: {erase: %q}\n  workload:", needed))
	w.edit(t, "hosts/machine-30.yaml", "  workload:", "  protect: true\n  workload:")
	w.push(t, "consent to one, protect another")
	w.await(t, 29, "through with the third release", runs(third))
	if counts := w.rack.Sim("machine-30").Counts(); counts.Begun != 1 {
		t.Errorf("machine-30 was protected, and written %d times", counts.Begun)
	}

	w.git(t, "tag", "v4", "v1")
	w.git(t, "push", "--quiet", "origin", "v4")
	w.await(t, 29, "back at the first release", runs(first))
	for ring, limit := range mostDown {
		if got := down.worst(ring); got > limit || got == 0 {
			t.Errorf("%d machines of ring %s were down at a time, want 1 to %d", got, ring, limit)
		}
	}
}

// makeRings labels the hosts and gives the ring of each.
func (w *world) makeRings(t *testing.T, machines int) map[string]string {
	t.Helper()
	ringOf := map[string]string{}
	for i := 1; i <= machines; i++ {
		name, ring := fmt.Sprintf("machine-%d", i), "broad"
		switch {
		case i <= 3:
			ring = "canary"
		case i <= 10:
			ring = "early"
		}
		ringOf[name] = ring
		w.edit(t, "hosts/"+name+".yaml", "{rack: lab}", "{rack: lab, ring: "+ring+"}")
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "fleet", "rings"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "fleet", "rings", "rings.yaml"), []byte(rings), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(t, "add", "rings")
	return ringOf
}

// release gives the workload a kernel argument, tags that, and gives the commit.
func (w *world) release(t *testing.T, tag, argument string) string {
	t.Helper()
	file := filepath.Join(w.dir, "fleet", "workloads", "hello.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(data), "ingot.demo=")
	_, after, _ = strings.Cut(after, `"`)
	if err := os.WriteFile(file, []byte(before+"ingot.demo="+argument+`"`+after), 0o644); err != nil {
		t.Fatal(err)
	}
	w.push(t, tag)
	w.git(t, "tag", tag)
	w.git(t, "push", "--quiet", "origin", tag)
	return strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
}

// runs is true of hosts that run a release.
func runs(commit string) func(daemon.HostView) bool {
	return func(h daemon.HostView) bool {
		return h.Phase == plan.Active && h.Installed != nil && h.Installed.Commit == commit
	}
}

// wantBegun wants every machine but one written so many times.
func (w *world) wantBegun(t *testing.T, times int, but string) {
	t.Helper()
	for i := 1; i <= 30; i++ {
		name := fmt.Sprintf("machine-%d", i)
		if counts := w.rack.Sim(name).Counts(); name != but && counts.Begun != times {
			t.Errorf("%s was written %d times, want %d", name, counts.Begun, times)
		}
	}
}

// watching asks the machines all the time how many of each ring do not run their system.
type watching struct {
	mu   sync.Mutex
	most map[string]int
}

func (w *watching) worst(ring string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most[ring]
}

func (w *world) watchMachines(t *testing.T, ringOf map[string]string) *watching {
	t.Helper()
	watch := &watching{most: map[string]int{}}
	ticks, done := time.NewTicker(5*time.Millisecond), make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		defer ticks.Stop()
		before := map[string]bool{} // down at the round before: who is down in both was down between them, whatever the rounds took
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
			}
			down, now := map[string]int{}, map[string]bool{}
			for name, ring := range ringOf {
				now[name] = !w.rack.Sim(name).Serves()
				if now[name] && before[name] {
					down[ring]++
				}
			}
			before = now
			watch.mu.Lock()
			for ring, n := range down {
				watch.most[ring] = max(watch.most[ring], n)
			}
			watch.mu.Unlock()
		}
	}()
	return watch
}
