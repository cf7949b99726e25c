//go:build e2e

package page_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab"
)

// world is a rack of simulated machines with its fleet and its daemon.
type world struct {
	*testing.T
	dir      string
	log      *slog.Logger
	settings config.Config
}

func newWorld(t *testing.T, machines int) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	file, err := os.Create(filepath.Join(w.dir, "daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	w.log = slog.New(slog.NewTextHandler(file, nil))
	ctx, cancel := context.WithCancel(context.Background())
	rack, err := lab.New(ctx, lab.Options{Dir: w.dir, Backend: lab.Sim, Machines: machines, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = rack.Run(ctx) // it ends when it is told to
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if text, err := os.ReadFile(file.Name()); err == nil && t.Failed() {
			t.Logf("log:\n%s", text[max(0, len(text)-8<<10):])
		}
		_ = file.Close()
	})
	if err := lab.PrepareFleet(ctx, w.dir); err != nil {
		t.Fatal(err)
	}
	if w.settings, err = config.LoadFile(filepath.Join(w.dir, "ingot.yaml")); err != nil {
		t.Fatal(err)
	}
	return w
}

// serve runs the daemon until stop is called.
func (w *world) serve() (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d, err := daemon.Open(ctx, w.settings, w.log)
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			w.Errorf("daemon: %v", err)
		}
	}
	w.Cleanup(stop)
	return stop
}

// change replaces text in a file of the fleet, commits and pushes that, and gives the commit.
func (w *world) change(file, old, replacement string) string {
	w.Helper()
	path := filepath.Join(w.dir, "fleet", file)
	data, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		w.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, replacement, 1)), 0o644); err != nil {
		w.Fatal(err)
	}
	w.git("commit", "--quiet", "-am", file+" <b>changed</b>")
	w.git("push", "--quiet", "origin", "HEAD:main")
	return strings.TrimSpace(w.git("rev-parse", "HEAD"))
}

func (w *world) git(args ...string) string {
	w.Helper()
	command := exec.CommandContext(w.Context(), "git", append([]string{"-C", filepath.Join(w.dir, "fleet"), "-c", "user.name=T", "-c", "user.email=t@example.com"}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		w.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

// One tab, never loaded again: machines come up in it, a change of one is held, its consent is copied from the page into the fleet, the machine is
// installed anew, the daemon goes away and comes back.
func TestThePageIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	stop := w.serve()
	origin := "http://" + w.settings.Listen.Web
	p := open(t, origin+"/")
	value[any](p, "window.sameDocument = true")
	p.until("three hosts to be Active", `document.querySelector('#phases').textContent.trim() === '3 Active'`)

	p.goTo("#machine-2")
	w.change("hosts/machine-2.yaml", "hello from machine-2", "hello again from machine-2")
	p.until("machine-2 to be held", `document.querySelector('#phases').textContent.includes('1 Held') && document.querySelector('#host-hold code') !== null`)
	p.shoot("live-held")
	p.allowClipboard(origin)
	value[any](p, `document.querySelector('#host-hold button').click() ?? 0`)
	p.until("a word on the copy", `document.querySelector('#said').textContent.startsWith('Copied: consent: ')`)
	consent := value[string](p, "navigator.clipboard.readText()")
	if shown := p.says("#people-list code"); shown == "" || shown != consent {
		t.Fatalf("copied %q, the board shows %q", consent, shown)
	}

	commit := w.change("hosts/machine-2.yaml", "workload: hello", "workload: hello\n  "+consent)
	p.until("machine-2 to be Active again, from the commit with the consent", `document.querySelector('#phases').textContent.trim() === '3 Active' &&
		[...document.querySelectorAll('#commits-body tr')][0].textContent.includes('`+commit[:10]+`') && [...document.querySelectorAll('#commits-body tr')][0].textContent.includes('machine-2')`)
	p.until("the timeline to tell of it", `(() => { const seen = [...document.querySelectorAll('#host-story .phase')].map(e => e.textContent); return seen[0] === 'Active' && seen.includes('Held') && seen.lastIndexOf('Active') > seen.indexOf('Held') && seen.includes('Installing'); })()`)
	p.until("the serial console to tell of what the machine starts from", `document.querySelector('#host-serial').textContent.includes('firmware: machine LAB00002 starts from disk')`)
	p.until("the console to tell of the installation", `document.querySelector('#host-console').textContent.includes('Install complete.')`)
	p.looks("live-host")
	p.do(chromedp.KeyEvent("\x1b"))
	p.looks("live-board")

	stop()
	p.until("a word on the daemon that is away", `document.querySelector('#connection').textContent.startsWith('The daemon does not answer')`)
	w.serve()
	p.until("the daemon to be back", `document.querySelector('#connection').textContent === '' && document.querySelector('#phases').textContent.trim() === '3 Active'`)
	p.goTo("#machine-2")
	p.until("the timeline from before", `document.querySelector('#host-story').textContent.includes('the installed system phoned home')`)
	if !value[bool](p, "window.sameDocument === true") {
		t.Error("the page was loaded again")
	}
}

// allowClipboard lets the page's own script write the clipboard, and the test read it.
func (p *tab) allowClipboard(origin string) {
	p.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		allow := browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: origin}
		if _, err := chromedp.CallBrowser(p.Context, browser.SetPermission, allow); err != nil {
			p.Fatal(err)
		}
	}
}
