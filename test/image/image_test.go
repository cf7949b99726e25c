//go:build e2e

// Package image_test runs the container image without a container runtime: its layer in a chroot, read-only, as the
// image's user, with a name space of its own for mounts. It needs root.
package image_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/sim"
)

// patience bounds each wait.
const patience = 2 * time.Minute

// owner is the image's user and group.
const owner = 65532

// TestTwoImagesAreEqual builds the programs and the image twice: the archives have the same bytes.
func TestTwoImagesAreEqual(t *testing.T) {
	t.Parallel()
	var images [2][]byte
	for at := range images {
		var err error
		if images[at], err = os.ReadFile(buildImage(t)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Errorf("two images of the same commit differ: %d and %d bytes", len(images[0]), len(images[1]))
	}
}

// TestTheImageRuns runs the image's verbs that need nothing else: version, and validate of an example.
func TestTheImageRuns(t *testing.T) {
	t.Parallel()
	root, config := unpackImage(t, buildImage(t))
	if config.User != fmt.Sprintf("%d:%d", owner, owner) || len(config.Entrypoint) != 1 || len(config.Cmd) != 1 {
		t.Fatalf("the image runs %q %q as %q", config.Entrypoint, config.Cmd, config.User)
	}
	c := container{root: root, mounts: map[string]string{"/mnt": absolute(t, "../../examples/production")}}
	makeDir(t, filepath.Join(root, "mnt"), 0o755)
	for args, want := range map[string]string{"version": "ingot 0.0.1 (", "validate /mnt": "no findings"} {
		out, err := c.command(t.Context(), append(config.Entrypoint, strings.Fields(args)...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("ingot %s = %v, %q, want %q in it", args, err, out, want)
		}
	}
}

// TestTheImageServes runs the daemon with mounted directories for its configuration and its state: it answers /healthz,
// and /readyz once it has its fleet. Without these mounts it does not start, so that no keys end with a container.
func TestTheImageServes(t *testing.T) {
	t.Parallel()
	root, config := unpackImage(t, buildImage(t))
	dir, fleet := t.TempDir(), serveFleet(t)
	agents, media, probes := freeAddress(t), freeAddress(t), freeAddress(t)
	etc, state := filepath.Join(dir, "etc"), filepath.Join(dir, "state")
	makeDir(t, etc, 0o750)
	makeDir(t, filepath.Join(etc, "identity"), 0o700)
	makeDir(t, state, 0o700)
	writeFile(t, filepath.Join(etc, "ingot.yaml"), fmt.Appendf(nil, `fleet: {url: %q, branch: main}
stateDir: /var/lib/ingot
identityDir: /etc/ingot/identity/keys
ramdisk: /etc/ingot/ramdisk.iso
listen: {agents: %q, media: %q, metrics: %q}
advertise: {agents: ["https://%[2]s"], media: "http://%[3]s"}
`, fleet, agents, media, probes))
	writeFile(t, filepath.Join(etc, "ramdisk.iso"), sim.NewMedium())
	serve := append(config.Entrypoint, config.Cmd...)

	noState := container{root: root, mounts: map[string]string{"/etc/ingot": etc}}
	out, err := noState.command(t.Context(), serve...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "/var/lib/ingot") {
		t.Errorf("without a mounted state directory, serve = %v, %q", err, out)
	}

	whole := container{root: root, mounts: map[string]string{"/etc/ingot": etc, "/var/lib/ingot": state}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	daemon := whole.command(ctx, serve...)
	var said bytes.Buffer
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait(); cancel() }()
	for _, probe := range []string{"healthz", "readyz"} {
		if err := awaitProbe(ctx, "http://"+probes+"/"+probe); err != nil {
			t.Error(err)
		}
	}
	_ = daemon.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := <-ended; err != nil || t.Failed() {
		t.Errorf("the daemon ended with %v: %s", err, &said)
	}
	for _, made := range []string{filepath.Join(state, "journal"), filepath.Join(etc, "identity", "keys")} {
		if _, err := os.Stat(made); err != nil {
			t.Error(err)
		}
	}
}

// freeAddress gives an address on loopback that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// awaitProbe asks until the answer is 200.
func awaitProbe(ctx context.Context, url string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := "no answer"
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if last = answer.Status; answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %s", url, last)
		}
	}
}

// serveFleet serves the fleet that `ingot init` writes over HTTP, and gives its URL.
func serveFleet(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	run(t, nil, "go", "run", "./cmd/ingot", "init", work)
	git := func(args ...string) {
		run(t, nil, "git", append([]string{"-C", work, "-c", "user.name=Image", "-c", "user.email=image@example.com",
			"-c", "commit.gpgsign=false"}, args...)...)
	}
	git("init", "--quiet", "--initial-branch=main")
	git("add", ".")
	git("commit", "--quiet", "-m", "a fleet to start from")
	git("clone", "--quiet", "--bare", work, filepath.Join(dir, "fleet.git"))
	git("--git-dir="+filepath.Join(dir, "fleet.git"), "config", "http.receivepack", "true")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{Path: program, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}})
	t.Cleanup(server.Close)
	return server.URL + "/fleet.git"
}
