//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab"
)

// host is the first machine of each rack, mostly the only one.
const host = "machine-1"

// places are for racks that run at a time: each has a machine with two processors.
var places = make(chan struct{}, 2)

// taking is held while a test takes its places.
var taking sync.Mutex

// world is a rack with one machine, its fleet, and at most one daemon, each in a process of its own.
type world struct {
	testing.TB
	dir    string
	began  time.Time
	rack   lab.Description
	client *daemon.Client
	page   string // URL of the page
	daemon *process
}

// newWorld starts a rack of one machine and writes its fleet. Everything ends with the test; if that failed, the ends of
// all logs are shown.
func newWorld(t testing.TB) *world {
	t.Helper()
	return newRack(t, 1)
}

// newRack is newWorld with more machines, and with more arguments of `ingot lab up`.
func newRack(t testing.TB, machines int, arguments ...string) *world {
	t.Helper()
	takePlaces(t, machines)
	w := &world{TB: t, dir: t.TempDir(), began: time.Now()}
	t.Cleanup(w.showLogs)
	if err := os.Symlink(parts.ramdisk, w.path("ramdisk.iso")); err != nil {
		t.Fatal(err)
	}
	w.start("lab.log", append([]string{"lab", "up", "--dir", w.dir, "--machines", strconv.Itoa(machines), "--backend", "qemu", "--image", parts.image}, arguments...)...)
	w.ingot("lab", "fleet", "--dir", w.dir)
	var err error
	if w.rack, err = lab.Describe(w.dir); err != nil {
		t.Fatal(err)
	}
	w.connect()
	return w
}

// takePlaces waits until machines may run, and keeps their places to the end of the test. Who waits for the second place
// has the first: one test at a time.
func takePlaces(t testing.TB, machines int) {
	t.Helper()
	taking.Lock()
	defer taking.Unlock()
	for range machines {
		places <- struct{}{}
		t.Cleanup(func() { <-places })
	}
}

// connect reads where the daemon will listen.
func (w *world) connect() {
	w.Helper()
	settings, err := config.LoadFile(w.path("ingot.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	w.client, w.page = daemon.Connect(settings.Listen.Socket), "http://"+settings.Listen.Web
}

func (w *world) path(elements ...string) string {
	return filepath.Join(append([]string{w.dir}, elements...)...)
}

// say logs a milestone with the time it took to get there.
func (w *world) say(format string, args ...any) {
	w.Helper()
	w.Logf("%4.0fs "+format, append([]any{time.Since(w.began).Seconds()}, args...)...)
}

// process is a running ingot.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
}

// start runs ingot until it is stopped, at the latest at the end of the test. What it says is appended to a log.
func (w *world) start(log string, args ...string) *process {
	w.Helper()
	return w.startProgram(log, parts.ingot, args...)
}

// startProgram is start for any program.
func (w *world) startProgram(log, program string, args ...string) *process {
	w.Helper()
	file, err := os.OpenFile(w.path(log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close()
	// It ends after the test's context does, and with this process if that is killed.
	p := &process{command: exec.CommandContext(context.WithoutCancel(w.Context()), program, args...), ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = file, file
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // the state tells
	}()
	w.Cleanup(p.stop)
	return p
}

// stop asks the process to end, and makes it.
func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.kill()
	}
}

// kill ends the process wherever it is.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// killed reports whether SIGKILL ended the process, and not it itself before.
func (p *process) killed() bool {
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// serve starts the daemon.
func (w *world) serve() {
	w.Helper()
	w.daemon = w.start("daemon.log", "serve", "--config", w.path("ingot.yaml"))
}

// ingot runs a command of ingot in the clone of the fleet, or beside it when there is none yet, and gives what it printed.
func (w *world) ingot(args ...string) string {
	w.Helper()
	dir := w.path("fleet")
	if _, err := os.Stat(dir); err != nil {
		dir = w.dir
	}
	return w.run(dir, parts.ingot, args...)
}

// git runs git in the clone of the fleet.
func (w *world) git(args ...string) string {
	w.Helper()
	return w.run(w.path("fleet"), "git", append([]string{"-c", "user.name=E2E", "-c", "user.email=e2e@example.com", "-c", "commit.gpgsign=false"}, args...)...)
}

func (w *world) run(dir, name string, args ...string) string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		w.Fatalf("%s %s: %v: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// head is the fleet's commit.
func (w *world) head() string {
	w.Helper()
	return strings.TrimSpace(w.git("rev-parse", "HEAD"))
}

// change replaces text in a file of the fleet, commits and pushes that, and gives the commit.
func (w *world) change(file, old, replacement string) string {
	w.Helper()
	text := w.read("fleet", file)
	if !strings.Contains(text, old) {
		w.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(w.path("fleet", file), []byte(strings.Replace(text, old, replacement, 1)), 0o644); err != nil {
		w.Fatal(err)
	}
	return w.push(file + ": " + replacement)
}

// push commits what was changed in the clone, pushes it, and gives the commit.
func (w *world) push(message string) string {
	w.Helper()
	w.git("commit", "--quiet", "-am", message)
	w.git("push", "--quiet", "origin", "HEAD:main")
	return w.head()
}

// write writes a file below the world's directory.
func (w *world) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// read gives a file below the world's directory.
func (w *world) read(elements ...string) string {
	w.Helper()
	data, err := os.ReadFile(w.path(elements...))
	if err != nil {
		w.Fatal(err)
	}
	return string(data)
}

// state asks the rack about the machine.
func (w *world) state() lab.MachineState {
	w.Helper()
	state, err := lab.State(w.Context(), w.dir, host)
	if err != nil {
		w.Fatal(err)
	}
	return state
}

// showLogs shows the ends of all logs when the test failed.
func (w *world) showLogs() {
	if !w.Failed() {
		return
	}
	for log, lines := range map[string]int{"daemon.log": 60, "lab.log": 20, host + "/qemu.log": 20, host + "/console.log": 40} {
		if text, err := os.ReadFile(w.path(log)); err == nil {
			all := strings.Split(strings.TrimSpace(string(text)), "\n")
			w.Logf("%s ends:\n%s", log, strings.Join(all[max(0, len(all)-lines):], "\n"))
		}
	}
}
