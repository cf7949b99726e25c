package daemon_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// outside is a webhook receiver and a Gitea, which keep what they are told.
type outside struct {
	*httptest.Server
	mu       sync.Mutex
	broken   bool // the receiver answers with 500
	events   []notices.Event
	statuses map[string]string // newest state and description, by commit and context
	changed  chan struct{}
}

const hookKey, forgeToken = "key-of-the-webhook", "token-of-the-forge"

// startOutside adds both to the daemon's configuration.
func (w *world) startOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{statuses: map[string]string{}, changed: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) { o.takeEvent(t, w, r) })
	mux.HandleFunc("POST /api/v1/repos/infra/fleet/statuses/{commit}", func(w http.ResponseWriter, r *http.Request) { o.takeStatus(t, w, r) })
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	for file, text := range map[string]string{"hook.key": hookKey, "forge.token": forgeToken} {
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.edit(t, "../ingot.yaml", "images:", "forge: {kind: Gitea, url: "+o.URL+", repository: infra/fleet, tokenFile: forge.token}\n"+
		"notify: [{name: ops, url: "+o.URL+"/hook, secretFile: hook.key}]\nimages:")
	return o
}

func (o *outside) takeEvent(t *testing.T, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write(body)
	var e notices.Event
	if err := json.Unmarshal(body, &e); err != nil || r.Header.Get(notify.SignatureHeader) != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("the receiver got %s with %v: %v", body, r.Header, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events = append(o.events, e); o.broken {
		http.Error(w, "the key "+hookKey+" is good, and it is late", http.StatusInternalServerError)
	}
	o.notify()
}

func (o *outside) takeStatus(t *testing.T, w http.ResponseWriter, r *http.Request) {
	var body struct{ State, Context, Description string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "token "+forgeToken {
		t.Errorf("the forge got %v: %v", r.Header, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.statuses[path.Base(r.URL.Path)+" "+body.Context] = body.State + ": " + body.Description
	w.WriteHeader(http.StatusCreated)
	o.notify()
}

func (o *outside) notify() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// await waits until the condition holds, and gives the events so far.
func (o *outside) await(t *testing.T, what string, holds func() bool) []notices.Event {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		o.mu.Lock()
		done, events := holds(), append([]notices.Event(nil), o.events...)
		o.mu.Unlock()
		if done {
			return events
		}
		select {
		case <-o.changed:
		case <-deadline:
			t.Fatalf("%s: events %+v, statuses %v", what, events, o.statuses)
		}
	}
}

// TestPeopleOutsideAreTold takes a release through the rings, and a second one that fails on the canary while the
// receiver is broken. The daemon is restarted in the middle: the receiver gets the same events. A daemon without its
// state directory tells nothing of that again.
func TestPeopleOutsideAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.makeRings(t, 2)
	o := w.startOutside(t)
	w.edit(t, "hosts/machine-2.yaml", ", ring: canary}", ", ring: early}")
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 100ms\nreinstall: {allHosts: true}")
	w.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1s")
	w.edit(t, "workloads/hello.yaml", "spec:\n", "spec:\n  update: Reinstall\n")
	first := w.release(t, "v1", "first")
	stop := w.start(t)
	o.await(t, "the first release", func() bool {
		return o.statuses[first+" ingot/canary"] == "success: 1 of 1 done" && o.statuses[first+" ingot/early"] == "success: 1 of 1 done"
	})

	w.rack.Sim("machine-1").BreakWrites(func(wire.Install) error { return errors.New("this release does not work here") })
	o.mu.Lock()
	o.broken = true
	o.mu.Unlock()
	second := w.release(t, "v2", "second")
	isTold := func(events []notices.Event) (held, stopped string) {
		for _, e := range events {
			switch {
			case e.Event == notices.Held && e.Host == "machine-1" && e.Ring == "canary":
				held = e.ID
			case e.Event == notices.Stopped && e.Ring == "canary" && strings.Contains(e.Text, "machine-1 failed"):
				stopped = e.ID
			}
		}
		return held, stopped
	}
	stoppedOnce := o.await(t, "the second release", func() bool {
		held, stopped := isTold(o.events)
		return (held != "" || stopped != "") && strings.HasPrefix(o.statuses[second+" ingot/canary"], "failure: 0 of 1 done, 1 failed: machine-1") &&
			strings.HasPrefix(o.statuses[second+" ingot/early"], "pending: 0 of 1 done")
	})
	stop()
	o.mu.Lock()
	o.broken, o.events = false, nil
	o.mu.Unlock()
	stop = w.start(t)
	again := o.await(t, "after a restart", func() bool {
		held, stopped := isTold(o.events)
		return held != "" && stopped != ""
	})
	wantSame(t, stoppedOnce, again)
	stop()

	if err := os.RemoveAll(filepath.Join(w.dir, w.stateDir())); err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	o.events = nil
	o.mu.Unlock()
	w.edit(t, "hosts/machine-2.yaml", "    serial: \"", "    serial: \"ANOTHER-")
	w.push(t, "another machine")
	w.start(t)
	w.await(t, 1, "held for its identity", func(h daemon.HostView) bool { return h.Metadata.Name == "machine-2" && h.Phase == plan.Held })
	if events := o.await(t, "without the state directory", func() bool { return len(o.events) > 0 }); events[0].Host != "machine-2" {
		t.Errorf("a daemon without its journal tells %+v", events[0])
	}
	log, err := os.ReadFile(w.log.Name())
	if err != nil || strings.Contains(string(log), hookKey) || strings.Contains(string(log), forgeToken) || !strings.Contains(string(log), "the key *** is good") {
		t.Errorf("the log has the key, the token, or not the receiver's words (%v)", err)
	}
}

// wantSame wants every event that arrived before a restart to arrive after it with the same id.
func wantSame(t *testing.T, before, after []notices.Event) {
	t.Helper()
	for _, e := range before {
		found := false
		for _, other := range after {
			found = found || other.ID == e.ID && other.Text == e.Text
		}
		if !found {
			t.Errorf("%s %q was sent before the restart and failed, and is not sent after it: %+v", e.ID, e.Text, after)
		}
	}
}
