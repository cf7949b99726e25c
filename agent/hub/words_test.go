package hub_test

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// TestWordsOfMachinesAreMaskedAndCut has an agent say a secret at the place where its words are cut.
func TestWordsOfMachinesAreMaskedAndCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	events, stop := r.Subscribe()
	defer stop()
	lines := slices.Repeat([]string{strings.Repeat("x", 1020) + "hunter2 and more"}, 600)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Lines: lines}, http.StatusNoContent)
	got := (<-events).Progress.Lines
	if len(got) != 500 {
		t.Errorf("%d lines, want 500", len(got))
	}
	for _, line := range got {
		if len(line) > 1024 || strings.Contains(line, "hunt") {
			t.Fatalf("a line of %d bytes that ends in %q", len(line), line[1000:])
		}
	}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: strings.Repeat("x", 1020) + "hunter2",
		Output: "hunter2" + strings.Repeat("y", 4<<10-3)}, http.StatusNoContent)
	if got := r.state("web-03").Job.Error; len(got) > 1024 || strings.Contains(got, "hunt") {
		t.Errorf("an error of %d bytes that ends in %q", len(got), got[1000:])
	}
	if data := string(r.store.data["web-03"]); strings.Contains(data, "ter2") {
		t.Error("the output is kept with the end of a secret")
	}
}

// TestShortLinesHoldNoLongOnes keeps 60 lines that were cut from long ones: what is kept is all that stays in memory.
func TestShortLinesHoldNoLongOnes(t *testing.T) {
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	long := strings.Repeat("z", 3<<20)
	var kept []string
	for range 60 {
		r.advance(time.Second)
		events, stop := r.Subscribe()
		agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Lines: []string{long}}, http.StatusNoContent)
		kept = append(kept, (<-events).Progress.Lines...)
		stop()
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.HeapAlloc > 100<<20 {
		t.Errorf("%d lines hold %d MiB", len(kept), stats.HeapAlloc>>20)
	}
	runtime.KeepAlive(kept)
}
