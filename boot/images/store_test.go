package images_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitmetal/ingot/boot/images"
)

// image is what is fetched, of no round size.
var image = func() []byte {
	data := make([]byte, 3<<20+17)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data)
	return data
}()

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// mirror is a store that runs, with what the tests need to follow it.
type mirror struct {
	*images.Store
	t     *testing.T
	dir   string
	clock *clock
	told  chan images.Ref // what Notify was told
	stop  func()
}

// open runs a store over a directory until the test ends or stop is called.
func open(t *testing.T, dir string, change func(*images.Config)) *mirror {
	t.Helper()
	m := &mirror{t: t, dir: dir, clock: &clock{}, told: make(chan images.Ref, 64)}
	m.clock.at.Store(time.Now().UnixNano())
	config := images.Config{Dir: dir, AllowHosts: []string{"127.0.0.1"}, Idle: 10 * time.Second, Now: m.clock.now, Notify: func(ref images.Ref) { m.told <- ref }}
	if change != nil {
		change(&config)
	}
	store, err := images.New(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Store = store
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	stopped := false
	m.stop = func() {
		if cancel(); stopped {
			return
		}
		stopped = true
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want %v", err, context.Canceled)
		}
	}
	t.Cleanup(m.stop)
	return m
}

// fetch has an image fetched and gives the state it ends in.
func (m *mirror) fetch(ref images.Ref) images.State {
	m.t.Helper()
	m.Ensure(ref)
	return m.await(ref)
}

// await gives the state in which an image is ready, or has failed at the present time.
func (m *mirror) await(ref images.Ref) images.State {
	m.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		s := m.State(ref)
		if s.Phase == images.Ready || s.Phase == images.Failed && s.At.Equal(m.clock.now()) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("no end of the fetch: %+v", s)
		}
	}
}

// holds checks that exactly these bytes are in the mirror under a digest, or nothing when want is nil.
func (m *mirror) holds(sum string, want []byte) {
	m.t.Helper()
	file, size, err := m.Open(sum)
	if want == nil {
		if !errors.Is(err, os.ErrNotExist) {
			m.t.Errorf("Open = %v, want not there", err)
		}
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer file.Close()
	have, err := io.ReadAll(file)
	if err != nil || !bytes.Equal(have, want) || size != int64(len(want)) {
		m.t.Errorf("the mirror has %d bytes (says %d), %v; they differ from the image of %d", len(have), size, err, len(want))
	}
}

func (m *mirror) files() []string {
	m.t.Helper()
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// origin is a server of images; requests counts what it was asked.
type origin struct {
	*httptest.Server
	requests atomic.Int64
}

func serve(t *testing.T, handler http.HandlerFunc) *origin {
	t.Helper()
	o := &origin{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

// whole serves the image with an ETag and ranges.
func whole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"1"`)
	http.ServeContent(w, r, "image.raw", time.Time{}, bytes.NewReader(image))
}

var ready = images.State{Phase: images.Ready, Done: int64(len(image)), Total: int64(len(image))}

func TestImageIsFetchedOnce(t *testing.T) {
	t.Parallel()
	o := serve(t, whole)
	m := open(t, t.TempDir(), nil)
	ref := images.Ref{URL: o.URL + "/image.raw", SHA256: digest(image)}
	if got := m.State(ref); got != (images.State{}) {
		t.Errorf("State before = %+v, want nothing", got)
	}
	if diff := cmp.Diff(ready, m.fetch(ref)); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.holds(ref.SHA256, image)
	elsewhere := images.Ref{URL: o.URL + "/a-mirror", SHA256: ref.SHA256}
	m.Ensure(ref)
	m.Ensure(elsewhere)
	if diff := cmp.Diff(ready, m.State(elsewhere)); diff != "" {
		t.Errorf("State of the same digest elsewhere (-want +got):\n%s", diff)
	}
	if got := o.requests.Load(); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
	if diff := cmp.Diff([]string{"sha256-" + ref.SHA256}, m.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestOneDownloadPerDigest asks for one digest from two URLs while the first is under way.
func TestOneDownloadPerDigest(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		_, _ = w.Write(image[:1<<20])
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-goOn
		_, _ = w.Write(image[1<<20:])
	})
	m := open(t, t.TempDir(), nil)
	first := images.Ref{URL: o.URL + "/1", SHA256: digest(image)}
	second := images.Ref{URL: o.URL + "/2", SHA256: digest(image)}
	m.Ensure(first)
	<-begun
	m.Ensure(second)
	if got := m.State(second); got.Phase != images.Fetching {
		t.Errorf("State of the second = %+v, want Fetching", got)
	}
	m.holds(first.SHA256, nil)
	close(goOn)
	<-m.told
	if got := m.State(second); got != ready {
		t.Errorf("State of the second = %+v, want %+v", got, ready)
	}
	if got := o.requests.Load(); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestProgressIsSeen(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		_, _ = w.Write(image[:1<<20])
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = w.Write(image[1<<20:])
	})
	m := open(t, t.TempDir(), nil)
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	m.Ensure(ref)
	want := images.State{Phase: images.Fetching, Done: 1 << 20, Total: int64(len(image))}
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for m.State(ref) != want {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("State = %+v, want %+v", m.State(ref), want)
		}
	}
	close(goOn)
	<-m.told
	m.holds(ref.SHA256, image)
}

// TestFailures are of images that are not fetched: the words say what to mend, and nothing is in the mirror.
func TestFailures(t *testing.T) {
	t.Parallel()
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		config  func(*images.Config)
		url     func(server string) string // nil: the server's, with a password and a query that nobody may see
		want    string
	}{
		"not found":          {handler: http.NotFound, want: "/image.raw: answered 404 Not Found: fix spec.install.image.url"},
		"refused":            {handler: status(http.StatusForbidden), want: "answered 403 Forbidden: fix spec.install.image.url"},
		"server's error":     {handler: status(http.StatusBadGateway), want: "answered 502 Bad Gateway: it is asked again"},
		"other bytes":        {handler: says(image[1:]), want: " is " + digest(image[1:]) + ", the fleet says " + digest(image) + ": fix spec.install.image.sha256"},
		"too big, said":      {handler: whole, config: func(c *images.Config) { c.MaxSize = 1 << 20 }, want: fmt.Sprintf("has %d bytes, at most %d are fetched", len(image), 1<<20)},
		"too big, unsaid":    {handler: chunked(image), config: func(c *images.Config) { c.MaxSize = 1 << 20 }, want: "has more than 1048576 bytes, the most that are fetched"},
		"no room":            {handler: whole, config: func(c *images.Config) { c.Free = func(string) (int64, error) { return 5 << 20, nil } }, want: "needs 259 MB more, and 5 MB are free in "},
		"stalled":            {handler: stalls, config: func(c *images.Config) { c.Idle = 2 * time.Second }, want: "no byte for 2s"},
		"silent":             {handler: silent, config: func(c *images.Config) { c.Idle = 50 * time.Millisecond }, want: "timeout awaiting response headers"},
		"too long":           {handler: silent, config: func(c *images.Config) { c.Timeout = 50 * time.Millisecond }, want: "not fetched within 50ms"},
		"always broken":      {handler: breaksAt(0), want: "EOF"},
		"redirects":          {handler: redirect("/again"), want: "more than 5 redirects"},
		"redirect away":      {handler: redirect("http://other.invalid/image.raw"), want: "host other.invalid is not in the daemon's images.allowHosts"},
		"redirect to a file": {handler: redirect("file:///etc/passwd"), want: `scheme "file" is not read`},
		"host not allowed":   {url: constant("https://other.invalid/image.raw"), want: "host other.invalid is not in the daemon's images.allowHosts"},
		"loopback":           {config: func(c *images.Config) { c.AllowHosts = nil }, want: "loopback address 127.0.0.1: name 127.0.0.1:"},
		"loopback by name":   {config: func(c *images.Config) { c.AllowHosts = nil }, url: constant("http://localhost:9/image.raw"), want: "name localhost:9 in the daemon's images.allowHosts"},
		"metadata":           {config: func(c *images.Config) { c.AllowHosts = nil }, url: constant("http://169.254.169.254/latest"), want: "address 169.254.169.254 is not one that images come from"},
		"metadata, named":    {config: func(c *images.Config) { c.AllowHosts = []string{"169.254.169.254"} }, url: constant("http://169.254.169.254/latest"), want: "address 169.254.169.254 is not"},
		"metadata, mapped":   {config: func(c *images.Config) { c.AllowHosts = nil }, url: constant("http://[::ffff:169.254.169.254]/latest"), want: "address 169.254.169.254 is not"},
		"link-local":         {config: func(c *images.Config) { c.AllowHosts = nil }, url: constant("http://[fe80::1%25lo]/image.raw"), want: "address fe80::1 is not"},
		"scheme":             {url: constant("ftp://127.0.0.1/image.raw"), want: `scheme "ftp" is not read: use https or http`},
		"no host":            {url: constant("https:///image.raw"), want: "it names no host"},
		"no URL":             {url: constant("http://127.0.0.1:port/"), want: "the image URL cannot be read"},
		"not in the mirror":  {url: constant("fcos/image.raw"), want: "image fcos/image.raw in the mirror: "},
		"out of the mirror":  {url: constant("../image.raw"), want: `image "../image.raw" is not a path inside the mirror`},
		"absolute path":      {url: constant("/etc/passwd"), want: `image "/etc/passwd" is not a path inside the mirror`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.handler == nil {
				test.handler = whole
			}
			o := serve(t, test.handler)
			m := open(t, t.TempDir(), test.config)
			ref := images.Ref{URL: strings.Replace(o.URL, "//", "//user:hunter2@", 1) + "/image.raw?signature=hunter3", SHA256: digest(image)}
			if test.url != nil {
				ref.URL = test.url(o.URL)
			}
			got := m.fetch(ref)
			if got.Phase != images.Failed || !strings.Contains(got.Error, test.want) || !got.At.Equal(m.clock.now()) {
				t.Errorf("State = %+v, want Failed now with %q", got, test.want)
			}
			if strings.Contains(got.Error, "hunter") {
				t.Errorf("the error tells a secret: %s", got.Error)
			}
			m.holds(ref.SHA256, nil)
		})
	}
}

func constant(url string) func(string) string { return func(string) string { return url } }

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
}

func says(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func chunked(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(data)
	}
}

// stalls sends a beginning and then nothing; asked for the rest, it sends nothing at all.
func stalls(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Range") == "" {
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		_, _ = w.Write(image[:1000])
	} else {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(image)-1, len(image)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// breaksAt breaks every answer after so many of its bytes.
func breaksAt(after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		whole(&cutting{ResponseWriter: w, left: after}, r)
	}
}

type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left <= 0 {
		panic(http.ErrAbortHandler)
	}
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	c.left -= n
	return n, err
}

// TestBrokenTransferGoesOn breaks every answer; the image is whole all the same, each byte asked for once.
func TestBrokenTransferGoesOn(t *testing.T) {
	t.Parallel()
	o := serve(t, breaksAt(1<<20))
	m := open(t, t.TempDir(), nil)
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	if diff := cmp.Diff(ready, m.fetch(ref)); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.holds(ref.SHA256, image)
	if got := o.requests.Load(); got != 4 {
		t.Errorf("%d requests, want 4: 1 MiB each", got)
	}
}

// TestServerThatCannotResume gives everything again when asked for a range.
func TestServerThatCannotResume(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		if broken.CompareAndSwap(false, true) {
			breaksAt(1<<20)(w, r)
		}
		whole(w, r)
	})
	m := open(t, t.TempDir(), nil)
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	if diff := cmp.Diff(ready, m.fetch(ref)); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.holds(ref.SHA256, image)
}

// TestNextProcessGoesOn: what an earlier process had is not asked for again.
func TestNextProcessGoesOn(t *testing.T) {
	t.Parallel()
	var from atomic.Value
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from.Store(r.Header.Get("Range"))
		whole(w, r)
	})
	dir := t.TempDir()
	part := filepath.Join(dir, "part-sha256-"+digest(image))
	if err := os.WriteFile(part, image[:2<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir, nil)
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	if diff := cmp.Diff(ready, m.fetch(ref)); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.holds(ref.SHA256, image)
	if got := from.Load(); got != fmt.Sprintf("bytes=%d-", 2<<20) {
		t.Errorf("Range = %q, want what was missing", got)
	}
}

// TestPiecesThatDoNotFit are of another file, shorter or longer than the image: they are thrown away and the image is fetched whole.
func TestPiecesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"shorter": 1 << 20, "as long": len(image), "longer": len(image) + 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "part-sha256-"+digest(image)), make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
			m := open(t, dir, nil)
			ref := images.Ref{URL: serve(t, whole).URL, SHA256: digest(image)}
			if diff := cmp.Diff(ready, m.fetch(ref)); diff != "" {
				t.Errorf("State (-want +got):\n%s", diff)
			}
			m.holds(ref.SHA256, image)
		})
	}
}

// TestStopKeepsTheBeginning stops the store in the middle; a wrong image leaves nothing.
func TestStopKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		_, _ = w.Write(image[:1<<20])
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
	})
	dir := t.TempDir()
	m := open(t, dir, nil)
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	m.Ensure(ref)
	<-begun
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); m.State(ref).Done < 1<<20; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("State = %+v, want 1 MiB", m.State(ref))
		}
	}
	m.stop()
	if diff := cmp.Diff([]string{"part-sha256-" + ref.SHA256}, m.files()); diff != "" {
		t.Errorf("files after the stop (-want +got):\n%s", diff)
	}
	wrong := open(t, t.TempDir(), nil)
	if got := wrong.fetch(images.Ref{URL: serve(t, says(image)).URL, SHA256: digest(nil)}); got.Phase != images.Failed {
		t.Errorf("State = %+v, want Failed", got)
	}
	if diff := cmp.Diff([]string{}, wrong.files(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("files after a wrong digest (-want +got):\n%s", diff)
	}
}

// TestOldBeginningsAreForgotten when a store is opened.
func TestOldBeginningsAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, young := "part-sha256-"+digest([]byte("old")), "part-sha256-"+digest([]byte("young"))
	for name, age := range map[string]time.Duration{old: 25 * time.Hour, young: time.Hour, "fcos.raw": 1000 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, image[:10], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"fcos.raw", young}, open(t, dir, nil).files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestFailureWaits before it is tried again, longer each time; another URL for the digest does not wait.
func TestFailureWaits(t *testing.T) {
	t.Parallel()
	o := serve(t, http.NotFound)
	m := open(t, t.TempDir(), func(c *images.Config) { c.Retry = 10 * time.Second })
	ref := images.Ref{URL: o.URL + "/gone", SHA256: digest(image)}
	for try, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		if got := m.fetch(ref); got.Phase != images.Failed {
			t.Fatalf("State = %+v, want Failed", got)
		}
		m.clock.advance(wait - 1)
		m.Ensure(ref)
		if got := m.State(ref); got.Phase != images.Failed {
			t.Errorf("State within the pause = %+v, want Failed", got)
		}
		if got := o.requests.Load(); got != int64(try+1) {
			t.Errorf("%d requests, want %d", got, try+1)
		}
		m.clock.advance(1)
	}
	mended := images.Ref{URL: serve(t, whole).URL, SHA256: ref.SHA256}
	if diff := cmp.Diff(ready, m.fetch(mended)); diff != "" {
		t.Errorf("State of the mended URL (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ready, m.State(ref)); diff != "" {
		t.Errorf("State of the first URL (-want +got):\n%s", diff)
	}
}

// TestAFailingImageIsFetchedOncePerPause has a thousand callers ask for an image that fails: it is fetched once in each
// pause, by the store itself, and the log and those who wait hear of each cause once. Without callers it is left alone.
func TestAFailingImageIsFetchedOncePerPause(t *testing.T) {
	t.Parallel()
	var answer atomic.Pointer[http.HandlerFunc]
	answers := func(h http.HandlerFunc) { answer.Store(&h) }
	answers(http.NotFound)
	o := serve(t, func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) })
	var log bytes.Buffer
	m := open(t, t.TempDir(), func(c *images.Config) {
		c.Retry, c.Log = 10*time.Second, slog.New(slog.NewTextHandler(&log, nil))
	})
	ref := images.Ref{URL: o.URL, SHA256: digest(image)}
	thousand := func() {
		for range 1000 {
			m.Ensure(ref)
		}
	}
	for fetches := range 5 {
		if fetches%2 == 0 {
			thousand()
		} else { // nobody has asked since the pause
			m.RetryFailed()
		}
		if got := m.await(ref); got.Phase != images.Failed {
			t.Fatalf("State = %+v, want Failed", got)
		}
		thousand()
		if got := o.requests.Load(); got != int64(fetches+1) {
			t.Fatalf("%d requests after %d pauses, want one for each", got, fetches)
		}
		if fetches == 3 {
			answers(status(http.StatusForbidden))
		}
		m.clock.advance(5 * time.Minute) // the longest pause
	}
	m.clock.advance(time.Hour) // nobody asks any more
	m.RetryFailed()
	if got := m.State(ref); got.Phase != images.Failed || o.requests.Load() != 5 {
		t.Errorf("State = %+v after %d requests, want no further one for an image that nobody asks for", got, o.requests.Load())
	}
	answers(whole)
	thousand()
	if diff := cmp.Diff(ready, m.await(ref)); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.stop()
	if told := len(m.told); told != 3 {
		t.Errorf("Notify was called %d times, want once for each of two causes, and when the image is ready", told)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 {
		t.Errorf("the log has %d lines, want one for each of two causes, and one for the end:\n%s", lines, &log)
	}
}

// TestImageOfTheMirror is a file that an operator put there; a link out of the mirror is not followed.
func TestImageOfTheMirror(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside.raw")
	if err := os.Mkdir(filepath.Join(dir, "fcos"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, filepath.Join(dir, "fcos", "image.raw")} {
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.raw")); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir, nil)
	if got := m.fetch(images.Ref{URL: "link.raw", SHA256: digest(image)}); got.Phase != images.Failed || !strings.Contains(got.Error, "image link.raw in the mirror") {
		t.Errorf("State of a link out of the mirror = %+v, want Failed", got)
	}
	if diff := cmp.Diff(ready, m.fetch(images.Ref{URL: "fcos/image.raw", SHA256: digest(image)})); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	m.holds(digest(image), image)
	small := open(t, dir, func(c *images.Config) { c.MaxSize = 1 << 20 })
	if got := small.fetch(images.Ref{URL: "fcos/image.raw", SHA256: digest(nil)}); !strings.Contains(got.Error, "has more than 1048576 bytes") {
		t.Errorf("State of an image that is too big = %+v", got)
	}
}

// TestRedirectFromHTTPS to http is refused before the other server is asked.
func TestRedirectFromHTTPS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ from, to, want string }{
		"down": {"https", "http", "a redirect from https to http"},
		"up":   {"http", "https", ""},
		"same": {"https", "https", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := &http.Request{URL: &url.URL{Scheme: test.to, Host: "b.example"}}
			got := images.CheckRedirect(images.Config{}, request, []*http.Request{{URL: &url.URL{Scheme: test.from, Host: "a.example"}}})
			if (got == nil) != (test.want == "") || got != nil && got.Error() != test.want {
				t.Errorf("redirect %s to %s = %v, want %q", test.from, test.to, got, test.want)
			}
		})
	}
}

func TestDigestsThatAreNone(t *testing.T) {
	t.Parallel()
	m := open(t, t.TempDir(), nil)
	for _, sum := range []string{"", "abc", strings.ToUpper(digest(image)), "/../" + digest(image)[4:], digest(image) + "0"} {
		if got := m.fetch(images.Ref{URL: "http://127.0.0.1/", SHA256: sum}); got.Phase != images.Failed || !strings.Contains(got.Error, "fix spec.install.image.sha256") {
			t.Errorf("State of digest %q = %+v, want Failed", sum, got)
		}
		m.holds(sum, nil)
	}
}
