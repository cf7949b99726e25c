package daemon_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

// The fleet is on a server that tells nothing, and nobody looks there for an hour: the forge's word alone brings what was pushed.
func TestAWebhookBringsWhatWasPushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	const key = "the-forge-knows"
	if err := os.WriteFile(filepath.Join(w.dir, "webhook.secret"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.edit(t, "../ingot.yaml", "url: fleet.git", "url: "+w.forge(t)+"/fleet.git")
	w.edit(t, "../ingot.yaml", "poll: 10s", "poll: 1h")
	w.edit(t, "../ingot.yaml", "  web:", "  webhook: "+freeAddress(t)+"\n  web:")
	w.edit(t, "../ingot.yaml", "images:", "webhook: {secretFile: webhook.secret}\nimages:")
	settings, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.start(t)
	w.await(t, 1, "Active", active)
	w.edit(t, "hosts/machine-1.yaml", "rack: lab", "rack: lab, told: yes-it-was")
	w.push(t, "a label")

	const body = `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+settings.Listen.Webhook, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("the webhook answered %s", answer.Status)
	}
	w.await(t, 1, "labelled by the commit that the forge told of", func(h daemon.HostView) bool { return h.Metadata.Labels["told"] == "yes-it-was" })
}

// forge serves the rack's repository with git's own server.
func (w *world) forge(t *testing.T) (url string) {
	t.Helper()
	w.git(t, "-C", filepath.Join(w.dir, "fleet.git"), "config", "http.receivepack", "true")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{Path: program, Args: []string{"http-backend"}, Dir: w.dir, Env: []string{"GIT_PROJECT_ROOT=" + w.dir, "GIT_HTTP_EXPORT_ALL=1"}})
	t.Cleanup(server.Close)
	return server.URL
}
