package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/watch"
	"github.com/gitmetal/ingot/schemas"
)

// commit is the accepted commit, and release that of the ring canary.
const (
	commit  = "1a2b3c4d5e6f708090a0b0c0d0e0f00010203040"
	release = "99999c4d5e6f708090a0b0c0d0e0f00010203040"
)

// fakeLoop shows what a test sets.
type fakeLoop struct {
	watch.Notifier
	mu     sync.Mutex
	view   reconcile.View
	viewed chan struct{} // a token for each View
}

func (l *fakeLoop) View() reconcile.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.viewed <- struct{}{}:
	default:
	}
	return l.view
}

// awaitPasses waits until the notifier has made so many passes with the present view.
func (l *fakeLoop) awaitPasses(t *testing.T, passes int) {
	t.Helper()
	for len(l.viewed) > 0 {
		<-l.viewed
	}
	for range passes + 1 { // the first one may have begun before
		l.Notify("")
		select {
		case <-l.viewed:
		case <-time.After(30 * time.Second):
			t.Fatal("the notifier makes no pass")
		}
	}
}

// show sets the view: hosts of the ring canary.
func (l *fakeLoop) show(hosts ...reconcile.HostView) {
	l.set(reconcile.View{Commit: commit, Fleet: status.Fleet{Rings: []admit.Progress{{Name: "canary", Commit: release}}}, Hosts: hosts})
}

func (l *fakeLoop) set(view reconcile.View) {
	l.mu.Lock()
	l.view = view
	l.mu.Unlock()
	l.Notify("")
}

func host(name string, phase plan.Phase, reason string) reconcile.HostView {
	id := inventory.MachineID(name)
	h := reconcile.HostView{ID: id, Name: name, Looked: time.Now(), Desired: inventory.Desired{ID: id, Name: name, Ring: "canary",
		Lifecycle: schemas.Managed, Workload: &inventory.Workload{Name: "web", Inputs: "new"}},
		Document: status.Document{Metadata: status.Metadata{Name: name}, Phase: phase, Commit: commit, Ring: "canary"}}
	if reason != "" {
		h.Document.Cause = &cause.Answer{Cause: cause.Name(reason), Why: "It is so.", Do: "Look."}
	}
	if phase == plan.Active {
		h.Observed.Record.Installed = &inventory.Installed{ID: "i", Inputs: "new"}
	}
	return h
}

// fakeStore keeps bytes, unless it is broken.
type fakeStore struct {
	mu     sync.Mutex
	bytes  []byte
	broken bool
}

func (s *fakeStore) LoadNotices(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, nil
}

func (s *fakeStore) SaveNotices(_ context.Context, document []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("the disk is full")
	}
	s.bytes = document
	return nil
}

// meter counts by receiver and result; "" are commit statuses.
type meter struct {
	mu      sync.Mutex
	counts  map[[2]string]int
	waiting map[string]int
	changed chan struct{}
}

func newMeter() *meter {
	return &meter{counts: map[[2]string]int{}, waiting: map[string]int{}, changed: make(chan struct{}, 1)}
}

func (m *meter) CountNotification(receiver string, result notify.Result) {
	m.mu.Lock()
	m.counts[[2]string{receiver, string(result)}]++
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *meter) SetNotificationsWaiting(receiver string, events int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[receiver] = events
}
func (m *meter) CountCommitStatus(result notify.Result) { m.CountNotification("", result) }
func (m *meter) SetCommitStatusesWaiting(statuses int)  { m.SetNotificationsWaiting("", statuses) }

func (m *meter) get(receiver string, result notify.Result) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[[2]string{receiver, string(result)}]
}

// await waits until enough were counted.
func (m *meter) await(t *testing.T, receiver string, result notify.Result, want int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for m.get(receiver, result) < want {
		select {
		case <-m.changed:
		case <-deadline:
			t.Fatalf("%q: %d %s, want %d", receiver, m.get(receiver, result), result, want)
		}
	}
}

// world is a notifier with its loop, store and meter.
type world struct {
	loop     *fakeLoop
	store    *fakeStore
	meter    *meter
	restored chan notices.Conditions
	config   notify.Config
}

// newWorld is a world without pages of an earlier daemon.
func newWorld(receivers ...notify.Receiver) *world {
	w := &world{loop: &fakeLoop{viewed: make(chan struct{}, 100)}, store: &fakeStore{}, meter: newMeter(), restored: make(chan notices.Conditions, 1)}
	w.config = notify.Config{Loop: w.loop, Store: w.store, Receivers: receivers, Meter: w.meter, Log: slog.New(slog.DiscardHandler),
		Restored: w.restored, Pace: notify.Pace{Gather: time.Millisecond, Group: time.Millisecond, Request: 2 * time.Second, Minute: 10 * time.Millisecond}}
	w.restored <- notices.Conditions{}
	return w
}

// start runs a notifier until stop is called.
func (w *world) start(t *testing.T) (stop func()) {
	t.Helper()
	n, err := notify.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// delivery is a request that a receiver got.
type delivery struct {
	event  notices.Event
	body   []byte
	header http.Header
}

// receiver runs a webhook receiver: answer gives the status of each delivery.
func receiver(t *testing.T, name string, answer func(w http.ResponseWriter, r *http.Request, n int)) (notify.Receiver, <-chan delivery) {
	t.Helper()
	got := make(chan delivery, 1000)
	var mu sync.Mutex
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := delivery{header: r.Header}
		d.body, _ = io.ReadAll(r.Body)
		if err := json.Unmarshal(d.body, &d.event); err != nil {
			t.Errorf("%s got %q: %v", name, d.body, err)
		}
		mu.Lock()
		calls++
		n := calls
		mu.Unlock()
		got <- d
		if answer != nil {
			answer(w, r, n)
		}
	}))
	t.Cleanup(server.Close)
	return notify.Receiver{Name: name, URL: secret.New(server.URL + "/hooks/sesame"), Key: secret.New("hmac-key-of-" + name), Events: notices.Kinds}, got
}

// take waits for a delivery.
func take(t *testing.T, got <-chan delivery) delivery {
	t.Helper()
	select {
	case d := <-got:
		return d
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was sent")
		return delivery{}
	}
}
