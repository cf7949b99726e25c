//go:build e2e

// Package page_test looks at the page in a real browser. `make e2e` runs it, in less than a minute; `-args -screenshots DIR` keeps what it saw.
package page_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every single wait; on an idle machine none takes more than a few seconds.
const patience = 3 * time.Minute

var screenshots = flag.String("screenshots", "", "directory for screenshots")

// chromium is the one browser of all tests.
var chromium context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	profile, err := os.MkdirTemp("", "ingot-page-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		return 1
	}
	defer os.RemoveAll(profile)
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath("chromium"), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience),
	)
	defer stop()
	var end context.CancelFunc
	chromium, end = chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "page: start chromium:", err, "(scripts/setup.sh full installs it)")
		return 1
	}
	return m.Run()
}

// tab is a tab of the browser. Whatever the page does wrong in it fails the test: an exception, an error in the console, a dialog, a request elsewhere.
type tab struct {
	*testing.T
	context.Context
}

func open(t *testing.T, base string) *tab {
	t.Helper()
	site, _, _ := strings.Cut(base, "#")
	var mu sync.Mutex
	var wrong []string
	ctx, end := chromedp.NewContext(chromium, chromedp.WithListener(func(event any) {
		if what := complaint(event, site); what != "" {
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, what)
		}
	}))
	t.Cleanup(end)
	p := &tab{t, ctx}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, what := range wrong {
			t.Error(what)
		}
	})
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)); err != nil { // the tab lives as long as this context: no deadline
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil { // one of several tabs
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(base))
	return p
}

// complaint is what a page may not do; "" for all else. That the daemon is away is said in the console too.
func complaint(event any, site string) string {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		return "exception: " + e.ExceptionDetails.Text
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			return "console: " + e.Entry.Text
		}
	case *page.EventJavascriptDialogOpening:
		return "dialog: " + e.Message
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, site) {
			return "request: " + e.Request.URL
		}
	}
	return ""
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// until waits for a JavaScript expression to be true.
func (p *tab) until(what, expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		p.shoot("failure")
		p.Fatalf("waited in vain for %s: %v: the page says\n%s", what, err, value[string](p, "document.body.innerText.slice(0, 4000)"))
	}
}

// value gives what an expression is.
func value[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return got
}

// says gives what an element says, "" when it is not there or hidden.
func (p *tab) says(selector string) string {
	p.Helper()
	return value[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

func (p *tab) phone() {
	p.Helper()
	p.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
}

func (p *tab) scheme(name string) {
	p.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(p.Context, emulation.SetEmulatedMedia, media); err != nil {
		p.Fatal(err)
	}
}

// shoot keeps a picture, if somebody wants to see it.
func (p *tab) shoot(name string) {
	p.Helper()
	if *screenshots == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.Context, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o600); err != nil {
		p.Fatal(err)
	}
}

// goTo follows a link within the page.
func (p *tab) goTo(place string) {
	p.Helper()
	value[string](p, fmt.Sprintf("location.hash = %q", place))
}
