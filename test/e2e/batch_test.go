//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// points is how many points a job of TestBatch throws. It takes some seconds in emulation.
const points = 20_000

// piWorkload and piJob are π by Monte Carlo, with random numbers that are the same everywhere.
const piWorkload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: pi}
spec:
  replicas: 2
  hosts: {matchLabels: {pool: batch}}
  run:
    script: jobs/pi.sh
    args: {points: %d}
    items: {range: {from: 1, to: 4}}
    deadline: 10m
    results: {files: ["out/**"], maxSize: 1MiB}
`

const piJob = `#!/bin/bash
set -euo pipefail
results=$(jq -r .results)
next() { x=$(((x * 1103515245 + 12345) % 2147483648)); }
x=$INGOT_ARG_ITEM hits=0
for ((n = 0; n < INGOT_ARG_POINTS; n++)); do
  next; a=$((x >> 16))
  next; b=$((x >> 16))
  ((a * a + b * b > 32767 * 32767)) || hits=$((hits + 1))
done
mkdir "$results/out"
echo "$hits of $INGOT_ARG_POINTS" >"$results/out/pi.txt"
ls /sys/class/block >"$results/out/disks.txt"
echo "item $INGOT_ARG_ITEM: $hits"
`

// countHits is piJob.
func countHits(seed int) (hits int) {
	x := seed
	next := func() int {
		x = (x*1103515245 + 12345) % (1 << 31)
		return x >> 16
	}
	for range points {
		a, b := next(), next()
		if a*a+b*b <= 32767*32767 {
			hits++
		}
	}
	return hits
}

// TestBatch: two machines whose disks hold data are claimed, and compute π from RAM, four times; the daemon is killed in
// the middle of a job. The results are what the jobs computed, the machines are off and free again, and their disks hold
// what they held.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := newRack(t, 2, "--disk", "64")
	before := w.fillDisks()
	w.makeClaimable("pi", map[string]string{"workloads/pi.yaml": fmt.Sprintf(piWorkload, points), "jobs/pi.sh": piJob})
	w.serve()

	w.follow("a job on a machine", func(e daemon.Event) bool {
		return e.Host != nil && e.Host.Run != nil && e.Host.Run.Stage == runs.Running
	})
	w.daemon.kill()
	w.say("daemon killed")
	w.serve()

	for _, run := range w.awaitResults("pi", 4) {
		want := fmt.Sprintf("%d of %d\n", countHits(run.Item+1), points)
		if got := w.readResult(run, "out/pi.txt"); got != want || !strings.Contains(run.Output, "item ") {
			t.Errorf("item %d on %s left %q and said %q, want %q", run.Item, run.Machine, got, run.Output, want)
		}
	}
	w.awaitFree()
	w.checkKept("pi", 4)
	if diff := w.compareDisks(before); diff != "" {
		t.Errorf("jobs in RAM changed a disk: %s", diff)
	}
	w.say("4 jobs on 2 machines")
}

// fillDisks gives every disk of the rack data that nobody knows, and returns their digests by machine.
func (w *world) fillDisks() map[string]string {
	w.Helper()
	for _, m := range w.rack.Machines {
		file, err := os.OpenFile(w.diskOf(m), os.O_WRONLY, 0)
		if err != nil {
			w.Fatal(err)
		}
		_, err = io.CopyN(file, rand.Reader, 8<<20)
		if closed := file.Close(); err != nil || closed != nil {
			w.Fatal(err, closed)
		}
	}
	return w.hashDisks()
}

func (w *world) diskOf(m lab.Machine) string {
	return w.path(m.Name, "disk-"+m.DiskSerial+".raw")
}

func (w *world) hashDisks() map[string]string {
	w.Helper()
	digests := map[string]string{}
	for _, m := range w.rack.Machines {
		file, err := os.Open(w.diskOf(m))
		if err != nil {
			w.Fatal(err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, file)
		_ = file.Close() // it was only read
		if err != nil {
			w.Fatal(err)
		}
		digests[m.Name] = hex.EncodeToString(sum.Sum(nil))
	}
	return digests
}

// compareDisks names the machines whose disks changed.
func (w *world) compareDisks(before map[string]string) string {
	w.Helper()
	var changed []string
	for machine, digest := range w.hashDisks() {
		if digest != before[machine] {
			changed = append(changed, machine)
		}
	}
	return strings.Join(changed, ", ")
}

// makeClaimable gives all machines to Workloads with runs, and writes such a Workload with its files.
func (w *world) makeClaimable(workload string, files map[string]string) {
	w.Helper()
	for _, m := range w.rack.Machines {
		name := w.path("fleet", "hosts", m.Name+".yaml")
		text := w.read("fleet", "hosts", m.Name+".yaml")
		text = strings.Replace(text, "  workload: hello\n", "  claimable: true\n", 1)
		text = strings.Replace(text, "rack: lab", "rack: lab, pool: batch", 1)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			w.Fatal(err)
		}
	}
	w.addFiles(workload, files)
}

// addFiles commits and pushes files of the fleet.
func (w *world) addFiles(message string, files map[string]string) {
	w.Helper()
	for name, text := range files {
		path := w.path("fleet", name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	w.git("add", ".")
	w.push(message)
}

// awaitResults waits until runs of a Workload succeeded, and gives them, one for each item.
func (w *world) awaitResults(workload string, items int) []daemon.RunResult {
	w.Helper()
	var all []daemon.RunResult
	seen := 0
	w.poll(fmt.Sprintf("%d results of %s", items, workload), func() bool {
		all = nil
		err := w.client.ReadResults(w.Context(), daemon.ResultQuery{Name: workload}, func(run daemon.RunResult) error {
			if run.OK() {
				all = append(all, run)
			}
			return nil
		})
		if len(all) > seen {
			seen = len(all)
			w.say("%d of %d results of %s", seen, items, workload)
		}
		return err == nil && len(all) >= items // a daemon that starts does not answer yet
	})
	slices.SortFunc(all, func(a, b daemon.RunResult) int { return a.Item - b.Item })
	for i, run := range all {
		if run.Item != i || len(all) != items {
			w.Errorf("result %d of %d is of item %d: every item is to be done once", i, len(all), run.Item)
		}
	}
	return all
}

// readResult gives a file of a run, as `ingot results` saves it after comparing its digest.
func (w *world) readResult(run daemon.RunResult, name string) string {
	w.Helper()
	dir := w.path("results-of-" + run.ID)
	w.ingot("results", "--config", w.path("ingot.yaml"), run.Workload, "--all", dir)
	return w.read("results-of-"+run.ID, run.Workload, run.Batch, fmt.Sprintf("%d-%s", run.Item, run.ID), name)
}

// awaitFree waits until every machine is free: no run, off, no medium, no override.
func (w *world) awaitFree() {
	w.Helper()
	free := map[string]bool{}
	w.follow("all machines are free", func(e daemon.Event) bool {
		if e.Host != nil {
			name, _ := e.HostOf()
			free[name] = e.Host.Pushed && e.Host.Phase == plan.Unmanaged && e.Host.Run == nil
		}
		count := 0
		for _, is := range free {
			if is {
				count++
			}
		}
		return count == len(w.rack.Machines)
	})
	for _, m := range w.rack.Machines {
		state, err := lab.State(w.Context(), w.dir, m.Name)
		if err != nil {
			w.Fatal(err)
		}
		if last := state.Story[max(0, len(state.Story)-4):]; state.Power != "Off" || !slices.ContainsFunc(last, func(line string) bool {
			return strings.HasPrefix(line, "eject")
		}) {
			w.Errorf("%s is %s after its runs, want it off and its medium out:\n%s", m.Name, state.Power, strings.Join(state.Story, "\n"))
		}
		if state.DiskStarts != 0 {
			w.Errorf("%s was started from its disk", m.Name)
		}
	}
}

// checkKept: the status branch says how the batch ended.
func (w *world) checkKept(workload string, items int) {
	w.Helper()
	w.poll("the batch on the status branch", func() bool {
		w.git("fetch", "--quiet", "origin")
		names := strings.Fields(w.git("ls-tree", "-r", "--name-only", "origin/ingot/status", "runs/"+workload+"/"))
		return len(names) == 1 && strings.Count(w.git("show", "origin/ingot/status:"+names[0]), "state: Succeeded") == items
	})
}
