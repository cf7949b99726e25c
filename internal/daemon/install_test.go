package daemon_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encoding/json"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// world is a rack of simulated machines with its fleet, and at most one daemon.
type world struct {
	dir  string
	rack *lab.Rack
	log  *os.File
	// of the daemon; "" for ingot.yaml and state
	config, stateIn string
}

func newWorld(t testing.TB, machines int) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	var err error
	if w.log, err = os.Create(filepath.Join(w.dir, "daemon.log")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if w.rack, err = lab.New(ctx, lab.Options{Dir: w.dir, Backend: lab.Sim, Machines: machines, Log: slog.New(slog.NewTextHandler(w.log, nil))}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.rack.Run(ctx) // it ends when it is told to
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			if text, err := os.ReadFile(w.log.Name()); err == nil {
				t.Logf("log:\n%s", tail(string(text), 60))
			}
		}
		_ = w.log.Close()
	})
	if err := lab.PrepareFleet(ctx, w.dir); err != nil {
		t.Fatal(err)
	}
	return w
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// start runs a daemon until stop is called.
func (w *world) start(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	settings, err := config.LoadFile(filepath.Join(w.dir, cmp.Or(w.config, "ingot.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Open(ctx, settings, slog.New(slog.NewTextHandler(w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("daemon: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// await follows the daemon's events until enough hosts satisfy the predicate.
func (w *world) await(t testing.TB, hosts int, what string, satisfied func(daemon.HostView) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute+time.Duration(hosts)*2*time.Second)
	defer cancel()
	var dialer net.Dialer
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", filepath.Join(w.dir, w.stateDir(), "ingot.sock"))
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ingot/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	good := map[string]bool{}
	last := map[string]string{}
	decoder := json.NewDecoder(response.Body)
	for {
		var event daemon.Event
		if err := decoder.Decode(&event); err != nil {
			for name, state := range last {
				if !good[name] {
					t.Logf("%s: %s", name, state)
				}
			}
			t.Fatalf("%d of %d hosts are %s: %v", len(good), hosts, what, err)
		}
		if event.Host == nil {
			continue
		}
		name := event.Host.Metadata.Name
		delete(good, name)
		if satisfied(*event.Host) {
			good[name] = true
		}
		last[name] = fmt.Sprintf("%s waits=%q hold=%+v trouble=%q next=%s", event.Host.Phase, event.Host.Waits, event.Host.Hold, event.Host.Trouble, event.Host.NextDo)
		if len(good) == hosts {
			return
		}
	}
}

func active(h daemon.HostView) bool { return h.Phase == plan.Active && h.Installed != nil && h.Pushed }

// git runs git in the clone of the fleet.
func (w *world) git(t testing.TB, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(w.dir, "fleet"), "-c", "user.name=T", "-c", "user.email=t@example.com"}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (w *world) edit(t testing.TB, file, old, replacement string) {
	t.Helper()
	path := filepath.Join(w.dir, "fleet", file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, replacement, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) push(t testing.TB, message string) {
	t.Helper()
	w.git(t, "commit", "--quiet", "-am", message)
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
}

func TestHundredMachinesFromACommitToActive(t *testing.T) {
	t.Parallel()
	const machines = 100
	w := newWorld(t, machines)
	w.start(t)
	w.await(t, machines, "Active", active)
	for _, m := range w.rack.Description().Machines {
		state, err := w.rack.State(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		counts := w.rack.Sim(m.Name).Counts()
		if state.RamdiskStarts != 1 || state.DiskStarts != 1 || counts.Installs != 1 || counts.Begun != 1 || state.Power != "On" {
			t.Errorf("%s: %d ramdisk starts, %d disk starts, %d installs, power %s; want 1, 1, 1, On:\n%s",
				m.Name, state.RamdiskStarts, state.DiskStarts, counts.Installs, state.Power, strings.Join(state.Story, "\n"))
		}
	}
	w.git(t, "fetch", "--quiet", "origin")
	board := w.git(t, "show", "origin/ingot/status:README.md")
	if !strings.Contains(board, "| Active | 100 |") {
		t.Errorf("the board does not say that 100 hosts are Active:\n%s", board)
	}
}
