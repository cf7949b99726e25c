package hub_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/results/uploads"
	"github.com/gitmetal/ingot/inventory"
)

// execution is a job of one run.
func execution(id, run string) wire.Job {
	input := []byte(`{"points":10}`)
	return wire.Job{ID: id, Attempt: 1, Kind: wire.JobRun, Epoch: 4, Steps: []wire.Step{{Name: "pi", Timeout: time.Hour,
		Script: &wire.Script{Body: []byte("#!/bin/sh\n"), Run: &wire.Run{}},
		Execution: &wire.Execution{RunExecution: wire.RunExecution{Run: run, Workload: "pi", Batch: "b1", Attempt: 1},
			Inputs:  []wire.Input{{Name: "params.json", SHA256: digestOf(input), Size: int64(len(input)), Content: input}},
			Results: wire.ResultLimits{MaxSize: 100, MaxFiles: 5}}}}}
}

// TestARunLeavesItsFiles: the agent of the outstanding job stores the files of its run, and the result ends the run in the
// store before the job has ended. Nobody else writes to the run, and nothing does after the job was taken back.
func TestARunLeavesItsFiles(t *testing.T) {
	t.Parallel()
	store, err := results.Open(t.TempDir(), results.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.results = uploads.New(uploads.Config{Store: store, Token: func(string) string { return "" }})
	r.start()
	agent, stranger := r.agent("web-03", "boot1", 4), r.agent("web-04", "boot1", 4)
	put := func(c *caller, job, name string, want int) {
		t.Helper()
		if status, body := c.do(http.MethodPut, "/v1/jobs/"+job+"/files/"+name, []byte("3.14"), ""); status != want {
			t.Errorf("PUT %s of %s = %d %s, want %d", name, job, status, body, want)
		}
	}
	put(agent, "j1", "pi", http.StatusGone) // no job yet
	r.assign("web-03", execution("j1", "r-1"))
	r.assign("web-04", install("i1", 1, 4))
	if status, body := agent.do(http.MethodGet, wire.PathBlobs+digestOf([]byte(`{"points":10}`)), nil, ""); status != http.StatusOK || string(body) != `{"points":10}` {
		t.Errorf("the input: %d %s", status, body)
	}
	put(agent, "j1", "out/pi", http.StatusNoContent)
	put(stranger, "j1", "pi", http.StatusGone)
	put(stranger, "i1", "pi", http.StatusNotFound) // a job without results
	r.start()                                      // a restart in the middle
	put(agent, "j1", "log", http.StatusNoContent)
	said := wire.Result{Attempt: 1, OK: true, Executed: &wire.Executed{Run: "r-1", Output: "password hunter2",
		Files: []wire.ResultFile{{Name: "log", Size: 4, SHA256: digestOf([]byte("3.14"))}}}}
	agent.want("/v1/jobs/j1/result", said, http.StatusNoContent)
	agent.want("/v1/jobs/j1/result", said, http.StatusNoContent) // the answer was lost
	m, err := store.Manifest("r-1")
	if err != nil || !m.OK() || len(m.Files) != 2 || m.Output != "password ***" {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	job := r.state("web-03").Job
	if job.State != inventory.JobSucceeded || job.Executed == nil || job.Executed.Output != "password ***" || job.Executed.Files != nil {
		t.Errorf("the job is %+v, executed %+v", job, job.Executed)
	}
	put(agent, "j1", "late", http.StatusGone)

	r.assign("web-03", execution("j2", "r-2"))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "j2", Attempt: 1, Why: "given up"}); err != nil {
		t.Fatal(err)
	}
	put(agent, "j2", "late", http.StatusGone)
	agent.want("/v1/jobs/j2/result", wire.Result{Attempt: 1, OK: true, Executed: &wire.Executed{Run: "r-2"}}, http.StatusNoContent)
	if m, err := store.Manifest("r-2"); err != nil || m.OK() || m.Orphan != "given up" {
		t.Errorf("the late result counts: %+v, %v", m, err)
	}

	r.assign("web-03", execution("j3", "r-3"))
	r.expect("web-03", "boot2", 5)
	if m, err := store.Manifest("r-3"); err != nil || m.Orphan != "its machine was booted anew" {
		t.Errorf("the run of an earlier boot is %+v, %v", m, err)
	}
}
