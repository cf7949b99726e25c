package hub_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/steps"
)

// TestBlobsAreForTheJobThatNamesThem: the bytes of a plug-in go to the agent whose outstanding job names the plug-in, in
// ranges, and to nobody else.
func TestBlobsAreForTheJobThatNamesThem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	committed := []byte("#!/bin/sh\necho of the commit\n")
	other := []byte("#!/bin/sh\necho of another job\n")
	job := wire.Job{ID: "op1.1.1", Attempt: 1, Kind: wire.JobDescribe, Epoch: 4, Steps: []wire.Step{{Name: "describe", Timeout: time.Minute,
		Describe: []wire.Script{{Plugins: []wire.Plugin{{SHA256: digestOf(committed), Size: int64(len(committed)), Body: committed},
			{SHA256: digestOf(content), Size: int64(len(content))}, {SHA256: digestOf([]byte("nowhere"))}}}}}}}
	agent, stranger := r.agent("web-03", "boot1", 4), r.agent("web-04", "boot1", 4)
	get := func(c *caller, body []byte, byteRange string) (int, []byte) {
		return c.do(http.MethodGet, wire.PathBlobs+digestOf(body), nil, byteRange)
	}
	refused := func(when string, c *caller, body []byte) {
		t.Helper()
		if status, got := get(c, body, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d %s, want 404", when, status, got)
		}
	}
	refused("before the job", agent, committed)
	r.assign("web-03", job)
	if status, body := agent.post(wire.PathNextJob, wire.Poll{}); status != http.StatusOK || bytes.Contains(body, []byte("Body")) || bytes.Contains(body, []byte("body")) {
		t.Errorf("polled %d %s", status, body)
	}
	if status, got := get(agent, committed, ""); status != http.StatusOK || !bytes.Equal(got, committed) {
		t.Errorf("a file of the commit: %d %q", status, got)
	}
	if status, got := get(agent, content, "bytes=3-12"); status != http.StatusPartialContent || !bytes.Equal(got, content[3:13]) {
		t.Errorf("a range of a file in the mirror: %d %q", status, got)
	}
	refused("a file that is nowhere", agent, []byte("nowhere"))
	refused("a file of no job", agent, other)
	refused("a job of another host", stranger, committed)
	r.start()
	refused("after a restart", agent, committed)
	r.assign("web-03", job)
	if status, _ := get(agent, committed, ""); status != http.StatusOK {
		t.Errorf("after the job was assigned again: %d", status)
	}
	said := []wire.Described{{SHA256: digestOf(committed), Name: "raid", Version: "1 hunter2", Step: "create", Support: strings.Repeat("x", 100)}}
	agent.want("/v1/jobs/op1.1.1/result", wire.Result{Attempt: 1, OK: true, Described: said}, http.StatusNoContent)
	want := []steps.Described{{SHA256: digestOf(committed), Name: "raid", Version: "1 ***", Step: "create", Support: strings.Repeat("x", 64)}}
	if diff := cmp.Diff(want, r.state("web-03").Job.Described); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
	refused("after the job", agent, committed)
}
