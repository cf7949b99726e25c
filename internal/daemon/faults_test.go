package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// fault is something wrong with a machine, the fleet, or what lies between them, and the one line that everybody reads about it.
type fault struct {
	name     string
	machines int                        // in the rack; 0 is one. The fault is about machine-1.
	found    func(*testing.T, *world)   // makes what the daemon finds when it starts; nil: a fleet as it should be
	until    func(daemon.HostView) bool // what the machines come to before the fault strikes; nil: it is there from the start
	strikes  func(*testing.T, *world)   // makes the fault while the daemon runs
	looks    int                        // times the ramdisk starts to look at a machine that nobody has looked at; never more than once

	where  place
	phase  plan.Phase    // what the host comes to
	reason change.Reason // of its hold; "" when it has none
	line   string        // {bmc}, {commit} and the like stand for what no two runs share
	also   func(*testing.T, *world)
}

// place is where a fault is told, beside the terminal.
type place string

const (
	hostPage  place = "the host's page and the board"
	fleetPage place = "the fleet's page and the board"
	noPage    place = "no page" // the status branch cannot be pushed
)

// TestFaults has each fault give one clear line in status and on the terminal, and erase, reboot and power nothing.
func TestFaults(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "ingot")
	made := sync.OnceValues(func() ([]byte, error) {
		return exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/ingot").CombinedOutput()
	})
	for _, f := range slices.Concat(faultsOfImages(), faultsOfDisks(), faultsOfBMCs(), faultsOfFleets()) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, max(f.machines, 1))
			w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 50ms")
			line := w.pattern(t, f.line)
			before := w.happen(t, f)
			w.awaitLine(t, f, line)
			w.awaitAnotherLook(t, f, line)
			w.onTheBranch(t, f, line)
			if out, err := made(); err != nil {
				t.Fatalf("go build: %v: %s", err, out)
			}
			w.onTheTerminal(t, f, line, program)
			w.untouched(t, f, before)
			if f.also != nil {
				f.also(t, w)
			}
		})
	}
}

// happen brings the world to the fault. It gives the machines as they were before.
func (w *world) happen(t *testing.T, f fault) (before map[string]machineState) {
	t.Helper()
	if f.found != nil {
		f.found(t, w)
	}
	if f.until == nil {
		before = w.states(t)
		w.start(t)
		return before
	}
	w.start(t)
	w.await(t, max(f.machines, 1), "ready for the fault", f.until)
	before = w.states(t)
	f.strikes(t, w)
	return before
}

func (w *world) states(t *testing.T) map[string]machineState {
	t.Helper()
	states := map[string]machineState{}
	for _, m := range w.rack.Description().Machines {
		state := w.state(t, m.Name)
		state.Story = slices.DeleteFunc(state.Story, func(op string) bool { return op == string(oplog.LoginRefused) })
		states[m.Name] = state
	}
	return states
}

// untouched compares the machines with what they were: power, disks, installs, and every operation of their BMCs.
func (w *world) untouched(t *testing.T, f fault, before map[string]machineState) {
	t.Helper()
	after := w.states(t)
	if f.looks > 0 {
		first := after["machine-1"]
		if diff := cmp.Diff(inspection(), kinds(first.Story)); diff != "" {
			t.Errorf("more was done than one look from the ramdisk (-want +got):\n%s", diff)
		}
		first.Power, first.Story = before["machine-1"].Power, before["machine-1"].Story
		after["machine-1"] = first
	}
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a machine was touched (-before +after):\n%s", diff)
	}
}

// inspection is what a BMC does for one look at a machine that was off.
func inspection() []string { return []string{"insert", "override", "power-on", "start"} }

func kinds(story []string) []string {
	var words []string
	for _, line := range story {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	return words
}

// awaitLine waits until the daemon says the line, and has it on the status branch.
func (w *world) awaitLine(t *testing.T, f fault, line *regexp.Regexp) {
	t.Helper()
	var host, fleet string
	w.follow(t, func() string { return fmt.Sprintf("%s\nthe fleet says %s\nthe host says %s", line, fleet, host) }, func(e daemon.Event) bool {
		if e.Fleet != nil {
			fleet = fmt.Sprintf("%+v", *e.Fleet)
			return f.where == fleetPage && len(e.Fleet.Findings) == 1 && says(e.Fleet.Findings[0], line) ||
				f.where == noPage && says(e.Fleet.Publish, line)
		}
		if e.Host == nil || e.Host.Metadata.Name != "machine-1" {
			return false
		}
		host = fmt.Sprintf("%s %+v waits=%q trouble=%q error=%q", e.Host.Phase, e.Host.Hold, e.Host.Waits, e.Host.Trouble, e.Host.Error)
		return f.where == hostPage && e.Host.Pushed && f.told(e.Host.Document, line)
	})
}

// told reports whether a document says the line, and nothing else that is wrong.
func (f fault) told(d status.Document, line *regexp.Regexp) bool {
	if d.Phase != f.phase || d.Error != "" {
		return false
	}
	if d.Hold == nil {
		return f.reason == "" && says(d.Waits, line)
	}
	return d.Hold.Reason == f.reason && says(d.Hold.Message, line)
}

// awaitAnotherLook has the daemon look again at what is still wrong: a commit that changes nothing of a host asks for no
// look, so that the commit changes a label. No commit has an orphan looked at again.
func (w *world) awaitAnotherLook(t *testing.T, f fault, line *regexp.Regexp) {
	t.Helper()
	if f.where == fleetPage {
		return // no look follows from a refused commit
	}
	since := time.Now()
	_, err := os.Stat(filepath.Join(w.dir, "fleet", "hosts", "machine-1.yaml"))
	if orphan := errors.Is(err, os.ErrNotExist); orphan {
		return
	}
	w.edit(t, "hosts/machine-1.yaml", "rack: lab", "rack: lab, look: again")
	w.push(t, "another label")
	commit := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	accepted := false
	w.follow(t, func() string { return "another look" }, func(e daemon.Event) bool {
		accepted = accepted || e.Fleet != nil && e.Fleet.Commit == commit
		looked := accepted && e.Host != nil && e.Host.Metadata.Name == "machine-1" && e.Host.Looked.After(since)
		return looked && (f.where == noPage || e.Host.Pushed && f.told(e.Host.Document, line))
	})
}

// follow takes events until one is what is waited for.
func (w *world) follow(t *testing.T, what func() string, wanted func(daemon.Event) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := daemon.Connect(w.socket()).FollowEvents(ctx, wanted); err != nil {
		t.Fatalf("waited in vain: %v: for %s", err, what())
	}
}

func (w *world) socket() string { return filepath.Join(w.dir, w.stateDir(), "ingot.sock") }

// onTheBranch reads the line as people do who have the repository alone.
func (w *world) onTheBranch(t *testing.T, f fault, line *regexp.Regexp) {
	t.Helper()
	if f.where == noPage {
		return
	}
	board := ""
	w.follow(t, func() string { return fmt.Sprintf("one line of the board to say %s:\n%s", line, board) }, func(e daemon.Event) bool {
		if e.Fleet == nil { // there is one after each push
			return false
		}
		w.git(t, "fetch", "--quiet", "origin")
		board = unescape(w.git(t, "show", "origin/ingot/status:"+status.BoardPath), f.line)
		return linesWith(board, line) == 1
	})
	if f.where == fleetPage {
		return
	}
	page, err := status.Parse([]byte(w.git(t, "show", "origin/ingot/status:"+status.Path("machine-1"))))
	if err != nil || !f.told(page, line) {
		t.Errorf("the page of machine-1 (%v) is %+v, want %s %s %s", err, page, f.phase, f.reason, line)
	}
}

// onTheTerminal reads the line as people do who ask the daemon.
func (w *world) onTheTerminal(t *testing.T, f fault, line *regexp.Regexp, program string) {
	t.Helper()
	args := []string{"status", "--config", filepath.Join(w.dir, "ingot.yaml")}
	if f.where == hostPage {
		args = append(args, "machine-1")
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if n := linesWith(string(out), line); err != nil || n != 1 {
		t.Errorf("ingot %s (%v): %d lines say %s:\n%s", strings.Join(args, " "), err, n, line, out)
	}
}

func linesWith(text string, line *regexp.Regexp) (n int) {
	for l := range strings.Lines(text) {
		if line.MatchString(l) {
			n++
		}
	}
	return n
}

// unescape reads a board as a browser shows it. It has other quotes for the backticks of a line.
func unescape(board, line string) string {
	board = strings.ReplaceAll(html.UnescapeString(board), "\u200b", "")
	for quoted := range strings.SplitSeq(line, "`") {
		board = strings.ReplaceAll(board, "'"+quoted+"'", "`"+quoted+"`")
	}
	return board
}

// pattern is a fault's line with this world's values in it.
func (w *world) pattern(t *testing.T, line string) *regexp.Regexp {
	t.Helper()
	rack := w.rack.Description()
	bmc, err := url.Parse(rack.Machines[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	exact := strings.NewReplacer("{bmc}", bmc.Host, "{image}", rack.Image.URL, "{sha256}", rack.Image.SHA256, "{wrong}", wrongDigest, "{dir}", w.dir).Replace(line)
	return regexp.MustCompile(strings.NewReplacer(`\{commit\}`, "[0-9a-f]{12}", `\{time\}`, `[-0-9T:]+Z`, `\{git\}`, `.+`, `\{digest\}`, "[0-9a-f]{16}", `\{recipient\}`, "age1[0-9a-z]{8}…[0-9a-z]{4}").Replace(regexp.QuoteMeta(exact)))
}

// says reports whether a text is the line and nothing else.
func says(text string, line *regexp.Regexp) bool { return text != "" && line.FindString(text) == text }
