package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/runs"
)

// rig is a store with a clock and a set of batches that go on.
type rig struct {
	*Store
	t       *testing.T
	dir     string
	keep    runs.Keep
	lowered map[string]runs.Keep // by Workload
	now     time.Time
	running map[string]bool
}

func newRig(t *testing.T, keep runs.Keep) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), keep: keep, now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), running: map[string]bool{}}
	r.reopen()
	return r
}

// reopen is a start of a daemon after another one was killed.
func (r *rig) reopen() {
	r.t.Helper()
	var err error
	r.Store, err = Open(r.dir, Options{Keep: r.keep, Now: func() time.Time { return r.now },
		KeepOf:  func(workload string) runs.Keep { return r.lowered[workload] },
		Running: func(_, batch string) bool { return r.running[batch] }})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) begin(id string, limits runs.Limits) {
	r.t.Helper()
	if limits.MaxSize == 0 {
		limits.MaxSize, limits.MaxFiles = 1<<20, 10
	}
	if err := r.Begin(runs.Run{ID: id, Workload: "pi", Batch: "b1", Item: 3, Attempt: 1, Machine: "web-1"}, limits); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) put(id, name, body string) (runs.File, error) {
	file, _, err := r.Put(Upload{Run: id, Name: name, Size: int64(len(body)), Body: strings.NewReader(body)})
	return file, err
}

func (r *rig) mustPut(id, name, body string) runs.File {
	r.t.Helper()
	file, err := r.put(id, name, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return file
}

func (r *rig) finish(id string) runs.Manifest {
	r.t.Helper()
	m, err := r.Finish(id, runs.Ended{})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) has(file runs.File) bool {
	r.t.Helper()
	opened, size, err := r.OpenBlob(file.SHA256)
	if err != nil {
		return false
	}
	defer opened.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, opened); err != nil {
		r.t.Fatal(err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != file.SHA256 || size != file.Size {
		r.t.Errorf("the blob of %s has other bytes", file.Name)
	}
	return true
}

func TestARunLeavesAManifest(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{})
	r.begin("r-1", runs.Limits{})
	a := r.mustPut("r-1", "out/b.txt", "3.14")
	b := r.mustPut("r-1", "out/a.txt", "")
	got, err := r.Finish("r-1", runs.Ended{Exit: 0, Output: "hello\xff", Files: []runs.File{a, b}})
	want := runs.Manifest{Run: runs.Run{ID: "r-1", Workload: "pi", Batch: "b1", Item: 3, Attempt: 1, Machine: "web-1"},
		Ended: runs.Ended{Files: []runs.File{b, a}, Bytes: 4, Output: "hello", Began: r.now, Ended: r.now}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || !got.OK() {
		t.Errorf("Finish = %v, -want +got:\n%s", err, diff)
	}
	r.reopen()
	again, err := r.Finish("r-1", runs.Ended{Exit: 7})
	if diff := cmp.Diff(want, again); err != nil || diff != "" {
		t.Errorf("a second Finish after a restart = %v, -want +got:\n%s", err, diff)
	}
	if _, err := r.put("r-1", "late.txt", "x"); !errors.Is(err, ErrEnded) {
		t.Errorf("Put after the end = %v, want ErrEnded", err)
	}
	if !r.has(a) || !r.has(b) || len(r.Lost(got)) > 0 {
		t.Error("the files are not all there")
	}
	if err := os.Remove(r.blobFile(a.SHA256)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]runs.File{a}, r.Lost(got)); diff != "" {
		t.Errorf("Lost, -want +got:\n%s", diff)
	}
}

func TestAFailedRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits runs.Limits
		ended  runs.Ended
		want   string
	}{
		"a file that did not come": {ended: runs.Ended{Files: []runs.File{{Name: "b", SHA256: strings.Repeat("a", 64)}}},
			want: "the file b was not stored"},
		"a required file is missing": {limits: runs.Limits{Files: []string{"a", "plots/*"}, Required: true, MaxSize: 9, MaxFiles: 9},
			want: "no file matches plots/*"},
		"the run's own error": {ended: runs.Ended{Error: "it did not end within 2h"}, want: "it did not end within 2h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, runs.Keep{})
			r.begin("r-1", c.limits)
			r.mustPut("r-1", "a", "1")
			m, err := r.Finish("r-1", c.ended)
			if err != nil || m.OK() || !strings.Contains(m.Error, c.want) || len(m.Files) != 1 {
				t.Errorf("Finish = %+v, %v, want the error %q and the file that came", m, err, c.want)
			}
		})
	}
}

// broken is a body that breaks after some bytes.
type broken struct {
	io.Reader
}

var errBroken = errors.New("connection reset")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestAnUploadIsResumed(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{})
	r.begin("r-1", runs.Limits{})
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	for at := 0; at < len(body); {
		upload := Upload{Run: "r-1", Name: "big", Offset: int64(at), Size: int64(len(body)), Body: bytes.NewReader(body[at:])}
		if at < 70_000 {
			upload.Body = broken{bytes.NewReader(body[at : at+12_345])}
		}
		_, done, err := r.Put(upload)
		if done != (err == nil) || err != nil && !errors.Is(err, errBroken) {
			t.Fatalf("Put from byte %d = %v, done %v", at, err, done)
		}
		if at == 24_690 {
			r.reopen() // a restart, in the middle
		}
		file, whole, err := r.Status("r-1", "big")
		if err != nil || whole != done || file.Size <= int64(at) {
			t.Fatalf("Status = %+v, %v, %v after byte %d", file, whole, err, at)
		}
		at = int(file.Size)
		if _, _, err := r.Put(Upload{Run: "r-1", Name: "big", Offset: 5, Size: int64(len(body)), Body: strings.NewReader("x")}); !errors.As(err, &OffsetError{}) {
			t.Fatalf("Put from a wrong byte = %v, want OffsetError", err)
		}
	}
	sum := sha256.Sum256(body)
	m := r.finish("r-1")
	if len(m.Files) != 1 || m.Files[0].SHA256 != hex.EncodeToString(sum[:]) || !r.has(m.Files[0]) {
		t.Errorf("the manifest has %+v", m.Files)
	}
}

func TestANewUploadInterruptsTheOld(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{})
	r.begin("r-1", runs.Limits{})
	hanging, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Put(Upload{Run: "r-1", Name: "f", Size: 6, Body: hanging, Interrupt: func() { _ = out.CloseWithError(errBroken) }})
		ended <- err
	}()
	if _, err := out.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	file, done, err := r.Put(Upload{Run: "r-1", Name: "f", Offset: 3, Size: 6, Body: strings.NewReader("def"), Interrupt: func() {}})
	if sum := sha256.Sum256([]byte("abcdef")); err != nil || !done || file.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the second upload = %+v, %v, %v", file, done, err)
	}
	if err := <-ended; !errors.Is(err, errBroken) {
		t.Errorf("the first upload ended with %v, want its broken link", err)
	}
}

func TestBadUploads(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{Size: 1 << 20})
	r.begin("r-1", runs.Limits{Files: []string{"out/**", "a"}, MaxSize: 10, MaxFiles: 2})
	r.mustPut("r-1", "out/a", "1234")
	put := func(name, body string, size int64) error {
		_, _, err := r.Put(Upload{Run: "r-1", Name: name, Size: size, Body: strings.NewReader(body)})
		return err
	}
	for what, c := range map[string]struct{ got, want error }{
		"up and out":         {put("../a", "x", 1), ErrName},
		"not asked for":      {put("log", "x", 1), ErrName},
		"a file as a folder": {put("out/a/b", "x", 1), ErrName},
		"too large":          {put("out/b", "1234567", 7), ErrLimit},
		"too large, chunked": {put("out/b", "1234567", -1), ErrLimit},
		"cut":                {put("out/b", "12", 3), io.ErrUnexpectedEOF},
		"too many":           {put("out/c", "1", 1), ErrLimit},
		"another run": {func() error {
			_, err := r.put("r-2", "a", "x")
			return err
		}(), ErrUnknown},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		} else if len(c.got.Error()) > 180 {
			t.Errorf("%s: the error has %d bytes: %v", what, len(c.got.Error()), c.got)
		}
	}
	if m := r.finish("r-1"); len(m.Files) != 1 || m.Bytes != 4 {
		t.Errorf("the manifest has %+v, want the one good file", m.Files)
	}
}

func TestALostMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{})
	r.begin("r-1", runs.Limits{})
	r.mustPut("r-1", "a", "1")
	m, err := r.GiveUp("r-1", "the machine was silent for 5m")
	if err != nil || m.OK() || m.Orphan == "" || len(m.Files) != 1 {
		t.Errorf("GiveUp = %+v, %v", m, err)
	}
	if late, err := r.Finish("r-1", runs.Ended{}); err != nil || late.OK() {
		t.Errorf("the late result = %+v, %v, want an orphan", late, err)
	}
}

func TestSweepByAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{Age: 30 * 24 * time.Hour})
	r.running["b1"] = true
	r.begin("r-1", runs.Limits{})
	file := r.mustPut("r-1", "a", "1")
	r.finish("r-1")
	r.begin("r-open", runs.Limits{})
	r.mustPut("r-open", "b", "2")
	sweep := func(after time.Duration, list, open int, has bool) {
		t.Helper()
		r.now = r.now.Add(after)
		if err := r.Sweep(); err != nil {
			t.Fatal(err)
		}
		all := func(runs.Run) bool { return true }
		if l, o := len(r.List(all)), len(r.ListOpen(all)); l != list || o != open || r.has(file) != has {
			t.Errorf("after %s: %d ended and %d open runs, file %v, want %d, %d, %v", after, l, o, r.has(file), list, open, has)
		}
	}
	sweep(60*24*time.Hour, 1, 1, true) // a batch that goes on is never swept
	r.running["b1"] = false
	sweep(0, 0, 0, true) // the file stays for an hour
	r.reopen()
	sweep(30*time.Minute, 0, 0, true)
	sweep(31*time.Minute, 0, 0, false)
	if used := r.used.Load(); used != 0 {
		t.Errorf("%d bytes are counted in an empty store", used)
	}
}

// TestAFullStoreSweepsSeldom: a sweep reads every manifest, and each agent with a result asks again and again.
func TestAFullStoreSweepsSeldom(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{Size: 100})
	r.running["b1"] = true
	r.begin("r-old", runs.Limits{})
	r.mustPut("r-old", "own", strings.Repeat("s", 80))
	r.finish("r-old")
	r.begin("r-new", runs.Limits{})
	put := func(at time.Duration, kept int) {
		t.Helper()
		r.now = r.now.Add(at)
		_, _ = r.put("r-new", "big", strings.Repeat("b", 50)) // no room before the file of r-old goes
		if got := len(r.List(func(runs.Run) bool { return true })); got != kept {
			t.Errorf("%d runs are kept, want %d", got, kept)
		}
	}
	put(0, 1)
	r.running["b1"] = false
	put(sweepPause-time.Second, 1)
	put(2*time.Second, 0)
}

func TestSweepBySize(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{Size: 100})
	for i := range 3 {
		id := fmt.Sprintf("r-%d", i)
		r.begin(id, runs.Limits{})
		r.mustPut(id, "same", strings.Repeat("s", 20))
		r.mustPut(id, "own", strings.Repeat(fmt.Sprint(i), 20))
		r.finish(id)
		r.now = r.now.Add(time.Minute)
	}
	r.begin("r-new", runs.Limits{})
	if _, err := r.put("r-new", "big", strings.Repeat("b", 50)); !errors.Is(err, ErrFull) {
		t.Errorf("Put into a full store = %v, want ErrFull", err)
	}
	list := r.List(func(runs.Run) bool { return true })
	if len(list) != 1 || list[0].ID != "r-2" {
		t.Errorf("kept %+v, want the newest run alone: 40 bytes and 50 to come", list)
	}
	for range 3 { // tried again, nothing more is swept
		_, _ = r.put("r-new", "big", strings.Repeat("b", 50))
	}
	r.now = r.now.Add(61 * time.Minute)
	r.mustPut("r-new", "big", strings.Repeat("b", 50))
	if _, err := r.put("r-new", "more", strings.Repeat("m", 120)); !errors.Is(err, ErrFull) {
		t.Errorf("Put of more than the store = %v, want ErrFull", err)
	}
	if _, err := r.Manifest("r-2"); err != nil {
		t.Errorf("a run was swept for a file that cannot fit: %v", err)
	}
}

// TestAWorkloadLowersWhatIsKept: a Workload may ask for less than the daemon keeps, and not for more. Another Workload's
// runs are kept as before.
func TestAWorkloadLowersWhatIsKept(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := map[string]struct {
		lowered runs.Keep
		after   time.Duration
		want    []string // newest first; logs-0 to logs-2 have 40 bytes each, of other-0 nothing is lowered
	}{
		"nothing lowered":     {runs.Keep{}, 8 * day, []string{"other-0", "logs-2", "logs-1", "logs-0"}},
		"days":                {runs.Keep{Age: 7 * day}, 8 * day, []string{"other-0"}},
		"days not over":       {runs.Keep{Age: 7 * day}, 6 * day, []string{"other-0", "logs-2", "logs-1", "logs-0"}},
		"days raise nothing":  {runs.Keep{Age: 90 * day}, 31 * day, nil},
		"size":                {runs.Keep{Size: 100}, day, []string{"other-0", "logs-2", "logs-1"}},
		"size of one":         {runs.Keep{Size: 40}, day, []string{"other-0", "logs-2"}},
		"size raises nothing": {runs.Keep{Size: 1 << 40}, day, []string{"other-0", "logs-2", "logs-1", "logs-0"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, runs.Keep{Age: 30 * day, Size: 1 << 20})
			r.lowered = map[string]runs.Keep{"logs": test.lowered}
			for _, id := range []string{"logs-0", "logs-1", "logs-2", "other-0"} {
				workload, _, _ := strings.Cut(id, "-")
				if err := r.Begin(runs.Run{ID: id, Workload: workload, Batch: "b1", Machine: "web-1"},
					runs.Limits{MaxSize: 1 << 20, MaxFiles: 10}); err != nil {
					t.Fatal(err)
				}
				r.mustPut(id, "out", strings.Repeat(id[len(id)-1:], 40))
				r.finish(id)
				r.now = r.now.Add(time.Minute)
			}
			r.now = r.now.Add(test.after)
			if err := r.Sweep(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, run := range r.List(func(runs.Run) bool { return true }) {
				got = append(got, run.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("kept %q, want %q", got, test.want)
			}
		})
	}
}

func TestARunThatCannotBeReadIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, runs.Keep{Age: time.Hour})
	r.begin("r-1", runs.Limits{})
	file := r.mustPut("r-1", "a", "1")
	r.finish("r-1")
	if err := os.WriteFile(filepath.Join(r.dir, "runs", "r-1", "manifest.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	r.now = r.now.Add(1000 * time.Hour)
	if err := r.Sweep(); err == nil || !strings.Contains(err.Error(), filepath.Join("runs", "r-1")) || !r.has(file) {
		t.Errorf("Sweep = %v, want it to name the run; the file is there: %v", err, r.has(file))
	}
	if _, err := r.Manifest("r-1"); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("Manifest = %v, want that it cannot be read", err)
	}
}
