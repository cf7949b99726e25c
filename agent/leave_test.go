package agent_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
)

// withInstall is a job of scripts, and an install after them.
func withInstall(id string, scripts ...string) wire.Job {
	job := install(id, 1, scripts...)
	job.Steps = append(job.Steps, wire.Step{Name: "install", Timeout: time.Minute, Install: &wire.Install{ID: id}})
	return job
}

// No answer is no leave: an install step waits for the daemon, for as long as it takes, and is not begun when the
// answer is no.
func TestAnInstallWaitsForTheDaemonsAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]int{"yes": http.StatusNoContent, "no": http.StatusGone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			var asked atomic.Int32
			var begun atomic.Bool
			m.do = func(_ context.Context, step wire.Step, _ agent.Session) (*wire.BootEntry, error) {
				if begun.Store(step.Install != nil); begun.Load() && asked.Load() < 4 {
					t.Errorf("the install began after %d questions, want an answer first", asked.Load())
				}
				return nil, nil
			}
			d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
				if _, done := m.counts(); !strings.HasSuffix(r.URL.Path, "/progress") || len(done) == 0 {
					return false
				}
				var m wire.Progress
				if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Step == "install" && !m.Asks {
					t.Errorf("progress = %+v (%v), want it known as a question", m, err)
				}
				switch asked.Add(1) {
				case 1:
					panic(http.ErrAbortHandler)
				case 2, 3:
					w.WriteHeader(http.StatusServiceUnavailable)
				default:
					w.WriteHeader(answer)
				}
				return true
			}
			run(t, d.config(m))
			d.assign(withInstall("op1", "burn-in"))
			r := d.result()
			if r.OK != (answer == http.StatusNoContent) || begun.Load() != r.OK || !r.OK && !r.Untouched {
				t.Errorf("result = %+v, install begun: %t", r, begun.Load())
			}
		})
	}
}
