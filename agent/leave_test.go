package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
)

// asking is a machine whose step asks for leave until it is decided, as steps.InstallSystem does.
func asking(asked func(given bool, err error)) *machine {
	m := newMachine()
	m.do = func(ctx context.Context, _ wire.Step, s agent.Session) (*wire.BootEntry, error) {
		for {
			given, err := s.AskLeave(ctx, []wire.Disk{{Name: "vda"}})
			if asked(given, err); given || err != nil {
				return nil, err
			}
		}
	}
	return m
}

// answers answers the questions of an agent in turn, the last answer for ever, and keeps the questions.
type answers struct {
	mu    sync.Mutex
	turns []func(http.ResponseWriter)
	asked []wire.LeaveQuestion
}

func (a *answers) hook(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/leave") {
		return false
	}
	var m wire.LeaveQuestion
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		panic(err)
	}
	a.mu.Lock()
	turn := a.turns[min(len(a.asked), len(a.turns)-1)]
	a.asked = append(a.asked, m)
	a.mu.Unlock()
	turn(w)
	return true
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// No answer is no leave: a step asks for as long as it takes, past its own time, and writes only after a yes.
func TestAStepAsksForLeaveUntilItIsDecided(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter) { http.Error(w, "spec.protect is true", http.StatusGone) }
	for name, test := range map[string]struct {
		last func(http.ResponseWriter)
		ok   bool
	}{"yes": {status(http.StatusOK), true}, "no": {refuse, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t)
			a := &answers{turns: []func(http.ResponseWriter){cut, status(http.StatusServiceUnavailable),
				status(http.StatusAccepted), test.last}}
			d.hook = a.hook
			m := asking(func(bool, error) {})
			run(t, d.config(m))
			job := install("op1", 1, "install")
			job.Steps[0].Timeout = 300 * time.Millisecond
			d.assign(job)
			r := d.result()
			if r.OK != test.ok || !test.ok && !strings.Contains(r.Error, "spec.protect is true") {
				t.Errorf("result = %+v, want ok %t", r, test.ok)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			for i, q := range a.asked {
				if q.Number != uint64(i+1) || q.Nonce == "" || q.Nonce != a.asked[0].Nonce || q.Attempt != 1 ||
					q.Step != "install" || len(q.Disks) != 1 {
					t.Errorf("question %d = %+v", i+1, q)
				}
			}
			if len(a.asked) != 4 {
				t.Errorf("%d questions, want 4", len(a.asked))
			}
		})
	}
}

// An answer that comes more than ten seconds after the question gives nothing.
func TestALateAnswerIsNoLeave(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	late := make(chan struct{})
	t.Cleanup(func() { close(late) })
	a := &answers{turns: []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			select {
			case <-late:
			case <-time.After(wire.LeaveValid + 200*time.Millisecond):
			}
			w.WriteHeader(http.StatusOK)
		},
		func(w http.ResponseWriter) { http.Error(w, "no", http.StatusGone) },
	}}
	d.hook = a.hook
	var said []string
	m := asking(func(given bool, err error) { said = append(said, fmt.Sprint(given, err != nil)) })
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	if r := d.result(); r.OK || len(said) != 2 || said[0] != "false false" || said[1] != "false true" {
		t.Errorf("result = %+v after %q, want the late answer to give nothing", r, said)
	}
}

// A job of protocol 1, and one of a later version, is refused: nothing is done.
func TestJobsOfOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{wire.JobInstall, wire.JobInstallByReference, "erase"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			run(t, d.config(m))
			job := install("op1", 1, "install")
			job.Kind = kind
			d.assign(job)
			if r := d.result(); r.OK || !strings.Contains(r.Error, "nothing was done") {
				t.Errorf("result = %+v", r)
			}
			if _, done := m.counts(); len(done) != 0 {
				t.Errorf("steps run = %v, want none", done)
			}
		})
	}
}
