package uploads

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/inventory/runs"
)

// door is the agents' server with a store behind it.
type door struct {
	t     *testing.T
	store *results.Store
	url   string // of the server
	pin   string
	dir   string
	ended chan string

	handler *Handler
}

func openDoor(t *testing.T, dir string, keep runs.Keep) *door {
	t.Helper()
	store, err := results.Open(dir, results.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := hub.CreateIdentity(filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	security, err := identity.ServerTLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, store: store, pin: "sha256//" + identity.Pin(), dir: t.TempDir(), ended: make(chan string, 10)}
	key := identity.DeriveKey("run token")
	d.handler = New(Config{Store: store, Token: func(run string) string { return Token(key, run) },
		Mask:   func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") },
		Notify: func(run string) { d.ended <- run }})
	server := httptest.NewUnstartedServer(d.handler)
	server.TLS = security
	server.StartTLS()
	t.Cleanup(server.Close)
	d.url = server.URL
	for _, id := range []string{"r-1", "r-2"} {
		if err := store.Begin(runs.Run{ID: id, Workload: "pi", Batch: "b1", Item: 1, Attempt: 1, Machine: "web-1"},
			runs.Limits{MaxSize: 2 << 30, MaxFiles: 5}); err != nil {
			t.Fatal(err)
		}
	}
	d.setEnv("r-1", Token(key, "r-1"))
	return d
}

// setEnv sets what the config drive gives to the machine of a run.
func (d *door) setEnv(run, token string) {
	env := fmt.Sprintf("INGOT_URL='%s%s%s'\nINGOT_TOKEN='%s'\nINGOT_PIN='%s'\n", d.url, Path, run, token, d.pin)
	if err := os.WriteFile(filepath.Join(d.dir, "ingot.env"), []byte(env), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// file makes a file beside ingot.env.
func (d *door) file(name, body string) {
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(body), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// shell runs a line with the variables of ingot.env, as a script on the machine would. curl stands for the documented
// beginning of each line.
func (d *door) shell(line string) (output string, code int) {
	line = strings.ReplaceAll(line, "curl", `curl --silent --show-error --insecure --pinnedpubkey "$INGOT_PIN" -H "Authorization: Bearer $INGOT_TOKEN"`)
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", ". ./ingot.env; "+line)
	command.Dir = d.dir
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func (d *door) must(line string) string {
	d.t.Helper()
	out, code := d.shell(line)
	if code != 0 {
		d.t.Fatalf("%s: exit %d\n%s", line, code, out)
	}
	return out
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestCurlUploads(t *testing.T) {
	t.Parallel()
	d := openDoor(t, t.TempDir(), runs.Keep{})
	d.file("pi.txt", "3.14159")
	d.must(`curl --fail -T pi.txt "$INGOT_URL/files/pi.txt"`)
	d.must(`printf 'a\nb\n' | curl --fail -T - "$INGOT_URL/files/out/chunked.csv"`)
	if head := d.must(`curl --fail --head "$INGOT_URL/files/pi.txt"`); !strings.Contains(head, "Upload-Offset: 7") ||
		!strings.Contains(head, "Ingot-Digest: "+sumOf("3.14159")) {
		t.Errorf("HEAD answers\n%s", head)
	}
	d.must(`curl --fail -X POST "$INGOT_URL/ready"`)
	if d.store.Ready("r-1").IsZero() || <-d.ended != "r-1" {
		t.Error("the run is not ready")
	}
	heard, err := d.handler.Report("r-1")
	if err != nil || heard.Ended != nil || heard.Orphan != "" || heard.Heard.IsZero() {
		t.Errorf("in the middle of the run: %+v, %v", heard, err)
	}
	d.must(`echo 'password hunter2' | curl --fail --data-binary @- "$INGOT_URL/done?exit=0"`)
	m, err := d.store.Manifest("r-1")
	if err != nil || !m.OK() || m.Bytes != 11 || len(m.Files) != 2 || m.Files[0].SHA256 != sumOf("a\nb\n") || m.Output != "password ***\n" {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	if run := <-d.ended; run != "r-1" {
		t.Errorf("told of the end of %q", run)
	}
	if heard, err = d.handler.Report("r-1"); err != nil || heard.Ended == nil || heard.Ended.Exit != 0 || heard.Ended.Files != nil ||
		!heard.Heard.Equal(m.Ended.Ended) {
		t.Errorf("after the run: %+v, %v", heard, err)
	}
	if err := d.handler.GiveUp("r-2", "it fell silent"); err != nil {
		t.Fatal(err)
	}
	if heard, err = d.handler.Report("r-2"); err != nil || heard.Orphan != "it fell silent" || heard.Ended != nil {
		t.Errorf("of a run that was given up: %+v, %v", heard, err)
	}
	if heard, err = d.handler.Report("r-3"); err != nil || heard != (runs.Report{}) {
		t.Errorf("of a run that nobody knows: %+v, %v", heard, err)
	}
}

// TestBadUploads has each bad upload answered with one line, and nothing stored.
func TestBadUploads(t *testing.T) {
	t.Parallel()
	d := openDoor(t, t.TempDir(), runs.Keep{Size: 1 << 20})
	d.file("pi.txt", "3.14159")
	d.file("big", strings.Repeat("x", 2<<20))
	d.must(`curl --fail -T pi.txt "$INGOT_URL/files/good.txt"`)
	d.must(`curl --fail -T pi.txt "$INGOT_URL/files/a"`)
	for _, c := range []struct{ what, line, status, says string }{
		{"wrong token", `INGOT_TOKEN=AAAA; curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/x"`, "401", "not the token"},
		{"no token", `INGOT_TOKEN=; curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/x"`, "401", "not the token"},
		{"token of another run", `curl -w '%{http_code}' -T pi.txt "${INGOT_URL%r-1}r-2/files/x"`, "401", "not the token"},
		{"run that is no name", `curl -w '%{http_code}' --path-as-is -T pi.txt "${INGOT_URL%r-1}../files/x"`, "401", "not the token"},
		{"up", `curl -w '%{http_code}' --path-as-is -T pi.txt "$INGOT_URL/files/../x"`, "400", `the part ".."`},
		{"up, escaped", `curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/%2e%2e%2fx"`, "400", `the part ".."`},
		{"no name", `curl -w '%{http_code}' -X PUT --data-binary @pi.txt "$INGOT_URL/files/"`, "400", "0 bytes"},
		{"a bad character", `curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/a%20b"`, "400", "the character"},
		{"below a file", `curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/a/b"`, "400", "one directory"},
		{"full store", `curl -w '%{http_code}' -T big "$INGOT_URL/files/big"`, "507", "results.keep.size"},
		{"from a wrong byte", `curl -w '%{http_code}' -C 3 -T pi.txt "$INGOT_URL/files/x"`, "409", "curl -C 0"},
		{"a bad range", `curl -w '%{http_code}' -H 'Content-Range: bytes 0-1/9' -T pi.txt "$INGOT_URL/files/x"`, "400", "Content-Range"},
		{"not there", `curl -w '%{http_code}' --head "$INGOT_URL/files/x"`, "404", "404 Not Found"},
		{"no exit code", `curl -w '%{http_code}' -X POST "$INGOT_URL/done"`, "400", "done?exit=0"},
		{"another method", `curl -w '%{http_code}' "$INGOT_URL/files/x"`, "405", "PUT or HEAD"},
		{"another path", `curl -w '%{http_code}' "$INGOT_URL/"`, "400", "want PUT"},
	} {
		out, code := d.shell(c.line)
		if code != 0 || !strings.HasSuffix(out, c.status) || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, want %s and %q, got\n%s", c.what, code, c.status, c.says, out)
		}
	}
	if out, code := d.shell(`INGOT_PIN=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; curl -T pi.txt "$INGOT_URL/files/x"`); code != 90 {
		t.Errorf("a server with another key: exit %d, want 90 (SSL_PINNEDPUBKEYNOTMATCH)\n%s", code, out)
	}
	d.must(`curl --fail -X POST "$INGOT_URL/done?exit=3"`)
	for what, line := range map[string]string{"a file after the end": `curl -w '%{http_code}' -T pi.txt "$INGOT_URL/files/late"`,
		"a replayed end": `curl -w '%{http_code}' -X POST "$INGOT_URL/done?exit=0"`} {
		if out, _ := d.shell(line); !strings.HasSuffix(out, "410") || !strings.Contains(out, "its token is dead") {
			t.Errorf("%s: %s", what, out)
		}
	}
	m, err := d.store.Manifest("r-1")
	if err != nil || m.OK() || m.Exit != 3 || len(m.Files) != 2 {
		t.Errorf("the manifest is %+v, %v, want exit 3 and the two good files", m, err)
	}
	for range 40 {
		_, _ = d.shell(`INGOT_TOKEN=AAAA; curl "$INGOT_URL/files/x"`)
	}
	if out, _ := d.shell(`curl -w '%{http_code}' --head "$INGOT_URL/files/good.txt"`); !strings.HasSuffix(out, "429") {
		t.Errorf("after forty wrong tokens: %s, want 429", out)
	}
}

// TestDiskFull has the store on a tmpfs of 1 MiB, in a mount name space of its own.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("INGOT_TEST_SMALL_DISK"); dir != "" {
		uploadToSmallDisk(t, dir)
		return
	}
	argv := []string{"--mount", "sh", "-c", `mount -t tmpfs -o size=1m tmpfs "$INGOT_TEST_SMALL_DISK" && exec "$0" -test.run 'TestDiskFull$'`, os.Args[0]}
	if os.Geteuid() != 0 {
		argv = append([]string{"--user", "--map-root-user"}, argv...)
	}
	command := exec.CommandContext(t.Context(), "unshare", argv...)
	command.Env = append(os.Environ(), "INGOT_TEST_SMALL_DISK="+t.TempDir())
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("on a small disk: %v\n%s", err, out)
	}
}

func uploadToSmallDisk(t *testing.T, dir string) {
	t.Helper()
	d := openDoor(t, dir, runs.Keep{})
	d.file("big", strings.Repeat("x", 2<<20))
	d.file("pi.txt", "3.14159")
	if out, _ := d.shell(`curl -w '%{http_code}' -T big "$INGOT_URL/files/big"`); !strings.HasSuffix(out, "507") || !strings.Contains(out, "the store of results is full") {
		t.Errorf("a file larger than the disk: %s, want 507", out)
	}
	d.must(`curl --fail -T pi.txt "$INGOT_URL/files/big"`) // begins the file anew
	d.must(`curl --fail -X POST "$INGOT_URL/done?exit=0"`)
	if m, err := d.store.Manifest("r-1"); err != nil || len(m.Files) != 1 || m.Bytes != 7 {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
}

// bigFile is the size of the file that is uploaded over a link that breaks.
const bigFile = 1 << 30

// TestALinkThatBreaks uploads 1 GiB over a link that breaks ten times, with curl alone, and the store's memory flat.
func TestALinkThatBreaks(t *testing.T) {
	t.Parallel()
	d := openDoor(t, t.TempDir(), runs.Keep{})
	want := writeBig(t, filepath.Join(d.dir, "big"))
	link := breakLink(t, strings.TrimPrefix(d.url, "https://"), 10)
	d.url = "https://" + link.address
	env, err := os.ReadFile(filepath.Join(d.dir, "ingot.env"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(env), Path)
	d.file("ingot.env", "INGOT_URL='"+d.url+Path+rest)
	peak := watchHeap(t)
	// The documented loop: ask how much is there, and go on from that byte.
	out := d.must(`n=0
until curl --fail -C "${at:-0}" -T big "$INGOT_URL/files/big" 2>err; do
  n=$((n+1)); [ $n -lt 50 ] || exit 1
  at=$(curl --head "$INGOT_URL/files/big" 2>/dev/null | tr -d '\r' | sed -n 's/^Upload-Offset: //p')
done
echo "breaks $n"`)
	if broke := link.broken.Load(); broke != 10 || !strings.Contains(out, "breaks ") {
		t.Errorf("the link broke %d times, want 10: %s", broke, out)
	}
	d.must(`curl --fail -X POST "$INGOT_URL/done?exit=0"`)
	m, err := d.store.Manifest("r-1")
	if err != nil || !m.OK() || len(m.Files) != 1 || m.Files[0].SHA256 != want || m.Bytes != bigFile {
		t.Errorf("the manifest is %+v, %v, want %s", m, err, want)
	}
	if most := peak(); most > 64<<20 {
		t.Errorf("the heap grew by %d MiB for a file of %d MiB", most>>20, bigFile>>20)
	} else {
		t.Logf("the heap grew by %d MiB, the loop says %s", most>>20, strings.TrimSpace(out))
	}
}

// writeBig writes a file whose every MiB differs, and gives its digest.
func writeBig(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	_, _ = rand.Read(block) // never fails
	sum := sha256.New()
	for i := range bigFile >> 20 {
		copy(block, strconv.Itoa(i))
		if _, err := io.MultiWriter(file, sum).Write(block); err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// watchHeap samples the heap; the returned function gives how much the heap grew at most.
func watchHeap(t *testing.T) (peak func() uint64) {
	t.Helper()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if now.HeapAlloc > before.HeapAlloc {
					most.Store(max(most.Load(), now.HeapAlloc-before.HeapAlloc))
				}
			}
		}
	}()
	return func() uint64 {
		close(quit)
		<-done
		return most.Load()
	}
}

// link is a TCP proxy whose connections break.
type link struct {
	address string
	to      string
	breaks  int64
	broken  atomic.Int64
}

// breakLink makes a link that cuts as many connections as asked for, each after another share of the big file, and
// carries HEAD requests, which are short, whole.
func breakLink(t *testing.T, to string, breaks int64) *link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	l := &link{address: listener.Addr().String(), to: to, breaks: breaks}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(from)
		}
	}()
	return l
}

func (l *link) carry(from net.Conn) {
	defer from.Close()
	to, err := new(net.Dialer).Dial("tcp", l.to)
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(from, to) }()
	share := int64(bigFile)/(l.breaks+2) + 12_345*(l.broken.Load()+1)
	if l.broken.Load() >= l.breaks {
		share = 4 * bigFile
	}
	if n, _ := io.CopyN(to, from, share); n < share {
		_ = to.Close() // the caller hung up
		return
	}
	// The link breaks: the server hears nothing of it, and its connection stays open for a while.
	l.broken.Add(1)
	time.AfterFunc(10*time.Second, func() { _ = to.Close() })
}
