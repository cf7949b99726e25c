package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// The agent and the daemon's real side of the protocol: a boot, an install that reads its image, and the power off, one
// after the other.
func TestRunWithTheRealHub(t *testing.T) {
	t.Parallel()
	h, boot := newHub(t)
	m := newMachine()
	m.do = func(ctx context.Context, _ wire.Step, s agent.Session) (*wire.BootEntry, error) {
		if given, err := s.AskLeave(ctx, []wire.Disk{{Name: "vda", Content: wire.Content{Blank: true}}}); !given {
			return nil, errors.Join(errors.New("no leave"), err)
		}
		body, err := s.Image(ctx, "abc", 3)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err == nil && string(data) != "ge of an OS" {
			err = errors.New("the image is another one: " + string(data))
		}
		return nil, err
	}
	run(t, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler)})
	h.until("its hardware",
		func(s inventory.AgentState) bool { return s.Facts != nil && s.Facts.System.Serial == "S1" })
	job := wire.Job{ID: "op1", Attempt: 1, Kind: wire.JobWrite, Epoch: epoch, Steps: []wire.Step{
		{Name: "install", Timeout: time.Minute,
			Install: &wire.Install{ID: "op1", Image: wire.Image{SHA256: "abc", Size: 14}}},
	}}
	h.assign(job)
	asks := h.until("the question for leave", func(s inventory.AgentState) bool { return s.Job.Question != nil })
	if err := h.GiveLeave(t.Context(), "web-1", hub.Leave{Job: "op1", Attempt: 1, Nonce: asks.Job.Question.Nonce,
		Asked: asks.Job.Question.At}); err != nil {
		t.Fatal(err)
	}
	s := h.until("the end of the job", func(s inventory.AgentState) bool {
		return s.Job.ID == "op1" && (s.Job.State == inventory.JobSucceeded || s.Job.State == inventory.JobFailed)
	})
	if s.Job.State != inventory.JobSucceeded {
		t.Fatalf("job = %+v, want it succeeded", s.Job)
	}
	// At once after the result, while the agent may still hold a poll that names the first job.
	h.assign(wire.Job{ID: "b1-off", Attempt: 1, Kind: wire.JobPowerOff, Epoch: epoch})
	receive(t, "power off", m.off)
	if s := h.until("the power off", func(s inventory.AgentState) bool { return s.Job.ID == "b1-off" }); s.Job.State != inventory.JobSucceeded {
		t.Errorf("job = %+v, want it succeeded", s.Job)
	}
}

type realHub struct {
	*hub.Hub
	t        *testing.T
	notified chan struct{}
}

func (h realHub) assign(job wire.Job) {
	h.t.Helper()
	if err := h.Assign(h.t.Context(), "web-1", hub.Assignment{Job: job}); err != nil {
		h.t.Fatal(err)
	}
}

func (h realHub) until(what string, wanted func(inventory.AgentState) bool) inventory.AgentState {
	h.t.Helper()
	for {
		state, err := h.State(h.t.Context(), "web-1")
		if err != nil {
			h.t.Fatal(err)
		}
		if wanted(state) {
			return state
		}
		receive(h.t, what, h.notified)
	}
}

func newHub(t *testing.T) (realHub, wire.BootConfig) {
	t.Helper()
	return newHubWith(t, nil, nil)
}

// newHubWith makes a hub whose runs leave results, and that keeps logs.
func newHubWith(t *testing.T, results hub.Results, logs hub.Logs) (realHub, wire.BootConfig) {
	t.Helper()
	identity, err := hub.CreateIdentity(filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	h := realHub{t: t, notified: make(chan struct{}, 1000)}
	h.Hub = hub.New(hub.Config{Identity: identity, Store: &store{}, Images: shelf{}, Results: results, Logs: logs, Notify: func(string) { h.notified <- struct{}{} }})
	server := httptest.NewUnstartedServer(h.Hub)
	if server.TLS, err = identity.ServerTLS([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	if err := h.Expect(t.Context(), "web-1", "b1", epoch, ""); err != nil {
		t.Fatal(err)
	}
	return h, wire.BootConfig{
		Version: wire.Version, Host: "web-1", Boot: "b1", Epoch: epoch, Token: h.BootToken("web-1", "b1", epoch).Reveal(),
		URLs: []string{server.URL}, Pins: []string{identity.Pin()}, Time: time.Now(),
	}
}

type shelf struct{}

func (shelf) Open(string) (io.ReadSeekCloser, int64, error) {
	return noClose{bytes.NewReader([]byte("image of an OS"))}, 14, nil
}

type noClose struct{ io.ReadSeeker }

func (noClose) Close() error { return nil }

// store keeps the one host's document.
type store struct {
	mu   sync.Mutex
	data []byte
}

func (s *store) Load(context.Context, string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data, nil
}

func (s *store) Save(_ context.Context, _ string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = data
	return nil
}
