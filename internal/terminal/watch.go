// Package terminal shows the daemon's state and events to a person: WriteTable prints a View, and a Watcher turns
// events into lines. Text from machines and commits must go through stripControls.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// Watcher turns a daemon's events into lines.
type Watcher struct {
	out      io.Writer
	terminal bool
	host     string              // the word for the only host shown; "" shows all
	id       inventory.MachineID // of that host, once seen: its name may change meanwhile
	until    string
	start    time.Time
	said     map[inventory.MachineID]string // last line of a host
	phases   map[inventory.MachineID]string
	writes   map[inventory.MachineID]write
	fleet    string
	all      bool // every host was seen once
	open     bool // the cursor is behind a progress line
}

// write is the progress of a host's image.
type write struct {
	done    int64
	at      time.Time
	shown   time.Time
	percent int64
}

// NewWatcher writes to out, with a moving progress line if terminal is set. A non-empty host limits the output to that
// host. The wait ends when all shown hosts are in the phase until.
func NewWatcher(out io.Writer, terminal bool, host, until string) *Watcher {
	return &Watcher{out: out, terminal: terminal, host: host, until: until, start: time.Now(),
		said: map[inventory.MachineID]string{}, phases: map[inventory.MachineID]string{},
		writes: map[inventory.MachineID]write{}}
}

// ShowEvent shows an event; done means that the wait is over.
func (w *Watcher) ShowEvent(e daemon.Event) (done bool) {
	switch {
	case e.All:
		w.all = true
	case e.Fleet != nil:
		w.writeFleetLine(e)
	case e.Host != nil && w.IsShown(e):
		w.writeHostLine(e)
	case e.Job != nil && w.IsShown(e):
		w.writeJobLine(e)
	}
	return w.reachedPhase()
}

// IsShown reports whether the event's host is shown.
func (w *Watcher) IsShown(e daemon.Event) bool {
	name, id := e.HostOf()
	if w.id == "" && daemon.MeansHost(w.host, name, id) {
		w.id = id
	}
	return w.host == "" || w.id != "" && w.id == id
}

func (w *Watcher) reachedPhase() bool {
	if w.until == "" || len(w.phases) == 0 || !w.all && w.host == "" {
		return false
	}
	for _, phase := range w.phases {
		if phase != w.until {
			return false
		}
	}
	return true
}

// EndLine moves the cursor to the beginning of a line.
func (w *Watcher) EndLine() {
	if w.open {
		fmt.Fprintln(w.out)
	}
}

func (w *Watcher) writeLine(at time.Time, name, text string) {
	if w.open {
		fmt.Fprint(w.out, "\r\x1b[K")
		w.open = false
	}
	fmt.Fprintf(w.out, "%6.1fs  %-12s %s\n", at.Sub(w.start).Seconds(), name, text)
}

func (w *Watcher) writeFleetLine(e daemon.Event) {
	f := e.Fleet
	text := ""
	switch {
	case f.Another != "":
		text = "nothing is done: " + f.Another
	case f.Source != "":
		text = "the fleet cannot be read: " + f.Source
	case f.Refused != "":
		text = fmt.Sprintf("commit %.10s is refused: %s", f.Refused, strings.Join(f.Findings, "; "))
	case f.Frozen != "":
		text = "nothing is erased until an operator has looked: " + f.Frozen
	case f.Paused != "":
		text = "nothing begins: " + f.Paused
	case f.Publish != "":
		text = "status is not pushed: " + f.Publish
	case f.Commit != "":
		text = fmt.Sprintf("commit %.10s accepted: %s", f.Commit, f.Title)
	}
	text = stripControls(text)
	if text != "" && text != w.fleet {
		w.writeLine(e.At, "fleet", text)
		w.fleet = text
	}
}

func (w *Watcher) writeHostLine(e daemon.Event) {
	h, name, id := e.Host, e.Host.Metadata.Label(), e.Host.Metadata.Host()
	text := string(h.Phase)
	if op := h.Operation; op != nil && len(op.Steps) > 1 && op.Describe() != "" {
		text += ", " + op.Describe()
	}
	switch {
	case h.Hold != nil:
		text += ": " + h.Hold.Message
	case h.Image.Total > 0:
		text += fmt.Sprintf(": fetching the image into the mirror, %d%%", 100*h.Image.Done/h.Image.Total)
	case h.Trouble != "":
		text += ": " + h.Trouble
	case h.Phase == plan.Pending:
		text += ": " + h.Waits
	case h.Waits != "":
		text += ": waits for " + h.Waits
	case h.NextDo != "":
		text += fmt.Sprintf(": %s, %s", h.NextDo, h.NextWhy)
	case h.Phase == "Active" && h.Installed != nil:
		text += fmt.Sprintf(": %s from commit %.10s on disk %s", h.Installed.Workload, h.Installed.Commit,
			h.Installed.Disk.Label())
		if !h.Installed.PhoneHome.IsZero() {
			text += fmt.Sprintf(", phoned home %s", h.Installed.PhoneHome.Format(time.TimeOnly))
		}
	}
	if trouble := h.SecretTrouble(); trouble != "" {
		text += "; besides, the BMC is not asked: " + trouble
	}
	text = stripControls(text)
	if h.Hold != nil && len(h.Hold.Consent) > 0 {
		text += fmt.Sprintf("\n%22sto allow it: ingot consent %s  (consent: {erase: %s})", "", e.Host.Metadata.Name,
			h.Hold.Consent)
	}
	if h.Hold != nil && len(h.Hold.Countersign) > 0 {
		text += fmt.Sprintf("\n%22sto sign the tag too, somebody else who may sign tags runs: %s", "",
			stripControls(strings.Join(h.Hold.Countersign, " && ")))
	}
	if text != w.said[id] {
		w.writeLine(e.At, name, text)
		w.said[id] = text
	}
	// A phase counts once it is on the status branch.
	if h.Pushed {
		w.phases[id] = string(h.Phase)
	} else {
		w.phases[id] = ""
	}
}

// writeJobLine shows the progress of a write: bytes, percent, rate.
func (w *Watcher) writeJobLine(e daemon.Event) {
	j := e.Job
	if j.Total == 0 {
		return
	}
	_, id := e.HostOf()
	before := w.writes[id]
	percent := 100 * int64(j.Done) / int64(j.Total)
	if e.At.Sub(before.shown) < 500*time.Millisecond && percent < 100 || percent == before.percent {
		return
	}
	rate := ""
	if before.done > 0 && int64(j.Done) > before.done {
		rate = fmt.Sprintf(", %.1f MB/s", float64(int64(j.Done)-before.done)/1e6/e.At.Sub(before.at).Seconds())
	}
	text := fmt.Sprintf("Installing: coreos-installer has read %d of %d MB, %d%%%s", j.Done/1e6, j.Total/1e6, percent,
		rate)
	if j.Step != "" && j.Step != schemas.StepInstall {
		text = fmt.Sprintf("step %s: %d%%", stripControls(j.Step), percent)
	}
	w.writes[id] = write{done: int64(j.Done), at: e.At, shown: e.At, percent: percent}
	switch {
	case w.terminal:
		fmt.Fprintf(w.out, "\r\x1b[K%6.1fs  %-12s %s", e.At.Sub(w.start).Seconds(), e.Name, text)
		w.open = true
	case percent/10 != before.percent/10:
		w.writeLine(e.At, e.Name, text)
	default:
	}
}
