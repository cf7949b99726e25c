package steps

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// lines gathers what is streamed.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) report(p wire.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p.Lines...)
}

func script(body string) wire.Script { return wire.Script{Body: []byte(body)} }

// TestAScriptSaysWhatItDoes streams its lines, without what could steer a terminal, and gives nothing but its own environment.
func TestAScriptSaysWhatItDoes(t *testing.T) {
	t.Setenv("OF_THE_DAEMON", "secret")
	var said lines
	s := script("#!/bin/sh\necho one\nprintf '10%%\\r20%%\\r'\nprintf 'red \\033[31m\\n' >&2\necho \"hello,$OF_THE_DAEMON,$#\"\n")
	out, err := RunScript(t.Context(), ScriptRun{Script: s, Report: said.report})
	want := []string{"10%", "20%", "hello,,0", "one", "red ?[31m"} // two streams, in no order
	kept := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	slices.Sort(said.all)
	slices.Sort(kept)
	if err != nil || !slices.Equal(said.all, want) || !slices.Equal(kept, want) {
		t.Errorf("said %q, output %q, %v; want %q", said.all, out, err, want)
	}
}

// TestAScriptThatFails gives its exit code and its last words.
func TestAScriptThatFails(t *testing.T) {
	t.Parallel()
	_, err := RunScript(t.Context(), ScriptRun{Script: script("#!/bin/sh\necho no such disk >&2\nexit 3\n"), Report: (&lines{}).report})
	if err == nil || !strings.Contains(err.Error(), "not for this hardware") || !strings.Contains(err.Error(), "exit status 3: no such disk") {
		t.Errorf("error = %v", err)
	}
}

// TestACancelledScriptLeavesNothing kills the children of the script too.
func TestACancelledScriptLeavesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := sync.OnceFunc(cancel)
	_, err := RunScript(ctx, ScriptRun{Script: script("#!/bin/sh\nsleep 600 &\necho $! > " + file + "\necho started\nwait\n"), Report: func(wire.Progress) { started() }})
	if err == nil || ctx.Err() == nil {
		t.Fatalf("error = %v", err)
	}
	wantDead(t, file)
}

// TestWhatAScriptLeavesBehindIsKilled does not wait for it either.
func TestWhatAScriptLeavesBehindIsKilled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	if _, err := RunScript(t.Context(), ScriptRun{Script: script("#!/bin/sh\nsleep 600 &\necho $! > " + file + "\n"), Report: (&lines{}).report}); err != nil {
		t.Fatal(err)
	}
	wantDead(t, file)
}

func wantDead(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("process %d lives: %s", pid, stat)
		}
	}
}

// TestOutputIsBounded passes on so much and no more, and keeps the end.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	var said lines
	out, err := RunScript(t.Context(), ScriptRun{Script: script("#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do i=$((i+1)); printf '%01000d\\n' $i; done\necho the end\n"), Report: said.report})
	streamed := len(strings.Join(said.all, ""))
	if err != nil || len(out) > maxOutput || !strings.HasSuffix(out, "the end\n") || streamed > maxStreamed+maxLine || !strings.Contains(strings.Join(said.all, " "), "the rest is not shown") || !strings.HasSuffix(said.all[len(said.all)-1], " lines of output were not shown") {
		t.Errorf("%d bytes streamed, %d kept, %v, last %q", streamed, len(out), err, said.all[len(said.all)-1])
	}
}

// TestTheFirmwareStartsTheDisk reads the order back, whatever spelling efibootmgr has.
func TestParseEntries(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]string{
		"18": "BootCurrent: 0001\nTimeout: 0 seconds\nBootOrder: 0003,0001\nBoot0001* UEFI CD\tPciRoot(0x0)\nBoot0003* ingot\tHD(1,GPT,1f)\n",
		"14": "BootCurrent: 0001\nBootOrder: 0003,0001\nBoot0001* UEFI CD\nBoot0003* ingot\n",
	} {
		e := parseEntries(out)
		if e.order.Current != "Boot0001" || e.order.Entry != "Boot0003" || !slices.Equal(e.order.Order, []string{"Boot0003", "Boot0001"}) || !slices.Equal(e.ours, []string{"0003"}) {
			t.Errorf("%s: %+v %v", name, e.order, e.ours)
		}
	}
	if e := parseEntries("Boot0002* ingot-backup\tHD(1)\n"); len(e.ours) > 0 {
		t.Errorf("another's entry is taken for ours: %v", e.ours)
	}
}

// TestTheInstallerMustReadTheImage fails an installer that says it succeeded without having read the image, or that fails because the image did.
func TestTheInstallerMustReadTheImage(t *testing.T) {
	t.Parallel()
	data, image := anImage()
	job := wire.Install{Image: image, Ignition: []byte("{}")}
	program := func(body string) CoreOSInstaller {
		file := filepath.Join(t.TempDir(), "coreos-installer")
		if err := writeProgram(file, []byte("#!/bin/sh\n"+body)); err != nil {
			t.Fatal(err)
		}
		return CoreOSInstaller{Program: file, Dir: t.TempDir()}
	}
	var failure Failure
	err := program("exit 0\n").Install(t.Context(), Wiped{device: nameless{}}, job, &upstream{image: data}, (&lines{}).report)
	if !errors.Is(err, errNotRead) || !errors.As(err, &failure) {
		t.Errorf("nothing was read: %v", err)
	}
	wrong := bytesWith(data)
	installer := program("curl -fsS \"$4\" >/dev/null || { echo it broke off; exit 1; }\n")
	err = installer.Install(t.Context(), Wiped{device: nameless{}}, job, &upstream{image: wrong}, (&lines{}).report)
	if err == nil || !strings.HasPrefix(err.Error(), "the image's sha256 is ") || !errors.As(err, &failure) || !strings.Contains(failure.Output, "it broke off") {
		t.Errorf("a wrong image: %v", err)
	}
	err = program("printf '\\nError: writing Ignition config\\n\\nCaused by:\\n    No space left\\n\\nResetting partition table\\nError: install failed\\n' >&2; exit 1\n").
		Install(t.Context(), Wiped{device: nameless{}}, job, &upstream{image: data}, (&lines{}).report)
	if want := "writing Ignition config: coreos-installer: exit status 1: Error: install failed"; err == nil || err.Error() != want {
		t.Errorf("a full disk: %v, want %q", err, want)
	}
	if left, err := os.ReadDir(installer.Dir); err != nil || len(left) > 0 {
		t.Errorf("the Ignition config is still there: %v, %v", left, err)
	}
}

func bytesWith(data []byte) []byte {
	changed := slices.Clone(data)
	changed[len(changed)-1] ^= 1
	return changed
}

// nameless is a device that nothing is done to.
type nameless struct{ Device }

func (nameless) Path() string { return "/dev/null" }
