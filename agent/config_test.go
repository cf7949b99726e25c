package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// ignitionOf is a config of that many bytes.
func ignitionOf(size int) []byte {
	return append(append([]byte(`{"ignition":{"version":"3.5.0"},"x":"`), bytes.Repeat([]byte("x"), size-40)...),
		`"}`...)
}

func TestALargeConfigReachesTheMachine(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 1 << 10, "larger than a message": 9 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, boot := newHub(t)
			m, config := newMachine(), ignitionOf(size)
			var got atomic.Pointer[[]byte]
			m.do = func(_ context.Context, step wire.Step, _ agent.Session) (*wire.BootEntry, error) {
				got.Store(&step.Install.Ignition)
				return nil, nil
			}
			run(t, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler)})
			h.until("its hardware", func(s inventory.AgentState) bool { return s.Facts != nil })
			h.assign(wire.Job{ID: "op1", Attempt: 1, Kind: wire.JobWrite, Epoch: epoch, Steps: []wire.Step{
				{Name: "install", Timeout: time.Minute, Install: &wire.Install{ID: "op1", Ignition: config}},
			}})
			s := h.until("the end of the job", func(s inventory.AgentState) bool {
				return s.Job.State == inventory.JobSucceeded || s.Job.State == inventory.JobFailed
			})
			if s.Job.State != inventory.JobSucceeded || got.Load() == nil || !bytes.Equal(*got.Load(), config) {
				t.Errorf("job = %+v; the machine got the config: %t", s.Job,
					got.Load() != nil && bytes.Equal(*got.Load(), config))
			}
		})
	}
}

func TestAnAnswerThatCannotBeTakenFailsItsJob(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"too large":  {strings.Repeat(" ", 5<<20), "larger than 4194304 bytes"},
		"no message": {`{"id": 17}`, "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			var posted atomic.Bool
			d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/result") {
					posted.Store(r.URL.Path == "/v1/jobs/op1/result")
				}
				if r.URL.Path != wire.PathNextJob || posted.Load() {
					return false
				}
				w.Header().Set("Ingot-Job", "op1")
				w.Header().Set("Ingot-Attempt", "2")
				_, _ = w.Write([]byte(test.body))
				return true
			}
			run(t, d.config(m))
			if r := d.result(); r.OK || r.Attempt != 2 || !strings.Contains(r.Error, test.want) {
				t.Errorf("result = %+v, want attempt 2 failed, untouched, with %q", r, test.want)
			}
		})
	}
}

func TestAConfigThatCannotBeHadFailsItsJobUntouched(t *testing.T) {
	t.Parallel()
	config := ignitionOf(1 << 10)
	for name, test := range map[string]struct {
		status int
		body   []byte
		size   int64
		want   string
	}{
		"another content":  {http.StatusOK, ignitionOf(1 << 10)[:1<<9], 1 << 10, "512 bytes"},
		"another digest":   {http.StatusOK, bytes.ToUpper(config), int64(len(config)), "digest"},
		"more than it may": {http.StatusOK, config, 65 << 20, "at most"},
		"not known":        {http.StatusNotFound, nil, int64(len(config)), "does not have"},
		"withdrawn":        {http.StatusGone, nil, int64(len(config)), "withdrawn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != fmt.Sprintf(wire.PathConfig, "op1") {
					return false
				}
				w.WriteHeader(test.status)
				_, _ = w.Write(test.body)
				return true
			}
			run(t, d.config(m))
			d.assign(withConfig(config, test.size))
			r := d.result()
			if r.OK || r.Attempt != 1 || !strings.Contains(r.Error, test.want) {
				t.Errorf("result = %+v, want it failed, untouched, with %q", r, test.want)
			}
			if _, done := m.counts(); len(done) != 0 {
				t.Errorf("steps run = %v, want none", done)
			}
		})
	}
}

// A daemon that is away for a moment is asked again.
func TestAConfigIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d, m, config := newDaemon(t), newMachine(), ignitionOf(1<<10)
	var asked atomic.Int32
	d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != fmt.Sprintf(wire.PathConfig, "op1") {
			return false
		}
		switch asked.Add(1) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write(config)
		}
		return true
	}
	run(t, d.config(m))
	d.assign(withConfig(config, int64(len(config))))
	if r := d.result(); !r.OK || asked.Load() != 3 {
		t.Errorf("result = %+v after %d requests, want success after 3", r, asked.Load())
	}
}

// The job that runs is not ended by an answer that nobody can read.
func TestARunningJobOutlivesAnAnswerThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	var answered atomic.Int32
	more := make(chan struct{})
	m.do = func(ctx context.Context, _ wire.Step, _ agent.Session) (*wire.BootEntry, error) {
		select {
		case <-more:
		case <-ctx.Done():
		}
		return nil, nil
	}
	d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil || r.URL.Path != wire.PathNextJob || !bytes.Contains(body, []byte("op1")) ||
			answered.Load() == 3 {
			return false
		}
		if answered.Add(1) == 3 {
			close(more)
		}
		w.Header().Set(wire.HeaderJob, "op1")
		w.Header().Set(wire.HeaderAttempt, "1")
		_, _ = w.Write([]byte("{"))
		return true
	}
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	want := wire.Result{Attempt: 1, OK: true}
	if diff := cmp.Diff(want, d.result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func withConfig(config []byte, size int64) wire.Job {
	sum := sha256.Sum256(config)
	return wire.Job{ID: "op1", Attempt: 1, Kind: wire.JobWrite, Epoch: epoch, Steps: []wire.Step{
		{Name: "burn-in", Timeout: time.Minute, Script: &wire.Script{Body: []byte("#!/bin/sh\n")}},
		{Name: "install", Timeout: time.Minute,
			Install: &wire.Install{ID: "op1", Config: &wire.ConfigRef{SHA256: hex.EncodeToString(sum[:]), Size: size}}},
	}}
}
