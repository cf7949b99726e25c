package scale

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bigfleet"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
)

const (
	hosts   = 10_000
	commits = 100
)

// BenchmarkFleet runs the loop with ten thousand BMCs: first contact, memory and CPU at rest, a hundred commits that
// change one host each, a commit that changes none, the same beside 3,000 BMCs that accept connections and never answer,
// and a restart beside them.
func BenchmarkFleet(b *testing.B) {
	w := newWorld(b, hosts)
	for b.Loop() {
		began, used := time.Now(), cpu()
		loop, stop := w.run()
		w.awaitLooks(hosts)
		w.report(time.Since(began).Seconds(), "first-contact-s")
		w.report((cpu() - used).Seconds(), "first-contact-cpu-s")
		w.awaitPages(hosts)
		pause(40 * time.Second)
		w.report(memory(), "rest-MiB")
		began, used = time.Now(), cpu()
		pause(20 * time.Second)
		w.report(100*(cpu()-used).Seconds()/time.Since(began).Seconds(), "rest-cpu-%")
		w.measureCommits(loop, "", 0)
		w.report(memory(), "after-commits-MiB")
		pause(40 * time.Second)
		w.report(memory(), "rest-after-commits-MiB")
		w.measureNoOp(loop)
		w.blackHole(3)
		pause(time.Minute) // some of them are known to be dead
		w.measureCommits(loop, "dead-", commits)
		stop()
		clear(w.looked)
		began = time.Now()
		_, stop = w.run()
		w.awaitLooks(hosts * 7 / 10)
		w.report(time.Since(began).Seconds(), "dead-first-contact-s")
		stop()
		w.blackHole(0)
	}
}

// BenchmarkPowerFailure takes the power of ten thousand machines in service away at once, and measures until each was
// powered on again. A look by routine comes within five minutes, and Off that nobody asked for needs two readings.
func BenchmarkPowerFailure(b *testing.B) {
	w := newWorld(b, hosts)
	for b.Loop() {
		_, stop := w.run()
		w.awaitLooks(hosts)
		w.awaitPages(hosts)
		began, used := time.Now(), cpu()
		w.failPower()
		w.awaitPower()
		w.report(time.Since(began).Seconds(), "power-back-s")
		w.report((cpu() - used).Seconds(), "power-back-cpu-s")
		w.report(memory(), "power-back-MiB")
		stop()
	}
}

// report gives a figure, at once for those who wait, and with the result.
func (w *world) report(value float64, unit string) {
	fmt.Fprintf(os.Stderr, "%10.1f %s\n", value, unit)
	w.b.ReportMetric(value, unit)
}

func pause(d time.Duration) { <-time.After(d) }

// awaitLooks waits until so many hosts were looked at.
func (w *world) awaitLooks(count int) {
	w.b.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; pause(20 * time.Millisecond) {
		w.mu.Lock()
		looked := len(w.looked)
		w.mu.Unlock()
		if looked >= count {
			return
		}
		if time.Now().After(deadline) {
			w.b.Fatalf("%d machines looked at, want %d", looked, count)
		}
	}
}

// awaitPages waits until so many pages are on the status branch.
func (w *world) awaitPages(count int) {
	w.b.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; pause(100 * time.Millisecond) {
		w.mu.Lock()
		pages := len(w.pages)
		w.mu.Unlock()
		if pages >= count {
			return
		}
		if time.Now().After(deadline) {
			w.b.Fatalf("%d pages were pushed, want %d", pages, count)
		}
	}
}

// measureCommits makes commits that change one host each, and measures the time until the look at the host begins, which
// asks its BMC at once.
func (w *world) measureCommits(loop *reconcile.Loop, name string, from int) {
	w.b.Helper()
	var took []time.Duration
	var used time.Duration
	others := 0
	for i := range commits {
		n := (from+i)*97%hosts/10*10 + 9 // of a BMC that answers
		w.offer(from+i+1, map[string]string{bigfleet.HostFile(n): w.onLoopback(bigfleet.EditHost(n, from+i))})
		w.mu.Lock()
		clear(w.asked)
		w.mu.Unlock()
		began, before := time.Now(), cpu()
		loop.RefreshSource()
		id := inventory.MachineID(bigfleet.HostName(n))
		at, asked := w.awaitLook(id)
		took, used = append(took, at.Sub(began)), used+cpu()-before
		others += asked - 1
	}
	slices.Sort(took)
	w.report(float64(took[len(took)/2].Milliseconds()), name+"commit-p50-ms")
	w.report(float64(took[len(took)*99/100].Milliseconds()), name+"commit-p99-ms")
	w.report(float64(used.Milliseconds())/commits, name+"commit-cpu-ms") // with looks by routine meanwhile
	w.report(float64(others)/commits, name+"others-asked/commit")        // by routine, meanwhile
}

// awaitLook waits until a host is looked at, and gives how many hosts were.
func (w *world) awaitLook(id inventory.MachineID) (at time.Time, asked int) {
	w.b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; pause(time.Millisecond) {
		w.mu.Lock()
		at, asked = w.asked[id], len(w.asked)
		w.mu.Unlock()
		switch {
		case !at.IsZero():
			return at, asked
		case time.Now().After(deadline):
			w.b.Fatalf("%s was not looked at", id)
		}
	}
}

// measureNoOp makes a commit that changes no host, and measures until it is accepted, and the CPU that it takes.
func (w *world) measureNoOp(loop *reconcile.Loop) {
	w.b.Helper()
	pause(time.Second)
	w.offer(1_000_000, map[string]string{"README.md": "# Another fleet\n"})
	began, used := time.Now(), cpu()
	loop.RefreshSource()
	for want := fmt.Sprintf("%040x", 1_000_001); loop.ViewFleet().Commit != want; pause(time.Millisecond) {
		if time.Since(began) > time.Minute {
			w.b.Fatal("the commit was not accepted")
		}
	}
	w.report(float64(time.Since(began).Milliseconds()), "no-op-ms")
	w.report(float64((cpu() - used).Milliseconds()), "no-op-cpu-ms")
}
