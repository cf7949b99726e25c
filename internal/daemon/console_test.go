package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/internal/lab/serial"
)

// page is the API that the page reads.
type page struct{ base string }

func (w *world) page(t *testing.T) page {
	t.Helper()
	c, err := config.LoadFile(filepath.Join(w.dir, "ingot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return page{"http://" + c.Listen.Web + "/v1/hosts/"}
}

// awaitSerial waits for a host's serial console to be as it should; each time before it is looked at, something may be done.
func (p page) awaitSerial(t *testing.T, host, what string, holds func(consoles.Serial) bool, each func()) consoles.Serial {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		each()
		var told daemon.HostHistory
		_, body := get(t, http.MethodGet, p.base+host+"/story", nil)
		if err := json.Unmarshal([]byte(body), &told); err != nil {
			t.Fatalf("the story is %s: %v", body, err)
		}
		if holds(told.Serial) {
			return told.Serial
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s: the serial console of %s is %+v", what, host, told.Serial)
		}
	}
}

func nothing() {}

// The page's API tells what a machine says on its serial console, as text and without its secrets; a wrong host key gets no password and is told; neither
// concerns the installation. What was read outlives the daemon.
func TestTheSerialConsoleIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	machines := w.rack.Description().Machines
	const wrong = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	w.edit(t, "hosts/machine-2.yaml", machines[1].ConsoleKey, wrong)
	w.push(t, "machine-2: another host key")
	p := w.page(t)
	stop := w.start(t)
	w.await(t, 2, "Active", active)

	_, feed := w.rack.Console("machine-1")
	says := func(words string) func() {
		return func() { _, _ = io.WriteString(feed, words) }
	}
	shown := func(words string) func(consoles.Serial) bool {
		return func(s consoles.Serial) bool {
			return s.State == consoles.Reads && strings.Contains(strings.Join(s.Lines, "\n"), words)
		}
	}
	got := p.awaitSerial(t, "machine-1", "what the machine says", shown("kernel: panic <b>"), says("\x1b[31mkernel: panic <b>\x1b]0;title\a "+machines[0].Password+"\r\n"))
	if text := strings.Join(got.Lines, "\n"); strings.Contains(text, machines[0].Password) || strings.Contains(text, "\x1b") || !strings.Contains(text, "***") {
		t.Errorf("the console shows %q", text)
	}
	p.awaitSerial(t, "machine-1", "a prompt", shown("machine-1 login:"), says("\r\nmachine-1 login: "))

	w.followed(t, feed)

	got = p.awaitSerial(t, "machine-2", "the wrong key", func(s consoles.Serial) bool { return s.State == consoles.Waits && strings.Contains(s.Text, "host key") }, nothing)
	if !strings.Contains(got.Text, machines[1].ConsoleKey) || !strings.Contains(got.Text, wrong) || !strings.Contains(got.Text, "spec.bmc.console.fingerprint") {
		t.Errorf("of another host key it is said %q", got.Text)
	}
	server, _ := w.rack.Console("machine-2")
	if counts := server.Counts(); counts.Logins != 0 || counts.Connections == 0 {
		t.Errorf("the BMC with another host key: %+v, want connections and no login", counts)
	}

	w.edit(t, "hosts/machine-2.yaml", wrong, machines[1].ConsoleKey)
	w.edit(t, "hosts/machine-1.yaml", `    console: {fingerprint: "`+machines[0].ConsoleKey+"\"}\n", "")
	w.push(t, "machine-2: its own host key; machine-1: no console")
	p.awaitSerial(t, "machine-2", "the mended key", func(s consoles.Serial) bool { return s.State == consoles.Reads }, nothing)
	got = p.awaitSerial(t, "machine-1", "the end of reading", func(s consoles.Serial) bool { return s.State == consoles.Off }, nothing)
	if !strings.Contains(got.Text, "hosts/machine-1.yaml") || !strings.Contains(got.Text, "ssh-keyscan -p ") || !strings.Contains(strings.Join(got.Lines, "\n"), "kernel: panic <b>") {
		t.Errorf("of a console that is not read any more it is said %q, with %d lines", got.Text, len(got.Lines))
	}
	awaitReaders(t, feed, 0)
	stop()

	w.start(t)
	w.await(t, 2, "Active", active)
	got = p.awaitSerial(t, "machine-1", "what was kept", func(s consoles.Serial) bool { return len(s.Lines) > 0 }, nothing)
	head, whole := get(t, http.MethodGet, p.base+"machine-1/console", nil)
	if head.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(whole, "kernel: panic <b>") || !strings.HasSuffix(whole, got.Lines[len(got.Lines)-1]+"\n") {
		t.Errorf("after a restart the console is %v %q, its end %q", head, whole, got.Lines)
	}
	if head, _ := get(t, http.MethodGet, p.base+"nobody/console", nil); head.StatusCode != http.StatusNotFound {
		t.Errorf("the console of a host that nobody knows: %s", head.Status)
	}
	if typed := typedAnywhere(w); typed != "" {
		t.Errorf("into the consoles was typed %q", typed)
	}
}

// followed follows machine-1's console through the control socket until it says something new.
func (w *world) followed(t *testing.T, feed *serial.Feed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	all := ""
	err := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock")).FollowConsole(ctx, "machine-1", func(text string) error {
		if all += text; strings.Contains(all, "followed: to its end") {
			cancel()
		}
		_, err := io.WriteString(feed, "followed: to its end\n")
		return err
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(all, "kernel: panic <b>") {
		t.Errorf("following ended with %v after %q", err, all)
	}
	if _, err := daemon.Connect(filepath.Join(w.dir, "state", "ingot.sock")).ReadSerial(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "knows no host") {
		t.Errorf("the console of a host that nobody knows: %v", err)
	}
}

func typedAnywhere(w *world) string {
	var typed strings.Builder
	for _, m := range w.rack.Description().Machines {
		server, _ := w.rack.Console(m.Name)
		typed.WriteString(server.Typed())
	}
	return typed.String()
}

func awaitReaders(t *testing.T, feed *serial.Feed, want int) {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for feed.Readers() != want {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the console has %d readers, want %d", feed.Readers(), want)
		}
	}
}

// Machines on which nothing may be done are not connected to. One on which nothing is to be done is, while somebody looks at it.
func TestNobodysConsoleIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.edit(t, "hosts/machine-4.yaml", "  workload: hello", "")
	w.edit(t, "hosts/machine-1.yaml", "  workload: hello", "  protect: true\n  workload: hello")
	w.edit(t, "hosts/machine-2.yaml", "  workload: hello", "  lifecycle: Unmanaged\n  workload: hello")
	w.push(t, "machine-1 and machine-2: hands off")
	w.start(t)
	w.await(t, 1, "Active", active)
	p := w.page(t)
	p.awaitSerial(t, "machine-4", "its console, since it is asked for", func(s consoles.Serial) bool { return s.State == consoles.Reads }, nothing)
	p.awaitSerial(t, "machine-3", "its console", func(s consoles.Serial) bool { return s.State == consoles.Reads }, nothing)
	for _, host := range []string{"machine-1", "machine-2"} {
		got := p.awaitSerial(t, host, "that it is left alone", func(s consoles.Serial) bool { return s.State == consoles.Off }, nothing)
		if server, _ := w.rack.Console(host); server.Counts().Connections != 0 || !strings.Contains(got.Text, "left alone") {
			t.Errorf("%s: %+v, %q", host, server.Counts(), got.Text)
		}
	}
}
