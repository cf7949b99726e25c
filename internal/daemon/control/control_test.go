package control_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/control"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestOnlyItsOwnersAreAnswered speaks through real sockets: the kernel says who is there.
func TestOnlyItsOwnersAreAnswered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		users []int
		want  int
	}{
		"ours":            {[]int{os.Geteuid()}, http.StatusOK},
		"somebody else's": {[]int{os.Geteuid() + 1}, http.StatusForbidden},
		"nobody's":        {nil, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s", "sock")
			listener, err := control.ListenSocket(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket's mode is %v, %v, want 0600", info.Mode(), err)
			}
			who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				caller, _ := control.CallerOf(r.Context())
				_, _ = io.WriteString(w, caller.String())
			})
			server := &http.Server{Handler: control.AllowOnly(test.users, who), ConnContext: control.ConnContext, ReadHeaderTimeout: time.Minute}
			go func() { _ = server.Serve(listener) }()
			defer server.Close()
			code, body := get(t, path)
			if code != test.want {
				t.Errorf("answered %d %q, want %d", code, body, test.want)
			}
			if want := (control.Peer{UID: os.Geteuid()}).String(); code == http.StatusOK && body != want {
				t.Errorf("the caller is %q, want %q", body, want)
			}
		})
	}
}

// TestARequestWithoutAPeerIsRefused comes by another way than the socket.
func TestARequestWithoutAPeerIsRefused(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: control.AllowOnly([]int{0, os.Geteuid()}, http.NotFoundHandler()), ConnContext: control.ConnContext, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("answered %d, want %d", response.StatusCode, http.StatusForbidden)
	}
}

func get(t *testing.T, socket string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ingot/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestASocketInUseIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sock")
	first, err := control.ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.ListenSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another daemon answers on it") {
		t.Errorf("a second daemon: %v", err)
	}
	if unix, ok := first.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // as after kill -9
	}
	_ = first.Close()
	again, err := control.ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatalf("a socket left behind: %v", err)
	}
	_ = again.Close()
}

func TestTheAuditLogOnlyGrows(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, what := range []string{"one", "two\nlines"} {
		if err := control.NewAudit(file).WriteAct(status.Act{At: at, By: "jo (uid 1000)", What: what}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"at":"2026-01-02T03:04:05Z","by":"jo (uid 1000)","what":"one"}` + "\n" + `{"at":"2026-01-02T03:04:05Z","by":"jo (uid 1000)","what":"two\nlines"}` + "\n"
	if string(got) != want {
		t.Errorf("the log is\n%swant\n%s", got, want)
	}
	if err := control.NewAudit(t.TempDir()).WriteAct(status.Act{}); err == nil {
		t.Error("a log that cannot be written took an act")
	}
}
