package agent_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/execution"
	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/results/uploads"
	"github.com/gitmetal/ingot/inventory"
)

// breaking stores files behind a link that breaks in the middle of the first uploads.
type breaking struct {
	*uploads.Handler
	breaks atomic.Int64
}

// ServeFile implements hub.Results.
func (b *breaking) ServeFile(w http.ResponseWriter, r *http.Request, run, name string) {
	if r.Method == http.MethodPut && b.breaks.Add(-1) >= 0 {
		r.Body = io.NopCloser(&breakingBody{ReadCloser: r.Body, left: 300_000})
		b.Handler.ServeFile(unheard{w, http.Header{}}, r, run, name)
		panic(http.ErrAbortHandler) // the connection is cut, without an answer
	}
	b.Handler.ServeFile(w, r, run, name)
}

// breakingBody ends early.
type breakingBody struct {
	io.ReadCloser
	left int
}

func (b *breakingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// unheard is an answer that nobody gets.
type unheard struct {
	http.ResponseWriter
	header http.Header
}

func (d unheard) Header() http.Header         { return d.header }
func (d unheard) Write(p []byte) (int, error) { return len(p), nil }
func (d unheard) WriteHeader(int)             {}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestARunWithTheRealHub makes two runs on one boot: the first leaves a large file over a link that breaks, the second is
// withdrawn while its script runs.
func TestARunWithTheRealHub(t *testing.T) {
	t.Parallel()
	store, err := results.Open(t.TempDir(), results.Options{})
	if err != nil {
		t.Fatal(err)
	}
	door := &breaking{Handler: uploads.New(uploads.Config{Store: store, Token: func(string) string { return "" }})}
	door.breaks.Store(3)
	h, boot := newHubWith(t, door, nil)
	m := newMachine()
	dir := t.TempDir()
	m.do = func(ctx context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
		return nil, execution.Execute(ctx, step, execution.Tools{Session: s, Dir: dir, Run: steps.RunScript})
	}
	run(t, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler)})
	h.until("its hardware", func(s inventory.AgentState) bool { return s.Facts != nil })

	order := func(id, script string) {
		t.Helper()
		input := "points=10"
		h.assign(wire.Job{ID: "job-" + id, Attempt: 1, Kind: wire.JobRun, Epoch: epoch, Steps: []wire.Step{{Name: "pi", Timeout: time.Minute,
			Script: &wire.Script{Body: []byte("#!/bin/sh\n" + script), Run: &wire.Run{ID: "pi", Args: []byte(`{"seed":3}`)}},
			Execution: &wire.Execution{RunExecution: wire.RunExecution{Run: id, Workload: "pi", Batch: "b1", Item: 7, Attempt: 1},
				Inputs:  []wire.Input{{Name: "conf/params", SHA256: sumOf(input), Size: int64(len(input)), Content: []byte(input)}, {Name: "token", Body: []byte("t0k")}},
				Results: wire.ResultLimits{Files: []string{"**"}, MaxSize: 4 << 20, MaxFiles: 10}}}}})
	}
	ended := func(id string) inventory.Job {
		t.Helper()
		return h.until("the end of "+id, func(s inventory.AgentState) bool {
			return s.Job.ID == "job-"+id && (s.Job.State == inventory.JobSucceeded || s.Job.State == inventory.JobFailed)
		}).Job
	}

	order("r-1", `cd "$INGOT_RESULTS" && mkdir out && cat "$INGOT_INPUTS/conf/params" "$INGOT_INPUTS/token" > out/inputs
printf '%s %s %s' "$INGOT_WORKLOAD" "$INGOT_ITEM" "$INGOT_ARG_SEED" > env
head -c 2000000 /dev/zero > big; : > empty; ln -s /etc/passwd link; echo done`)
	job := ended("r-1")
	manifest, err := store.Manifest("r-1")
	if job.State != inventory.JobSucceeded || err != nil || !manifest.OK() {
		t.Fatalf("the job is %+v, the manifest %+v, %v", job, manifest, err)
	}
	want := map[string]string{"out/inputs": "points=10t0k", "env": "pi 7 3", "big": strings.Repeat("\x00", 2_000_000), "empty": ""}
	if len(manifest.Files) != len(want) {
		t.Errorf("the files are %+v, want %d", manifest.Files, len(want))
	}
	for _, file := range manifest.Files {
		if file.SHA256 != sumOf(want[file.Name]) || file.Size != int64(len(want[file.Name])) {
			t.Errorf("%s is stored as %+v", file.Name, file)
		}
	}
	if !strings.Contains(manifest.Output, "done\n") || door.breaks.Load() > 0 {
		t.Errorf("the output is %q, and %d breaks are left", manifest.Output, door.breaks.Load())
	}

	order("r-2", "echo begins; sleep 600")
	h.until("the second run", func(s inventory.AgentState) bool { return s.Job.ID == "job-r-2" && s.Job.State == inventory.JobRunning })
	if err := h.Withdraw(t.Context(), "web-1", hub.Withdrawal{Job: "job-r-2", Attempt: 1, Why: "withdrawn by a person"}); err != nil {
		t.Fatal(err)
	}
	h.until("the end of the withdrawn run", func(s inventory.AgentState) bool { return s.Job.ID == "job-r-2" && s.Job.Over })

	order("r-3", `echo 1 > "$INGOT_RESULTS/partial"; ls "$INGOT_RESULTS"; exit 3`)
	job = ended("r-3")
	if manifest, err = store.Manifest("r-3"); err != nil || manifest.OK() || manifest.Exit != 3 || len(manifest.Files) != 1 || job.Executed.Exit != 3 {
		t.Errorf("the failed run left %+v, %v, and its job %+v", manifest, err, job.Executed)
	}
	if !strings.Contains(manifest.Error, "exit status 3") || manifest.Output != "partial\n" {
		t.Errorf("the failed run says %q, its output is %q", manifest.Error, manifest.Output)
	}
}
