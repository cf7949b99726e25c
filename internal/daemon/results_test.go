package daemon_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/results/uploads"
	executions "github.com/gitmetal/ingot/inventory/runs"
)

// TestResultsOutliveTheDaemon has a daemon find the runs of an earlier one in its directory, take the files of the run that
// goes on at the listener of the agents, and tell of both runs over the control socket.
func TestResultsOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	settings, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := results.Open(settings.Results.Dir, results.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"r-1", "r-2"} {
		if err := store.Begin(executions.Run{ID: id, Workload: "pi", Batch: "b1", Machine: "machine-1"}, executions.Limits{MaxSize: 100, MaxFiles: 5}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Finish("r-1", executions.Ended{Exit: 3}); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	identity, err := hub.LoadIdentity(settings.IdentityDir)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // uploads have tests of the pin
	t.Cleanup(transport.CloseIdleConnections)
	call := func(method, path, token, body string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "https://"+settings.Listen.Agents+uploads.Path+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	key := identity.DeriveKey("run token")
	for _, c := range []struct {
		method, path, token string
		want                int
	}{
		{http.MethodPut, "r-2/files/pi.txt", uploads.Token(key, "r-1"), http.StatusUnauthorized},
		{http.MethodPut, "r-1/files/pi.txt", uploads.Token(key, "r-1"), http.StatusGone},
		{http.MethodPut, "r-2/files/pi.txt", uploads.Token(key, "r-2"), http.StatusNoContent},
		{http.MethodPost, "r-2/done?exit=0", uploads.Token(key, "r-2"), http.StatusNoContent},
	} {
		if got := call(c.method, c.path, c.token, "3.14"); got != c.want {
			t.Errorf("%s %s = %d, want %d", c.method, c.path, got, c.want)
		}
	}
	client := daemon.Connect(w.socket())
	told := map[string]daemon.RunResult{}
	for _, name := range []string{"pi", "machine-1", ""} { // by workload, by host, all
		clear(told)
		if err := client.ReadResults(t.Context(), daemon.ResultQuery{Name: name}, func(run daemon.RunResult) error {
			told[run.ID] = run
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(told) != 2 || told["r-1"].Exit != 3 || !told["r-2"].OK() || len(told["r-2"].Files) != 1 {
			t.Fatalf("results of %q: %+v", name, told)
		}
	}
	file, err := client.OpenResult(t.Context(), told["r-2"].Files[0].SHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if body, err := io.ReadAll(file); err != nil || string(body) != "3.14" {
		t.Errorf("the file is %q, %v", body, err)
	}
	if _, err := client.OpenResult(t.Context(), strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "does not know it") {
		t.Errorf("a file that is not there: %v", err)
	}
}
