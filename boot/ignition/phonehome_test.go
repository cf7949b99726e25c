package ignition_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
)

// home is a daemon that is called, and the files of the call below a directory instead of /etc/ingot. Curl is the real one; systemctl is a script that
// says a state.
type home struct {
	dir    string
	server *httptest.Server
	mu     sync.Mutex
	bodies []string
	status int
}

// lsblk speaks of a disk with a file system per partition, as lsblk of util-linux 2.38 does: one partition has none, and
// one file system has a UUID that is none.
const lsblk = `#!/bin/sh
case "$*" in
"-rnspo NAME,TYPE /dev/vda4") echo "/dev/vda4 part"; echo "/dev/vda disk" ;;
"-rndo PTUUID /dev/vda") echo A1B2-C3 ;;
"-Pno PARTUUID,UUID /dev/vda")
    echo 'PARTUUID="" UUID=""'
    echo 'PARTUUID="11-22" UUID="7B77-95E7"'
    echo 'PARTUUID="33-44" UUID="0f0f-aaaa"'
    echo 'PARTUUID="55-66" UUID=""'
    echo 'PARTUUID="77-88" UUID="x\\"y"' ;;
*) exit 1 ;;
esac
`

func newHome(t *testing.T, state string) *home {
	t.Helper()
	h := &home{dir: t.TempDir(), status: http.StatusNoContent}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies = append(h.bodies, q.Method+" "+q.URL.Path+" "+string(body))
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.server.Close)
	h.put(t, "bin/systemctl", "#!/bin/sh\necho "+state+"\n", 0o700)
	h.put(t, "bin/findmnt", "#!/bin/sh\n[ \"$3\" = /sysroot ] && echo /dev/vda4\n", 0o700)
	h.put(t, "bin/lsblk", lsblk, 0o700)
	h.put(t, "dmi/product_uuid", "4c4c4544-0033-5310\n", 0o400)
	return h
}

// got is what the daemon was sent.
func (h *home) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bodies)
}

// answer sets the daemon's answer from now on.
func (h *home) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *home) put(t *testing.T, name, data string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	syscall.ForkLock.RLock() // a process forked meanwhile would keep the kernel from running this file
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
}

func (h *home) pin() string {
	sum := sha256.Sum256(h.server.Certificate().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// install writes the rendered files; urls come before the daemon's own.
func (h *home) install(t *testing.T, pin string, urls ...string) {
	t.Helper()
	config := parse(t, render(t, ignition.Request{Host: "www-3", PhoneHome: &ignition.PhoneHome{
		Host: "web-03", URLs: append(urls, h.server.URL), Pin: pin, Install: "op1", Epoch: 4, Attempt: 2, Commit: "abc", Token: secret.New("token-canary"),
	}}))
	for _, f := range config.Storage.Files {
		if name, ok := strings.CutPrefix(f.Path, "/etc/ingot/"); ok {
			data, mode, _ := content(t, config, f.Path)
			here := strings.NewReplacer("/etc/ingot/", h.dir+"/ingot/", "/sys/class/dmi/id/", h.dir+"/dmi/")
			h.put(t, "ingot/"+name, here.Replace(data), os.FileMode(mode))
		}
	}
}

func (h *home) call(t *testing.T) (ok bool, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", filepath.Join(h.dir, "ingot", "phone-home.sh"))
	cmd.Env = []string{"PATH=" + h.dir + "/bin:" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

func (h *home) holdsToken(t *testing.T) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(h.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || strings.Contains(string(data), "token-canary")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASystemCallsAfterEveryStartAndKeepsItsToken(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"running", "degraded"} {
		h := newHome(t, state)
		h.install(t, h.pin(), "https://127.0.0.1:1")
		if ok, out := h.call(t); !ok {
			t.Fatalf("%s: the call failed: %s", state, out)
		}
		if ok, out := h.call(t); !ok || !h.holdsToken(t) { // the next start
			t.Fatalf("%s: the call after the next start failed: %s", state, out)
		}
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			t.Fatal(err)
		}
		want := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Attempt: 2, Token: "token-canary", Commit: "abc",
			BootID: strings.TrimSpace(string(boot)), Machine: "4c4c4544-0033-5310", Disk: "A1B2-C3", Filesystems: map[string]string{
				"11-22": "7B77-95E7", "33-44": "0f0f-aaaa"}}
		for _, body := range h.got() {
			var got wire.PhoneHome
			if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "POST /v1/phonehome ")), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: the call (-want +got):\n%s", state, diff)
			}
		}
		if len(h.got()) != 2 {
			t.Errorf("%s: %d calls, want one after each start", state, len(h.got()))
		}
	}
}

func TestASystemThatIsNotUpDoesNotCall(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"starting", "maintenance", "stopping", "offline", "unknown", ""} {
		h := newHome(t, state)
		h.install(t, h.pin())
		if ok, out := h.call(t); ok || len(h.got()) != 0 || !strings.Contains(out, "not up yet") {
			t.Errorf("state %q: called %d times, ok %t: %s", state, len(h.got()), ok, out)
		}
		if !h.holdsToken(t) {
			t.Errorf("state %q: the next try has no token", state)
		}
	}
}

func TestTheCallIsMadeAgainUntilItIsTaken(t *testing.T) {
	t.Parallel()
	h := newHome(t, "running")
	h.install(t, h.pin())
	h.answer(http.StatusServiceUnavailable)
	if ok, out := h.call(t); ok || !h.holdsToken(t) {
		t.Fatalf("refused by the daemon: ok %t, token kept %t: %s", ok, h.holdsToken(t), out)
	}
	h.answer(http.StatusNoContent)
	if ok, out := h.call(t); !ok || len(h.got()) != 2 {
		t.Errorf("the second try: ok %t, %d calls: %s", ok, len(h.got()), out)
	}
}

func TestAnotherServerGetsNoToken(t *testing.T) {
	t.Parallel()
	h := newHome(t, "running")
	h.install(t, base64.StdEncoding.EncodeToString(make([]byte, sha256.Size)))
	if ok, out := h.call(t); ok || len(h.got()) != 0 || !h.holdsToken(t) {
		t.Errorf("a server with another key: ok %t, got %q: %s", ok, h.got(), out)
	}
}

// A system without the tools that tell its disk calls too, and says nothing about its disk.
func TestASystemWithoutToolsCalls(t *testing.T) {
	t.Parallel()
	h := newHome(t, "running")
	h.install(t, h.pin())
	for _, name := range []string{"findmnt", "lsblk"} {
		h.put(t, "bin/"+name, "#!/bin/sh\nexit 127\n", 0o700)
	}
	ok, out := h.call(t)
	if !ok || len(h.got()) != 1 || !strings.Contains(h.got()[0], `"disk":"","filesystems":{}}`) {
		t.Errorf("ok %t, got %q: %s", ok, h.got(), out)
	}
}
