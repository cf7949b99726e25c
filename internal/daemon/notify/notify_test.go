package notify_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestANotification wants id and signature with the body, at the receivers that take such events, once.
func TestANotification(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", nil)
	other, none := receiver(t, "other", nil)
	other.Events = []notices.Kind{notices.Failed}
	w := newWorld(ops, other)
	w.start(t)
	w.loop.show(host("web-1", plan.Active, ""), host("web-3", plan.Held, "NeedsConsent"))
	d := take(t, got)
	mac := hmac.New(sha256.New, []byte("hmac-key-of-ops"))
	mac.Write(d.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); d.header.Get(notify.SignatureHeader) != want {
		t.Errorf("signature %q, want %q", d.header.Get(notify.SignatureHeader), want)
	}
	if e := d.event; e.ID == "" || e.ID != d.header.Get(notify.EventHeader) || e.Event != notices.Held || e.Host != "web-3" || e.MachineID != "web-3" ||
		e.Ring != "canary" || e.Commit != commit || e.Cause != "NeedsConsent" || d.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s with %v", d.body, d.header)
	}
	w.meter.await(t, "ops", notify.Sent, 1)
	w.loop.show(host("web-1", plan.Failed, "InstallFailed"), host("web-3", plan.Held, "NeedsConsent"))
	if e := take(t, got).event; e.Event != notices.Failed || e.Host != "web-1" {
		t.Errorf("then got %+v", e)
	}
	if e := take(t, none).event; e.Event != notices.Failed {
		t.Errorf("the other receiver got %+v", e)
	}
	w.meter.await(t, "ops", notify.Sent, 2)
	if n := w.meter.get("other", notify.Sent); len(got) != 0 || len(none) != 0 || n > 1 {
		t.Errorf("%d and %d more were sent", len(got), len(none))
	}
}

// TestThreeThousandHosts wants one request for one cause.
func TestThreeThousandHosts(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", nil)
	w := newWorld(ops)
	w.start(t)
	var hosts []reconcile.HostView
	for i := range 3000 {
		hosts = append(hosts, host(fmt.Sprintf("web-%d", i), plan.Held, "NeedsConsent"))
	}
	w.loop.show(hosts...)
	if d := take(t, got); d.event.Count != 3000 || len(d.body) > 10<<10 {
		t.Errorf("got %d hosts in %d bytes", d.event.Count, len(d.body))
	}
	w.meter.await(t, "ops", notify.Sent, 1)
	if n := len(got); n != 0 {
		t.Errorf("%d more were sent", n)
	}
}

// TestARestartInTheMiddle stops the daemon while a receiver has the event and has not answered, and again after a
// failure: each time the next daemon sends the same event, and none after it was taken.
func TestARestartInTheMiddle(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 1:
			<-r.Context().Done()
		case 2:
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := newWorld(ops)
	w.config.Pace.Minute = time.Minute
	w.config.Pace.Request = time.Minute
	stop := w.start(t)
	held := host("web-3", plan.Held, "NeedsConsent")
	w.loop.show(held)
	first := take(t, got)
	stop()
	stop = w.start(t)
	w.loop.show(held)
	second := take(t, got)
	w.meter.await(t, "ops", notify.Fail, 1)
	stop()
	stop = w.start(t)
	w.loop.show(held)
	third := take(t, got)
	w.meter.await(t, "ops", notify.Sent, 1)
	if first.event.ID != second.event.ID || !bytes.Equal(second.body, third.body) {
		t.Errorf("sent %s, then %s, then %s", first.body, second.body, third.body)
	}
	stop()
	if notify.NeedsPages(w.store.bytes) {
		t.Error("a notifier with its memory needs pages")
	}
	w.start(t)
	w.loop.show(held, host("web-4", plan.Failed, "InstallFailed"))
	if e := take(t, got).event; e.Host != "web-4" {
		t.Errorf("a restart sent %+v again", e)
	}
}

// TestALostMemoryRepeatsNothing gives a daemon without its journal the pages of the status branch: what they say was
// told by an earlier daemon. A memory that cannot be read counts as lost.
func TestALostMemoryRepeatsNothing(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string][]byte{"lost": nil, "unreadable": []byte("no")} {
		ops, got := receiver(t, "ops", nil)
		w := newWorld(ops)
		if w.store.bytes = bytes; !notify.NeedsPages(bytes) {
			t.Errorf("%s: it needs no pages", name)
		}
		<-w.restored
		var hosts []reconcile.HostView
		fleet := status.Fleet{Rings: []admit.Progress{{Name: "canary", Commit: release, Paused: "web-1 failed"}}}
		var pages []status.Document
		for i := range 1000 {
			hosts = append(hosts, host(fmt.Sprintf("web-%d", i), plan.Held, "NeedsConsent"))
			pages = append(pages, hosts[i].Document)
		}
		w.restored <- notify.CollectPages(fleet, pages)
		w.start(t)
		w.loop.set(reconcile.View{Commit: commit, Fleet: fleet, Hosts: append(hosts, host("new", plan.Held, "NeedsConsent"))})
		if e := take(t, got).event; e.Host != "new" {
			t.Errorf("%s: told %+v", name, e)
		}
	}
}

// TestADeadReceiverHoldsNobodyUp has one receiver hang, one refuse and one answer: the first two are tried up to five
// times and counted, the third gets its events at once. The second event waits for the first one of its machine, and is
// old by then.
func TestADeadReceiverHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	hangs, hung := receiver(t, "hangs", func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	refuses, refused := receiver(t, "refuses", func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Error(w, "the key is "+r.Header.Get("X-Key")+"hmac-key-of-refuses", http.StatusBadRequest)
	})
	works, got := receiver(t, "works", nil)
	w := newWorld(hangs, refuses, works)
	w.config.Pace.Request, w.config.Pace.Minute = 100*time.Millisecond, 40*time.Millisecond
	var log syncBuffer
	w.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.config.Mask = func(text string) string { return strings.ReplaceAll(text, "hmac-key-of-refuses", "***") }
	w.start(t)
	w.loop.show(host("web-1", plan.Held, "NeedsConsent"))
	take(t, got)
	w.loop.show(host("web-1", plan.Failed, "InstallFailed"))
	take(t, got)
	for _, name := range []string{"hangs", "refuses"} {
		w.meter.await(t, name, notify.Lost, 2)
	}
	if n := w.meter.get("refuses", notify.Fail); n < 6 || n > 10 || len(refused) != n {
		t.Errorf("two refused events were tried %d times (%d arrived), want 5 and 1 to 5", n, len(refused))
	}
	if n := len(hung); n < 2 || n > 10 {
		t.Errorf("a receiver that hangs was tried %d times for two events", n)
	}
	first := take(t, refused).event
	for range 4 {
		if e := take(t, refused).event; e.ID != first.ID {
			t.Errorf("%+v was sent before the earlier event of the machine was given up", e)
		}
	}
	if text := log.String(); strings.Contains(text, "sesame") || strings.Contains(text, "hmac-key") || !strings.Contains(text, "notification lost") {
		t.Errorf("log: %s", text)
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestNothingIsSentBeforeItIsKept wants a notification only after the journal has it.
func TestNothingIsSentBeforeItIsKept(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", nil)
	w := newWorld(ops)
	w.store.broken = true
	w.start(t)
	w.loop.show(host("web-1", plan.Held, "NeedsConsent"))
	w.loop.awaitPasses(t, 100)
	if n := len(got); n != 0 {
		t.Errorf("%d were sent before they were kept", n)
	}
	w.store.mu.Lock()
	w.store.broken = false
	w.store.mu.Unlock()
	w.loop.Notify("")
	take(t, got)
}

// TestADaemonThatStandsAsideSaysNothing wants nothing of a daemon that does not run the fleet, or knows no commit.
func TestADaemonThatStandsAsideSaysNothing(t *testing.T) {
	t.Parallel()
	ops, got := receiver(t, "ops", nil)
	w := newWorld(ops)
	w.start(t)
	held := host("web-1", plan.Held, "NeedsConsent")
	w.loop.set(reconcile.View{Commit: commit, Another: "another daemon runs this fleet", Hosts: []reconcile.HostView{held}})
	w.loop.awaitPasses(t, 1)
	w.loop.set(reconcile.View{Hosts: []reconcile.HostView{held}})
	w.loop.awaitPasses(t, 1)
	w.loop.show(host("web-2", plan.Held, "NeedsConsent"))
	if e := take(t, got).event; e.Host != "web-2" {
		t.Errorf("told %+v", e)
	}
}
