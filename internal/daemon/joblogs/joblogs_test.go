package joblogs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

// rig is a store with a clock that tests move.
type rig struct {
	*Store
	t   *testing.T
	now time.Time
}

func newRig(t *testing.T, keep Keep) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2020, 12, 1, 0, 0, 0, 0, time.UTC)}
	var secrets console.Secrets
	secrets.Add(secret.New("hunter2-hunter2"))
	r.Store = New(Config{Dir: filepath.Join(t.TempDir(), "logs"), Secrets: &secrets, Keep: keep, Now: func() time.Time { return r.now },
		StepName: func(_ inventory.MachineID, operation string, number int) string {
			if operation == "unknown" {
				return ""
			}
			return []string{"", "check-link", "install"}[number]
		},
		Console: func(inventory.MachineID) (string, error) { return "login:\n", nil }})
	return r
}

// put sends a text as an agent does, and gives the status.
func (r *rig) put(job, name, body string) int {
	r.t.Helper()
	request := httptest.NewRequestWithContext(r.t.Context(), http.MethodPut, "/", strings.NewReader(body))
	answer := httptest.NewRecorder()
	r.ServeLog(answer, request, hub.LogOf{Host: "web-1", Job: job, Name: name})
	if sum := sha256.Sum256([]byte(body)); answer.Code == http.StatusNoContent && answer.Header().Get(wire.HeaderDigest) != hex.EncodeToString(sum[:]) {
		r.t.Errorf("the digest of %s is %s", name, answer.Header().Get(wire.HeaderDigest))
	}
	return answer.Code
}

// age has the files of an operation that were written just now be as old as the clock of the test says.
func (r *rig) age(operation string) {
	r.t.Helper()
	dir := r.dirOf("web-1", operation)
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			r.t.Fatal(err)
		}
		if info.ModTime().Year() > 2021 {
			if err := os.Chtimes(filepath.Join(dir, entry.Name()), r.now, r.now); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

func (r *rig) list() []Operation {
	r.t.Helper()
	list, err := r.ListOperations("web-1")
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// client reads through the control routes.
func (r *rig) client() Client {
	api := http.NewServeMux()
	r.AddRoutes(api, func(host string) (inventory.MachineID, bool) { return "web-1", host == "www" })
	server := httptest.NewServer(api)
	r.t.Cleanup(server.Close)
	return Client{Get: func(ctx context.Context, path string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(request)
	}}
}

// TestLogsAreKeptAndRead has a step that says lines and fails, and everything read as the command line does.
func TestLogsAreKeptAndRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{})
	r.record(hub.Event{Host: "web-1", Job: "op1.1.2", Progress: wire.Progress{Step: "../../x", Lines: []string{"no link", "again"}}})
	r.record(hub.Event{Host: "web-1", Job: "r-7", Progress: wire.Progress{Lines: []string{"a run of a batch"}}})
	if got := r.put("op1.1.2", "journal.log", "a\x1b[31m line\nwith hunter2-hunter2\n"); got != http.StatusNoContent {
		t.Fatalf("PUT = %d", got)
	}
	r.noteEnd("web-1", &inventory.Operation{ID: "op1", Outcome: inventory.Quarantined, Ended: r.now})
	r.noteEnd("web-1", &inventory.Operation{ID: "op0", Outcome: inventory.Quarantined, Ended: r.now.Add(-time.Hour)})

	client := r.client()
	list, err := client.List(t.Context(), "www")
	if err != nil || len(list) != 1 || list[0].ID != "op1" || len(list[0].Files) != 3 || len(list[0].Collected()) != 2 {
		t.Fatalf("List = %+v, %v", list, err)
	}
	for name, want := range map[string]string{
		"check-link-2.log":         "2020-12-01T00:00:00Z no link\n2020-12-01T00:00:00Z again\n",
		"check-link-2.journal.log": "a line\nwith ***\n",
		"console.log":              "login:\n",
		"no-such-1.log":            "",
	} {
		if got, err := client.Read(t.Context(), "www", "op1", name, 0); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	if rest, err := client.Read(t.Context(), "www", "op1", "check-link-2.log", 29); err != nil || string(rest) != "2020-12-01T00:00:00Z again\n" {
		t.Errorf("from byte 29 on: %q, %v", rest, err)
	}
	for _, name := range []string{"../op1/console.log", ".new-1", "%2e%2e"} {
		if got, err := client.Read(t.Context(), "www", "op1", name, 0); err != nil || len(got) > 0 {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	if _, err := client.List(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no host") {
		t.Errorf("List(nobody) = %v", err)
	}
	files, err := filepath.Glob(filepath.Join(r.config.Dir, "*", "*", "*"))
	if err != nil || len(files) != 3 {
		t.Errorf("the directory has %q, %v", files, err)
	}
}

// TestTextsThatAreNotKept has each bad text answered, and nothing of it kept.
func TestTextsThatAreNotKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{})
	big := strings.Repeat("x\n", wire.MaxLog/2)
	for _, c := range []struct {
		what, job, name, body string
		want                  int
	}{
		{"a run's job", "r-1", "journal.log", "x", http.StatusNotFound},
		{"a power off", "b1-off", "journal.log", "x", http.StatusNotFound},
		{"another directory", "../x.1.1", "journal.log", "x", http.StatusNotFound},
		{"a path", "op1.1.1", "../journal.log", "x", http.StatusBadRequest},
		{"another ending", "op1.1.1", "journal.html", "x", http.StatusBadRequest},
		{"too large", "op1.1.1", "journal.log", big + "x", http.StatusRequestEntityTooLarge},
	} {
		if got := r.put(c.job, c.name, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	if list := r.list(); len(list) != 0 {
		t.Errorf("kept: %+v", list)
	}
	for i, want := range []int{204, 204, 204, 204, 413} { // 32 MiB of one attempt
		if got := r.put("op1.1.1", string(rune('a'+i))+".log", big); got != want {
			t.Errorf("text %d of %d bytes: %d, want %d", i, len(big), got, want)
		}
	}
	for i := range maxTexts { // four more small ones would do
		want := http.StatusNoContent
		if i >= maxTexts-4 {
			want = http.StatusRequestEntityTooLarge
		}
		if got := r.put("op1.2.1", string(rune('a'+i))+".log", "x"); i < maxTexts-4 && got != want {
			t.Errorf("small text %d: %d, want %d", i, got, want)
		}
	}
	left, err := filepath.Glob(filepath.Join(r.config.Dir, "*", "*", ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if got := r.put("unknown.3.1", "journal.log", "x"); got != http.StatusNoContent {
		t.Errorf("a step without a known name: %d", got)
	}
	if _, err := os.Stat(filepath.Join(r.dirOf("web-1", "unknown"), "step-3-1.journal.log")); err != nil {
		t.Error(err)
	}
}

// TestABrokenTextLeavesNothing has a link that breaks in the middle of a text.
func TestABrokenTextLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", io.MultiReader(strings.NewReader("half"), broken{}))
	answer := httptest.NewRecorder()
	r.ServeLog(answer, request, hub.LogOf{Host: "web-1", Job: "op1.1.1", Name: "journal.log"})
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", answer.Code)
	}
	if files, err := filepath.Glob(filepath.Join(r.config.Dir, "*", "*", "*")); err != nil || len(files) > 0 {
		t.Errorf("left behind: %q, %v", files, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestTheOutputOfAStepIsBounded has a step that never stops to talk.
func TestTheOutputOfAStepIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{})
	for range 30 {
		r.record(hub.Event{Host: "web-1", Job: "op1.1.1", Progress: wire.Progress{Lines: []string{strings.Repeat("x", 100_000)}}})
	}
	file := r.list()[0].Files[0]
	text, err := os.ReadFile(filepath.Join(r.dirOf("web-1", "op1"), file.Name))
	if err != nil || file.Size > maxStepOutput+200_000 || strings.Count(string(text), "more output is not kept\n") != 1 {
		t.Errorf("%d bytes are kept, %v", file.Size, err)
	}
}

// TestOldLogsAreRemoved has more operations and failures than are kept of a machine, and lets time pass.
func TestOldLogsAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{})
	for i := range 25 {
		op := fmt.Sprintf("op%02d", i)
		r.now = r.now.Add(time.Hour)
		r.record(hub.Event{Host: "web-1", Job: op + ".1.1", Progress: wire.Progress{Lines: []string{"x"}}})
		r.put(op+".1.1", "journal.log", "x")
		r.age(op)
	}
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	list := r.list()
	bundles := 0
	for _, op := range list {
		bundles += len(op.bundles())
	}
	if len(list) != keptOperations || list[0].ID != "op24" || bundles != keptBundles || len(list[0].bundles()) != 1 {
		t.Errorf("%d operations with %d bundles are kept, the newest is %+v", len(list), bundles, list[0])
	}
	r.now = r.now.Add(bundleAge + time.Minute)
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	if list = r.list(); len(list) != keptOperations || len(list[0].bundles()) != 0 {
		t.Errorf("after %s: %d operations, the newest with %d bundles", bundleAge, len(list), len(list[0].bundles()))
	}
	r.now = r.now.Add(defaultAge)
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	if list = r.list(); len(list) != 0 {
		t.Errorf("after %s: %d operations", defaultAge, len(list))
	}
}

// TestTheOldestLogsGoWhenThereIsNoRoom bounds the bytes of all machines.
func TestTheOldestLogsGoWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t, Keep{Size: 25_000})
	for i := range 4 {
		op := fmt.Sprintf("op%d", i)
		r.now = r.now.Add(time.Hour)
		r.put(op+".1.1", "journal.log", strings.Repeat("0123456789\n", 1000))
		r.age(op)
	}
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	if list := r.list(); len(list) != 2 || list[0].ID != "op3" || list[1].ID != "op2" {
		t.Errorf("kept: %+v", list)
	}
}
