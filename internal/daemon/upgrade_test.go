package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/sim"
)

// TestAnUpgradePlansNothing installs a machine, then has a build with another rendering of Ignition take over: it leaves that machine alone, and
// installs another one with the new rendering.
func TestAnUpgradePlansNothing(t *testing.T) {
	t.Parallel()
	const marker = "/etc/ingot/of-the-next-version"
	w := newWorld(t, 2)
	w.edit(t, "hosts/machine-2.yaml", "  workload: hello", "  lifecycle: Unmanaged\n  workload: hello")
	w.push(t, "machine-2: not yet")
	stop := w.start(t)
	w.await(t, 1, "Active", active)
	stop()
	before := w.state(t, "machine-1")

	const last = "{scriptFile, 0o755, phoneHomeScript},"
	upgraded := build(t, "boot/ignition/home.go", last, last+` {"`+marker+`", 0o644, nil},`)
	serve(t, upgraded, w)
	w.await(t, 1, "Active", func(h daemon.HostView) bool { return active(h) && h.Metadata.Name == "machine-1" })
	w.edit(t, "hosts/machine-2.yaml", "  lifecycle: Unmanaged\n", "")
	w.push(t, "machine-2: now")
	w.await(t, 2, "Active", active)

	if diff := cmp.Diff(before, w.state(t, "machine-1")); diff != "" {
		t.Errorf("the upgrade did something to an installed machine (-before +after):\n%s", diff)
	}
	if !bytes.Contains(contents(t, w.rack.Sim("machine-2").Disk()), []byte(marker)) {
		t.Error("the new build renders as the old one does: this test shows nothing")
	}
	if bytes.Contains(contents(t, w.rack.Sim("machine-1").Disk()), []byte(marker)) {
		t.Error("the installed machine has the new rendering")
	}
}

// machineState is what must not change when nothing is done to a machine.
type machineState struct {
	Power, Disk string
	Story       []string
	Counts      sim.Counts
}

func (w *world) state(t *testing.T, name string) machineState {
	t.Helper()
	state, err := w.rack.State(name)
	if err != nil {
		t.Fatal(err)
	}
	machine := w.rack.Sim(name)
	return machineState{Power: state.Power, Disk: machine.Digest(), Story: slices.Clone(state.Story), Counts: machine.Counts()}
}

func contents(t *testing.T, disk *sim.Disk) []byte {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(disk, 0, sim.DiskSize))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// build makes cmd/ingot of this tree with one text of one file replaced.
func build(t *testing.T, file, old, replacement string) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), old) != 1 {
		t.Fatalf("%s does not contain %q once", file, old)
	}
	dir := t.TempDir()
	changed, overlay, program := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "ingot")
	body, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, file): changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{changed: []byte(strings.Replace(string(source), old, replacement, 1)), overlay: body} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./cmd/ingot")
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return program
}

// serve runs a daemon of its own process until the test ends.
func serve(t *testing.T, program string, w *world) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "serve", "--config", filepath.Join(w.dir, "ingot.yaml"))
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.Stdout, command.Stderr = w.log, w.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was told to end
	})
	started, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	if err := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock")).FollowEvents(started, func(daemon.Event) bool { return true }); err != nil {
		t.Fatalf("the daemon does not answer: %v", err)
	}
}
