package daemon_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab"
)

// BenchmarkMachines has a daemon take simulated machines, with the real agent, from one commit to Active, a hundred at a
// time. Then the power of all fails at once, and the benchmark measures until every system serves again. The figures of
// CPU are of daemon and machines together. INGOT_BENCH_MACHINES is how many machines, 1,000 without it.
func BenchmarkMachines(b *testing.B) {
	count, err := strconv.Atoi(os.Getenv("INGOT_BENCH_MACHINES"))
	if err != nil {
		count = 1000
	}
	for b.Loop() {
		w := newWorld(b, count)
		w.edit(b, "../ingot.yaml", "publishEvery:", "limits: {installs: 100}\npublishEvery:")
		machines := w.rack.Description().Machines
		began, used := time.Now(), processTime(b)
		stop := w.start(b)
		w.await(b, count, "Active", active)
		reportFigure(b, time.Since(began).Seconds(), "installs-s")
		reportFigure(b, (processTime(b)-used).Seconds()/float64(count), "cpu-s/install")
		asked := w.countRequests(machines)
		reportFigure(b, float64(asked[len(asked)/2]), "requests/install-p50")
		reportFigure(b, float64(asked[len(asked)-1]), "requests/install-max")

		began, used = time.Now(), processTime(b)
		for _, m := range machines {
			w.rack.Sim(m.Name).Unplug()
		}
		w.awaitServing(b, machines)
		reportFigure(b, time.Since(began).Seconds(), "power-back-s")
		reportFigure(b, (processTime(b)-used).Seconds()/float64(count), "cpu-s/recovery")
		stop()
	}
}

// reportFigure gives a figure at once, for those who wait, and with the result.
func reportFigure(b *testing.B, value float64, unit string) {
	b.Helper()
	fmt.Fprintf(os.Stderr, "%10.1f %s\n", value, unit)
	b.ReportMetric(value, unit)
}

// countRequests gives how many requests each BMC got, sorted.
func (w *world) countRequests(machines []lab.Machine) []int {
	var asked []int
	for _, m := range machines {
		asked = append(asked, w.rack.BMC(m.Name).Log().Counts().Requests)
	}
	slices.Sort(asked)
	return asked
}

// awaitServing waits until every installed system is up.
func (w *world) awaitServing(b *testing.B, machines []lab.Machine) {
	b.Helper()
	deadline := time.After(30 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for up := 0; up < len(machines); {
		select {
		case <-deadline:
			b.Fatalf("%d of %d systems serve", up, len(machines))
		case <-tick.C:
		}
		for up = 0; up < len(machines) && w.rack.Sim(machines[up].Name).Serves(); {
			up++
		}
	}
}

// processTime is the processor time of this process.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
