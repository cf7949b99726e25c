package daemon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab/ports"
)

func TestThePageTellsAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	key := filepath.Join(w.dir, "webhook.secret")
	if err := os.WriteFile(key, []byte("the-forge-knows\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.edit(t, "../ingot.yaml", "  web:", "  webhook: "+freeAddress(t)+"\n  web:")
	w.edit(t, "../ingot.yaml", "images:", "webhook: {secretFile: webhook.secret}\nimages:")
	w.start(t)
	w.await(t, 1, "Active", active)
	base := "http://" + settings.Listen.Web

	head, body := get(t, http.MethodGet, base+"/", nil)
	if head.StatusCode != http.StatusOK || !strings.Contains(body, `<script src="app.js" defer>`) {
		t.Errorf("GET / = %s: %s", head.Status, body)
	}
	if policy := head.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the page's policy is %q", policy)
	}
	var view daemon.View
	_, body = get(t, http.MethodGet, base+"/v1/view", nil)
	if err := json.Unmarshal([]byte(body), &view); err != nil || len(view.Hosts) != 1 || !active(view.Hosts[0]) {
		t.Errorf("the view is %s (%v)", body, err)
	}
	awaitStory(t, base+"/v1/hosts/machine-1/story")
	if head, _ := get(t, http.MethodGet, base+"/v1/hosts/nobody/story", nil); head.StatusCode != http.StatusNotFound {
		t.Errorf("the story of a host that nobody knows: %s", head.Status)
	}
	for _, path := range []string{"/v1/view", "/v1/refresh", "/"} {
		if head, _ := get(t, http.MethodPost, base+path, nil); head.StatusCode != http.StatusMethodNotAllowed && head.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s = %s, want it refused", path, head.Status)
		}
	}
	settings, err = config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	hook := "http://" + settings.Listen.Webhook
	if head, body := get(t, http.MethodPost, hook, http.Header{"X-Gitlab-Token": {"the-forge-knows"}}); head.StatusCode != http.StatusAccepted {
		t.Errorf("the webhook answered %s: %s", head.Status, body)
	}
	if head, _ := get(t, http.MethodPost, hook, http.Header{"X-Gitlab-Token": {"guess"}}); head.StatusCode != http.StatusForbidden {
		t.Errorf("the webhook answered %s to a guess", head.Status)
	}
}

// awaitStory waits until a story has been written down to its end: it is written beside the events.
func awaitStory(t *testing.T, url string) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var told daemon.HostHistory
		_, body := get(t, http.MethodGet, url, nil)
		if err := json.Unmarshal([]byte(body), &told); err != nil {
			t.Fatalf("the story is %s: %v", body, err)
		}
		if n := len(told.Steps); n >= 3 && told.Steps[n-1].Phase == "Active" && strings.Contains(strings.Join(told.Console, "\n"), "Install complete.") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the story is %s", body)
		}
	}
}

// answer is the head of a response.
type answer struct {
	Status     string
	StatusCode int
	Header     http.Header
}

func get(t *testing.T, method, url string, header http.Header) (head answer, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.Status, response.StatusCode, response.Header}, string(text)
}

// freeAddress is one on loopback that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

// A stream in which nothing happens lives.
func TestAQuietStreamBeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	settings, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+settings.Listen.Web+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("the stream is %q", kind)
	}
	lines := bufio.NewScanner(response.Body)
	all, beats := false, 0
	for beats == 0 && lines.Scan() {
		if lines.Text() == "" {
			beats++
			continue
		}
		var event daemon.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = all || event.All
	}
	if beats == 0 || !all {
		t.Errorf("the stream ended (%v) before it told everything (%t) and was quiet", lines.Err(), all)
	}
}
