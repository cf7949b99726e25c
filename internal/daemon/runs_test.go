package daemon_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// batch is a Workload with four jobs for two machines; the simulated machines leave what their jobs were given.
const batch = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: pi}
spec:
  replicas: 2
  hosts: {matchLabels: {pool: batch}}
  run:
    script: jobs/pi.sh
    items: {range: {from: 1, to: 4}}
    results: {files: ["**"], maxSize: 1MiB}
`

// makesBatch gives the hosts of a fleet no workload of their own, and the fleet a batch of jobs for them.
func (w *world) makesBatch(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		file := filepath.Join("hosts", host+".yaml")
		w.edit(t, file, "  workload: hello\n", "  claimable: true\n")
		w.edit(t, file, "labels: {", "labels: {pool: batch, ")
	}
	for name, text := range map[string]string{"workloads/pi.yaml": batch, "jobs/pi.sh": "#!/bin/sh\necho 3.14 >\"$INGOT_RESULTS/pi.txt\"\n"} {
		path := filepath.Join(w.dir, "fleet", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.git(t, "add", ".")
	w.push(t, "a batch of jobs")
}

// TestABatchIsRun has the daemon claim two machines, run four jobs, keep their results, and give the machines back off, with
// nothing written to a disk. A daemon that starts again runs nothing twice.
func TestABatchIsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.makesBatch(t, "machine-1", "machine-2")
	stop := w.start(t)
	client := daemon.Connect(w.socket())
	succeeded := func() (items map[int]daemon.RunResult) {
		t.Helper()
		items = map[int]daemon.RunResult{}
		if err := client.ReadResults(t.Context(), daemon.ResultQuery{Name: "pi"}, func(run daemon.RunResult) error {
			if run.OK() {
				items[run.Item] = run
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return items
	}
	var items map[int]daemon.RunResult
	for deadline := time.Now().Add(3 * time.Minute); len(items) < 4; items = succeeded() {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 4 jobs succeeded", len(items))
		}
		<-time.After(200 * time.Millisecond)
	}
	for _, run := range items {
		if len(run.Files) == 0 {
			t.Errorf("run %s left nothing", run.ID)
			continue
		}
		file, err := client.OpenResult(t.Context(), run.Files[0].SHA256)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		_ = file.Close()
		if err != nil || int64(len(data)) != run.Files[0].Size {
			t.Errorf("run %s: %d bytes, %v", run.ID, len(data), err)
		}
	}
	w.await(t, 2, "off again", func(h daemon.HostView) bool { return h.Pushed && h.Phase == plan.Unmanaged })
	stop()
	w.start(t)
	w.await(t, 2, "left off", func(h daemon.HostView) bool { return h.Pushed && h.Phase == plan.Unmanaged })
	for _, name := range []string{"machine-1", "machine-2"} {
		if s := w.state(t, name); s.Power != "Off" || s.Counts.Begun != 0 || s.Counts.Installs != 0 {
			t.Errorf("%s: %+v, want off, without an install", name, s)
		}
	}
	if again := succeeded(); len(again) != 4 {
		t.Errorf("%d jobs after a restart, want 4", len(again))
	}
}
