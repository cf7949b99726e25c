package terminal_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

func is(name string, phase plan.Phase, change ...func(*daemon.HostView)) daemon.Event {
	h := &daemon.HostView{Document: status.Document{Metadata: status.Metadata{Name: name}, Phase: phase}, Pushed: true}
	for _, c := range change {
		c(h)
	}
	return daemon.Event{At: time.Now(), Host: h}
}

// A wait for all hosts ends when all that there are were told of, and each is where it should be on the status branch.
func TestUntil(t *testing.T) {
	t.Parallel()
	unpushed := func(h *daemon.HostView) { h.Pushed = false }
	all := daemon.Event{At: time.Now(), All: true}
	for name, test := range map[string]struct {
		host   string
		events []daemon.Event
		done   bool
	}{
		"the first of several":   {"", []daemon.Event{is("a", plan.Active)}, false},
		"all":                    {"", []daemon.Event{is("a", plan.Active), is("b", plan.Active), all}, true},
		"one is not":             {"", []daemon.Event{is("a", plan.Active), is("b", plan.Held), all}, false},
		"later":                  {"", []daemon.Event{is("a", plan.Active), is("b", plan.Held), all, is("b", plan.Active)}, true},
		"not on the branch":      {"", []daemon.Event{is("a", plan.Active, unpushed), all}, false},
		"none":                   {"", []daemon.Event{all}, false},
		"the host":               {"b", []daemon.Event{is("a", plan.Held), is("b", plan.Active)}, true},
		"another host":           {"b", []daemon.Event{is("a", plan.Active), all}, false},
		"the host left it again": {"b", []daemon.Event{is("b", plan.Active), is("b", plan.Held)}, false},
	} {
		var out bytes.Buffer
		w := terminal.NewWatcher(&out, false, test.host, "Active")
		done := false
		for _, e := range test.events {
			done = w.ShowEvent(e)
		}
		if done != test.done {
			t.Errorf("%s: done = %t, want %t", name, done, test.done)
		}
	}
}

// A host that is called otherwise meanwhile is the one that is waited for.
func TestARenamedHostIsWaitedFor(t *testing.T) {
	t.Parallel()
	renamed := is("www-2", plan.Active, func(h *daemon.HostView) { h.Metadata.ID = "web-2" })
	for _, word := range []string{"web-2", "id:web-2"} {
		w := terminal.NewWatcher(&bytes.Buffer{}, false, word, "Active")
		if w.ShowEvent(is("web-2", plan.Installing)) || w.ShowEvent(is("web-3", plan.Active)) {
			t.Errorf("%s: the wait is over too soon", word)
		}
		if !w.ShowEvent(renamed) {
			t.Errorf("%s: the wait goes on, want it over", word)
		}
	}
}

// A line is said once, and nothing in it moves the cursor but ours.
func TestLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := terminal.NewWatcher(&out, true, "", "")
	hostile := func(h *daemon.HostView) {
		h.Hold = &status.Hold{Message: "disk \x1b]0;title\x07 \u009b31m\r\n\u202e held", Consent: []string{"S1/\x1b[1m"}, Countersign: []string{"git tag \x1b[1m", "git push"}}
	}
	w.ShowEvent(is("a", plan.Held, hostile))
	w.ShowEvent(is("a", plan.Held, hostile))
	w.ShowEvent(daemon.Event{At: time.Now(), Name: "b", ID: "b", Job: &wire.Progress{Done: 1e9, Total: 2e9}})
	w.ShowEvent(daemon.Event{At: time.Now(), Name: "c", ID: "c", Job: &wire.Progress{Step: "burn\x1b-in", Done: 3, Total: 4}})
	w.ShowEvent(daemon.Event{At: time.Now(), Fleet: &daemon.View{Source: "no \x1b[2J answer"}})
	w.EndLine()
	text := strings.ReplaceAll(out.String(), "\r\x1b[K", "")
	for _, part := range []string{"\x1b", "\x07", "\u009b", "\u202e", "\r"} {
		if strings.Contains(text, part) {
			t.Errorf("%q reaches the terminal: %q", part, text)
		}
	}
	for _, part := range []string{"Held: disk", `ingot consent a  (consent: {erase: "S1/\x1b[1m"})`, "somebody else who may sign tags runs: git tag  [1m && git push", "has read 1000 of 2000 MB, 50%", "-in: 75%", "the fleet cannot be read: no"} {
		if strings.Count(text, part) != 1 {
			t.Errorf("%q is not said once: %q", part, text)
		}
	}
}

// broken is a terminal that went away.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

func TestTableTellsOfABrokenOutput(t *testing.T) {
	t.Parallel()
	if err := terminal.WriteTable(broken{}, daemon.View{}); err == nil {
		t.Error("Table to a broken output succeeded")
	}
}
