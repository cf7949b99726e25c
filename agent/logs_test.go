package agent_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/logs"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// texts keeps what agents send, and refuses the first attempts.
type texts struct {
	mu      sync.Mutex
	refuse  int
	of      []hub.LogOf
	kept    map[string]string
	answers int // status of every answer; 0: as it should be
}

// ServeLog implements hub.Logs.
func (l *texts) ServeLog(w http.ResponseWriter, r *http.Request, of hub.LogOf) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.refuse--; {
	case l.answers != 0:
		w.WriteHeader(l.answers)
	case err != nil || l.refuse >= 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		l.of, l.kept[of.Name] = append(l.of, of), string(body)
		w.Header().Set(wire.HeaderDigest, sumOf(string(body)))
		w.WriteHeader(http.StatusNoContent)
	}
}

// failWith runs one job whose step says a line and fails, and gives the job as the hub has it then.
func failWith(t *testing.T, l hub.Logs) inventory.Job {
	t.Helper()
	h, boot := newHubWith(t, nil, l)
	m := newMachine()
	m.do = func(_ context.Context, _ wire.Step, s agent.Session) (*wire.BootEntry, error) {
		s.Report(wire.Progress{Lines: []string{"the switch is dark"}})
		return nil, steps.Failure{Err: errors.New("no link"), Output: "dark"}
	}
	run(t, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler), Logs: func(context.Context) []logs.File {
		return []logs.File{{Name: "journal.log", Body: []byte("kernel: link down\n")}, {Name: "empty.log"}}
	}})
	h.until("its hardware", func(s inventory.AgentState) bool { return s.Facts != nil })
	h.assign(wire.Job{ID: "op1.1.1", Attempt: 1, Kind: wire.JobStep, Epoch: epoch, Steps: []wire.Step{{Name: "check", Timeout: time.Minute,
		Script: &wire.Script{Run: &wire.Run{}}}}})
	return h.until("the end of the job", func(s inventory.AgentState) bool { return s.Job.State == inventory.JobFailed }).Job
}

// TestAFailedStepLeavesItsLogs has the logs of a failed step at the daemon when the daemon learns of the failure, also where
// the daemon could not take them at first.
func TestAFailedStepLeavesItsLogs(t *testing.T) {
	t.Parallel()
	l := &texts{refuse: 2, kept: map[string]string{}}
	if job := failWith(t, l); job.Error != "step check: no link" {
		t.Errorf("the job failed with %q", job.Error)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, want := range map[string]string{"output.log": "the switch is dark\nstep check: no link\n", "journal.log": "kernel: link down\n",
		"facts.json": `"serial": "S1"`} {
		if !strings.Contains(l.kept[name], want) {
			t.Errorf("%s is %q, want %q in it", name, l.kept[name], want)
		}
	}
	if len(l.of) != 3 || l.of[0] != (hub.LogOf{Host: "web-1", Job: "op1.1.1", Name: "output.log"}) {
		t.Errorf("sent: %+v", l.of)
	}
}

// TestAFailureIsToldWithoutItsLogs has a daemon that keeps no logs, or none of this job: the failure is told all the same.
func TestAFailureIsToldWithoutItsLogs(t *testing.T) {
	t.Parallel()
	for what, l := range map[string]hub.Logs{"none": nil, "gone": &texts{answers: http.StatusGone},
		"too large": &texts{answers: http.StatusRequestEntityTooLarge}} {
		if job := failWith(t, l); job.Error != "step check: no link" {
			t.Errorf("%s: the job failed with %q", what, job.Error)
		}
	}
}
