package notify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// fakeForge is a GitHub that remembers what it is told, or answers otherwise.
type fakeForge struct {
	mu    sync.Mutex
	said  [][3]string // commit, state, description
	times []time.Time // of all requests
	next  []http.HandlerFunc
}

func (f *fakeForge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, time.Now())
	if len(f.next) > 0 {
		answer := f.next[0]
		f.next = f.next[1:]
		answer(w, r)
		return
	}
	var body struct{ State, Description string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "Bearer t0ken" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.said = append(f.said, [3]string{path.Base(r.URL.Path), body.State, body.Description})
	w.WriteHeader(http.StatusCreated)
}

func (f *fakeForge) wantSaid(t *testing.T, want ...[3]string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.said); diff != "" {
		t.Errorf("the forge was told: %s", diff)
	}
}

// newForgeWorld is a world with a forge and no receiver.
func newForgeWorld(t *testing.T, f *fakeForge) *world {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := forge.New(forge.Config{Kind: forge.GitHub, URL: server.URL, Repository: "infra/fleet", Token: secret.New("t0ken")})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.config.Forge = client
	return w
}

// TestCommitStatuses takes a release through a ring, and a second one over it: each status is sent once, also by the
// next daemon.
func TestCommitStatuses(t *testing.T) {
	t.Parallel()
	f := &fakeForge{}
	w := newForgeWorld(t, f)
	stop := w.start(t)
	w.loop.show(host("web-1", plan.Active, ""), host("web-2", plan.Waiting, ""))
	w.meter.await(t, "", notify.Sent, 1)
	stop()
	w.start(t)
	w.loop.show(host("web-1", plan.Active, ""), host("web-2", plan.Waiting, ""))
	w.loop.show(host("web-1", plan.Active, ""), host("web-2", plan.Active, ""))
	w.meter.await(t, "", notify.Sent, 2)
	second := reconcile.View{Commit: commit, Fleet: status.Fleet{Rings: []admit.Progress{{Name: "canary", Commit: "second"}}},
		Hosts: []reconcile.HostView{host("web-1", plan.Waiting, "")}}
	w.loop.set(second)
	w.meter.await(t, "", notify.Sent, 3)
	second.Fleet.Rings = []admit.Progress{{Name: "canary", Commit: "third"}}
	w.loop.set(second)
	w.meter.await(t, "", notify.Sent, 5)
	f.wantSaid(t, [3]string{release, "pending", "1 of 2 done"}, [3]string{release, "success", "2 of 2 done"},
		[3]string{"second", "pending", "0 of 1 done"}, [3]string{"second", "pending", "superseded by third: 0 of 1 done"},
		[3]string{"third", "pending", "0 of 1 done"})
}

// TestABrokenForge has the forge fail, refuse, and ask for a pause: the newest verdict arrives all the same, after the
// pause.
func TestABrokenForge(t *testing.T) {
	t.Parallel()
	f := &fakeForge{next: []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no commit", http.StatusUnprocessableEntity)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusForbidden)
		},
	}}
	w := newForgeWorld(t, f)
	w.config.Pace.Minute = 100 * time.Millisecond
	w.start(t)
	w.loop.show(host("web-1", plan.Waiting, ""))
	w.meter.await(t, "", notify.Fail, 2)
	w.loop.show(host("web-1", plan.Active, ""))
	w.meter.await(t, "", notify.Sent, 1)
	f.wantSaid(t, [3]string{release, "success", "1 of 1 done"})
	if n := w.meter.get("", notify.Fail); n != 4 {
		t.Errorf("%d failures, want 4", n)
	}
	if pause := f.times[4].Sub(f.times[3]); pause < time.Second {
		t.Errorf("tried again after %s, the forge asked for a second", pause)
	}
}
