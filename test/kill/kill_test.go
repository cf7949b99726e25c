// Package kill kills the real daemon at random moments while it installs machines over real loopback BMCs, and judges
// the machines: each was installed exactly as often as the fleet asked, and no status was lost. The machines, their BMCs
// and the repository are outside the killed process.
package kill

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

var (
	kills = flag.Int("kills", 30, "how often the daemon is killed")
	seed  = flag.Uint64("seed", 0, "of the moments at which the daemon is killed; 0: random")
)

// asDaemon names the configuration with which this program runs the daemon instead of the tests.
const asDaemon = "INGOT_KILL_CONFIG"

const (
	machines    = 5
	perVersion  = 10              // kills for each version of the workload
	longestLife = 3 * time.Second // of a killed daemon
)

func TestMain(m *testing.M) {
	if file := os.Getenv(asDaemon); file != "" {
		if err := runDaemon(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// runDaemon is the process that is killed: `ingot serve` without its command line.
func runDaemon(file string) error {
	settings, err := config.LoadFile(file)
	if err != nil {
		return err
	}
	d, err := daemon.Open(context.Background(), settings, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	return d.Run(context.Background())
}

// TestTheDaemonIsKilled rolls out one version of a workload after the other. The daemon is killed with SIGKILL at random
// moments of each rollout, and runs to its end after the last kill.
func TestTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for version, left := 1, *kills; left > 0; version++ {
		w.release(t, version)
		for range min(left, perVersion) {
			w.runUntilKilled(t)
			left--
		}
		stop := w.startDaemon(t)
		w.awaitVersion(t, version)
		stop()
		w.judge(t, version)
	}
	t.Logf("%d kills, seed %d", *kills, w.seed)
}

// world is a rack of simulated machines with a fleet.
type world struct {
	dir    string
	rack   *lab.Rack
	log    *os.File
	seed   uint64
	random *rand.Rand
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), seed: *seed}
	if w.seed == 0 {
		w.seed = rand.Uint64()
	}
	w.random = rand.New(rand.NewPCG(w.seed, 0))
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	if w.log, err = os.Create(filepath.Join(w.dir, "daemon.log")); err != nil {
		t.Fatal(err)
	}
	if w.rack, err = lab.New(ctx, lab.Options{Dir: w.dir, Backend: lab.Sim, Machines: machines}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.rack.Run(ctx) // the rack ends when it is told to
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.showLog(t)
	})
	if err := lab.PrepareFleet(ctx, w.dir); err != nil {
		t.Fatal(err)
	}
	w.allowReinstalls(t)
	return w
}

// showLog shows the end of the daemons' log after a failure.
func (w *world) showLog(t *testing.T) {
	_ = w.log.Close()
	if !t.Failed() {
		return
	}
	text, err := os.ReadFile(w.log.Name())
	if err != nil {
		t.Log(err)
		return
	}
	lines := strings.Split(string(text), "\n")
	t.Logf("seed %d; the end of the log:\n%s", w.seed, strings.Join(lines[max(0, len(lines)-80):], "\n"))
}

// allowReinstalls lets a new version of the workload stand for consent, as often as a test wants.
func (w *world) allowReinstalls(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(w.dir, "ingot.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("reinstall: {allHosts: true}\nlimits: {erasesPerHour: 100000}\n" +
		"deadlines: {start: 5s, medium: 10s, agent: 1m, silence: 1m, home: 2m}\n"); err != nil {
		t.Fatal(err)
	}
	w.edit(t, "workloads/hello.yaml", func(text string) string {
		return strings.Replace(text, "spec:\n", "spec:\n  update: Reinstall\n", 1)
	})
}

// release pushes a version of the workload.
func (w *world) release(t *testing.T, version int) {
	t.Helper()
	w.edit(t, "workloads/hello.yaml", func(text string) string {
		return regexp.MustCompile(`ingot\.demo=\w+`).ReplaceAllString(text, fmt.Sprintf("ingot.demo=v%d", version))
	})
	w.git(t, "commit", "--quiet", "-am", fmt.Sprintf("workloads: version %d", version))
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
}

func (w *world) edit(t *testing.T, file string, change func(string) string) {
	t.Helper()
	path := filepath.Join(w.dir, "fleet", file)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(string(before))
	if after == string(before) {
		t.Fatalf("nothing changed in %s", file)
	}
	if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// git runs git in the clone of the fleet.
func (w *world) git(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(w.dir, "fleet"),
		"-c", "user.name=T", "-c", "user.email=t@example.com"}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

// startDaemon starts a daemon; stop kills it.
func (w *world) startDaemon(t *testing.T) (stop func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), asDaemon+"="+filepath.Join(w.dir, "ingot.yaml"))
	command.Stdout, command.Stderr = w.log, w.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := command.Process.Kill(); err != nil {
			t.Errorf("the daemon had ended before it was killed: %v", err)
		}
		if err := command.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the daemon ended by itself: %v", err)
		}
	}
}

// runUntilKilled runs a daemon for a random time, short ones more often than long ones.
func (w *world) runUntilKilled(t *testing.T) {
	t.Helper()
	life := time.Duration(w.random.Float64() * w.random.Float64() * float64(longestLife))
	kill := w.startDaemon(t)
	select {
	case <-time.After(life):
	case <-t.Context().Done():
	}
	kill()
}

// awaitVersion waits until every host is Active with a version, and its page pushed.
func (w *world) awaitVersion(t *testing.T, version int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	commit := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	good, last := map[string]bool{}, map[string]string{}
	err := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock")).FollowEvents(ctx, func(e daemon.Event) bool {
		if h := e.Host; h != nil {
			name := h.Metadata.Name
			good[name] = h.Phase == plan.Active && h.Installed != nil && h.Installed.Commit == commit && h.Pushed
			last[name] = fmt.Sprintf("%s waits=%q hold=%+v trouble=%q", h.Phase, h.Waits, h.Hold, h.Trouble)
		}
		for _, m := range w.rack.Description().Machines {
			if !good[m.Name] {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("version %d: %v: %v", version, err, last)
	}
}

// judge compares each machine with what the fleet asked, and the branch with what happened.
func (w *world) judge(t *testing.T, version int) {
	t.Helper()
	w.git(t, "fetch", "--quiet", "origin", "ingot/status")
	for _, m := range w.rack.Description().Machines {
		counts := w.rack.Sim(m.Name).Counts()
		if counts.Begun != version || counts.Installs != version || !w.rack.Sim(m.Name).Serves() {
			state, _ := w.rack.State(m.Name)
			t.Fatalf("%s: %d installs of %d begun, serves %t; want %d of %d:\n%s", m.Name, counts.Installs, counts.Begun,
				w.rack.Sim(m.Name).Serves(), version, version, strings.Join(state.Story, "\n"))
		}
		if installs := w.pushedInstalls(t, inventory.MachineID(m.Name)); len(installs) != version {
			t.Errorf("the pages of %s name %d installs, want %d", m.Name, len(installs), version)
		}
	}
}

// pushedInstalls gives the ids of the installs that the status branch has named as the system of a host.
func (w *world) pushedInstalls(t *testing.T, id inventory.MachineID) map[string]bool {
	t.Helper()
	installs, path := map[string]bool{}, status.Path(id)
	for _, commit := range strings.Fields(w.git(t, "log", "--format=%H", "FETCH_HEAD", "--", path)) {
		page, err := status.Page(path, []byte(w.git(t, "show", commit+":"+path)))
		if err != nil {
			t.Fatal(err)
		}
		if page.Installed != nil {
			installs[page.Installed.ID] = true
		}
	}
	return installs
}
