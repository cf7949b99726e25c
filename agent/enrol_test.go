package agent_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
)

func TestRunEnrolsReportsAndPolls(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	stop := run(t, d.config(m))
	s := d.await("a poll", func(s seen) bool { return len(s.polls) > 0 })
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
	if len(s.enrols) != 1 || s.enrols[0].Token != "the-token" || s.enrols[0].Host != "web-1" ||
		s.enrols[0].Boot != "b1" || s.enrols[0].Epoch != epoch {
		t.Errorf("enrolments = %+v, want one with the boot medium's words", s.enrols)
	}
	want := []wire.Facts{{System: wire.System{Serial: "S1"}, Memory: 1 << 30}}
	if diff := cmp.Diff(want, s.facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]wire.Poll{{}}, s.polls); diff != "" {
		t.Errorf("polls (-want +got):\n%s", diff)
	}
}

func TestRunReportsFactsThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	m.facts = func() (wire.Facts, error) { return wire.Facts{Memory: 1}, errors.New("no SMBIOS") }
	run(t, d.config(m))
	s := d.await("facts", func(s seen) bool { return len(s.facts) > 0 })
	if want := []wire.Facts{{Memory: 1, Errors: []string{"no SMBIOS"}}}; !cmp.Equal(want, s.facts) {
		t.Errorf("facts = %+v, want %+v", s.facts, want)
	}
}

func TestRunTrustsOnlyThePin(t *testing.T) {
	t.Parallel()
	right, wrong := newDaemon(t), newDaemon(t)
	c := right.config(newMachine())
	c.Boot.URLs = []string{wrong.server.URL, right.server.URL}
	run(t, c)
	right.await("a poll", func(s seen) bool { return len(s.polls) > 0 })
	s := wrong.await("a refused handshake", func(s seen) bool { return len(s.handshakes) > 0 })
	if len(s.paths) != 0 {
		t.Errorf("a daemon with another key was asked for %v, want nothing", s.paths)
	}
}

func TestRunRefusesOldTLS(t *testing.T) {
	t.Parallel()
	// The daemon speaks TLS 1.2 at most.
	d := newDaemon(t)
	d.server.TLS.MinVersion, d.server.TLS.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	run(t, d.config(newMachine()))
	s := d.await("a refused handshake", func(s seen) bool { return len(s.handshakes) > 0 })
	if len(s.paths) != 0 {
		t.Errorf("asked for %v over TLS 1.2, want nothing", s.paths)
	}
}

func TestRunTakesTheNextURL(t *testing.T) {
	t.Parallel()
	d, gone := newDaemon(t), newDaemon(t)
	c := d.config(newMachine())
	c.Boot.URLs = []string{gone.server.URL, d.server.URL + "/"}
	gone.server.Close()
	run(t, c)
	d.await("a poll", func(s seen) bool { return len(s.polls) > 0 })
}

func TestRunNeedsAMediumOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	for name, change := range map[string]func(*wire.BootConfig){
		"version": func(b *wire.BootConfig) { b.Version++ },
		"urls":    func(b *wire.BootConfig) { b.URLs = nil },
		"pins":    func(b *wire.BootConfig) { b.Pins = nil },
	} {
		c := d.config(newMachine())
		change(&c.Boot)
		if err := agent.Run(t.Context(), c); err == nil {
			t.Errorf("Run with a wrong %s = nil, want an error", name)
		}
	}
}

// A machine's clock may say 1970; the boot medium's time is the lower bound.
func TestRunNeverTrustsAnEarlierClock(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		until time.Duration // the daemon's certificate, from the medium's time on
		enrol bool
	}{
		"valid at the medium's time": {time.Hour, true},
		"ended before the medium":    {-time.Hour, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t)
			d.restart(func() { d.certify(time.Now().Add(c.until)) })
			config := d.config(newMachine())
			config.Now = func() time.Time { return time.Unix(1000, 0) }
			run(t, config)
			s := d.await("an answer", func(s seen) bool { return len(s.polls) > 0 || len(s.handshakes) > 0 })
			if enrolled := len(s.enrols) > 0; enrolled != c.enrol {
				t.Errorf("enrolled = %v, want %v", enrolled, c.enrol)
			}
		})
	}
}

// cutFirst drops the connection of the first request to a path after the daemon has done what it asks.
func cutFirst(path string) func(*daemon, http.ResponseWriter, *http.Request) bool {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	return func(d *daemon, _ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		select {
		case <-first:
		default:
			return false
		}
		if path == wire.PathEnrol {
			d.enrol(discard{}, r)
		}
		panic(http.ErrAbortHandler)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestRunRepeatsALostEnrolmentWithTheSameKey(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.hook = cutFirst(wire.PathEnrol)
	run(t, d.config(newMachine()))
	s := d.await("a poll", func(s seen) bool { return len(s.polls) > 0 })
	if len(s.enrols) != 2 || key(t, s.enrols[0]) != key(t, s.enrols[1]) {
		t.Errorf("%d enrolments, want 2 with the same key", len(s.enrols))
	}
}

func TestRunKeepsItsKeyOverARestart(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	c := d.config(newMachine())
	c.KeyFile = filepath.Join(t.TempDir(), "agent.key")
	for n := 1; n <= 2; n++ {
		stop := run(t, c)
		d.await("enrolment", func(s seen) bool { return len(s.enrols) == n })
		_ = stop()
	}
	s := d.await("both", func(seen) bool { return true })
	if key(t, s.enrols[0]) != key(t, s.enrols[1]) {
		t.Error("the second agent has another key: the daemon would take it for a thief")
	}
	if info, err := os.Stat(c.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("Stat(key) = %v, %v, want mode 0600", info, err)
	}
	if err := os.WriteFile(c.KeyFile, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agent.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "reboot") {
		t.Errorf("Run with a broken key file = %v, want an error that says what to do", err)
	}
}

func TestRunFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == wire.PathEnrol {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	run(t, d.config(newMachine()))
	s := d.await("a second try", func(s seen) bool { return len(s.paths) >= 2 })
	for _, path := range s.paths {
		if path != wire.PathEnrol {
			t.Errorf("asked for %s, want only %s", path, wire.PathEnrol)
		}
	}
}

func TestRunEnrolsAgainWhenRefused(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	refused := false
	d.hook = func(d *daemon, w http.ResponseWriter, r *http.Request) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.URL.Path != wire.PathNextJob || refused {
			return false
		}
		refused = true
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	run(t, d.config(newMachine()))
	s := d.await("a poll", func(s seen) bool { return len(s.polls) > 0 })
	if len(s.enrols) != 2 || key(t, s.enrols[0]) != key(t, s.enrols[1]) {
		t.Errorf("%d enrolments, want 2 with the same key", len(s.enrols))
	}
}

func TestRunReportsToADaemonThatForgot(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	forgot := false
	d.hook = func(d *daemon, w http.ResponseWriter, r *http.Request) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.URL.Path != wire.PathNextJob || forgot {
			return false
		}
		forgot = true
		w.WriteHeader(http.StatusPreconditionRequired)
		return true
	}
	run(t, d.config(m))
	d.await("a poll", func(s seen) bool { return len(s.polls) > 0 && len(s.facts) == 2 })
	if looks, _ := m.counts(); looks != 2 {
		t.Errorf("the hardware was read %d times, want 2", looks)
	}
}

func TestRunReadsNoEndlessAnswer(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	large := true
	d.hook = func(d *daemon, w http.ResponseWriter, r *http.Request) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.URL.Path != wire.PathNextJob || !large {
			return false
		}
		large = false
		_, _ = w.Write([]byte(`{"id":"big","attempt":1,"kind":"install","epoch":7,"steps":[{"name":"` +
			strings.Repeat("x", wire.MaxBody) + `"}]}`))
		return true
	}
	run(t, d.config(m))
	d.await("the next poll", func(s seen) bool { return len(s.polls) > 0 })
	if _, done := m.counts(); len(done) != 0 {
		t.Errorf("steps run = %d, want none", len(done))
	}
}
