package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory/runs"
)

// fake is a daemon with runs, and files by their digest.
type fake struct {
	runs    []daemon.RunResult
	files   map[string]string
	fetched int
	asked   chan daemon.ResultQuery
}

func (f *fake) ReadResults(ctx context.Context, q daemon.ResultQuery, take func(daemon.RunResult) error) error {
	if f.asked != nil {
		select {
		case f.asked <- q:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, run := range f.runs {
		if !run.Ended.Ended.Before(q.Since) {
			if err := take(run); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fake) OpenResult(_ context.Context, sum string) (io.ReadCloser, error) {
	f.fetched++
	body, there := f.files[sum]
	if !there {
		return nil, errors.New("the daemon refuses: it does not know it")
	}
	return io.NopCloser(strings.NewReader(body)), nil
}

func (f *fake) add(id string, files map[string]string) *daemon.RunResult {
	run := daemon.RunResult{Manifest: runs.Manifest{Run: runs.Run{ID: id, Workload: "pi", Batch: "b1", Item: 3, Attempt: 1, Machine: "web-1"},
		Ended: runs.Ended{Output: "hello \x1b[31m\nsecond", Ended: time.Date(2026, 11, 30, 12, 0, len(f.runs), 0, time.UTC)}}}
	for name, body := range files {
		sum := sha256.Sum256([]byte(body))
		f.files[hex.EncodeToString(sum[:])] = body
		run.Files = append(run.Files, runs.File{Name: name, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])})
		run.Bytes += int64(len(body))
	}
	f.runs = append(f.runs, run)
	return &f.runs[len(f.runs)-1]
}

func (f *fake) do(t *testing.T, o options) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	err = (&fetcher{client: f, out: &b, talk: io.Discard, options: o}).run(t.Context())
	return b.String(), err
}

func newFake() *fake { return &fake{files: map[string]string{}} }

func TestList(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.add("r-1", map[string]string{"a": "1"})
	f.add("r-2", nil).Exit = 3
	f.add("r-3", nil).Orphan = "the machine was silent"
	lost := f.add("r-4", map[string]string{"a": "1"})
	lost.Lost = []string{"a"}
	f.add("r-5", nil).Open = true
	out, err := f.do(t, options{})
	for _, want := range []string{"r-1  pi        3/1   web-1    ok ", " 1      1 B   hello ?[31m\n", "failed: exit 3", "orphan: the machine was silent",
		"ok; lost from the store: a", "-                    r-5  pi        3/1   web-1    runs "} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in\n%s", err, want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("the output of a run steers the terminal")
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.add("r-1", map[string]string{"b": "2"})
	f.add("r-2", map[string]string{"a": "3.14"})
	if out, err := f.do(t, options{get: "a"}); err != nil || out != "3.14" {
		t.Errorf("--get a = %q, %v", out, err)
	}
	if _, err := f.do(t, options{get: "c"}); err == nil || !strings.Contains(err.Error(), "no run that has ended left a file c") {
		t.Errorf("--get of a file that no run has = %v", err)
	}
	f.files[f.runs[1].Files[0].SHA256] = "3.15"
	if _, err := f.do(t, options{get: "a"}); err == nil || !strings.Contains(err.Error(), "another digest") {
		t.Errorf("--get of damaged bytes = %v", err)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.add("r-1", map[string]string{"out/a": "1", "b": "2"})
	f.add("r-2", map[string]string{"out/a": "3"})
	f.add("r-3", map[string]string{"open": "4"}).Open = true
	dir := filepath.Join(t.TempDir(), "results")
	if out, err := f.do(t, options{all: dir}); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "3-r-1\t2 files\t2 B") {
		t.Errorf("--all = %v\n%s", err, out)
	}
	for name, want := range map[string]string{"3-r-1/out/a": "1", "3-r-1/b": "2", "3-r-2/out/a": "3"} {
		if got, err := os.ReadFile(filepath.Join(dir, "pi", "b1", name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	before := f.fetched
	if _, err := f.do(t, options{all: dir}); err != nil || f.fetched != before {
		t.Errorf("again: %v, %d files were fetched anew", err, f.fetched-before)
	}
	f.runs[0].Lost = []string{"b"}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := f.do(t, options{all: dir}); err == nil || !strings.Contains(err.Error(), "1 files are named by runs, and lost") {
		t.Errorf("--all with a lost file = %v", err)
	}
}

// TestHostileNames: no name of a machine leads out of the directory, also not over a link that is there.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(run *daemon.RunResult){
		"up":       func(r *daemon.RunResult) { r.Files[0].Name = "../../../../x" },
		"root":     func(r *daemon.RunResult) { r.Files[0].Name = "/tmp/x" },
		"run":      func(r *daemon.RunResult) { r.ID = "../x" },
		"workload": func(r *daemon.RunResult) { r.Workload = ".." },
		"batch":    func(r *daemon.RunResult) { r.Batch = "a/b" },
	} {
		f := newFake()
		spoil(f.add("r-1", map[string]string{"a": "1"}))
		if _, err := f.do(t, options{all: t.TempDir()}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "pi")); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	f.add("r-1", map[string]string{"a": "1"})
	if _, err := f.do(t, options{all: dir}); err == nil {
		t.Error("a link out of the directory is followed")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("%v outside of the directory, %v", left, err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.asked = make(chan daemon.ResultQuery)
	f.add("r-1", nil)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- (&fetcher{client: f, out: &out, talk: io.Discard, options: options{follow: true}}).run(ctx)
	}()
	if q := <-f.asked; !q.Since.IsZero() {
		t.Errorf("asked first for runs since %s", q.Since)
	}
	if q := <-f.asked; !q.Since.Equal(f.runs[0].Ended.Ended) {
		t.Errorf("asked then for runs since %s", q.Since)
	}
	cancel()
	if err := <-ended; err != nil || strings.Count(out.String(), "r-1") != 1 {
		t.Errorf("--follow = %v\n%s", err, out.String())
	}
}
