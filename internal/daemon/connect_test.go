package daemon_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
)

// TestARefusalIsNoView has whoever listens on the socket refuse: what it says is passed on, and is not read as an answer.
func TestARefusalIsNoView(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "here only root may ask", http.StatusForbidden)
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	client := daemon.Connect(socket)
	if _, err := client.ReadView(t.Context()); err == nil || !strings.Contains(err.Error(), "the daemon refuses: here only root may ask") {
		t.Errorf("View = %v, want the refusal", err)
	}
	if err := client.RepinTag(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "the daemon refuses: here only root may ask") {
		t.Errorf("RepinTag = %v, want the refusal", err)
	}
}
