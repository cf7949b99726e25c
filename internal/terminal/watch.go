// Package terminal shows what a daemon knows and does to a person at a terminal.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Watcher turns a daemon's events into lines.
type Watcher struct {
	out      io.Writer
	terminal bool
	host     string              // the word for the one that is shown; "" shows all
	id       inventory.MachineID // of that one, once it was seen: it may be called otherwise meanwhile
	until    string
	start    time.Time
	said     map[inventory.MachineID]string // what was said last
	phases   map[inventory.MachineID]string
	writes   map[inventory.MachineID]write
	fleet    string
	all      bool // every host was told of once
	open     bool // the cursor is behind a line that moves
}

// write is the progress of one host's image.
type write struct {
	done    int64
	at      time.Time
	shown   time.Time
	percent int64
}

// NewWatcher writes to out; terminal says that it is one. Of one host only, if one is named; until is the phase in which all hosts shown end the wait.
func NewWatcher(out io.Writer, terminal bool, host, until string) *Watcher {
	return &Watcher{out: out, terminal: terminal, host: host, until: until, start: time.Now(),
		said: map[inventory.MachineID]string{}, phases: map[inventory.MachineID]string{}, writes: map[inventory.MachineID]write{}}
}

// Event shows one event; done means that the wait is over.
func (w *Watcher) Event(e daemon.Event) (done bool) {
	switch {
	case e.All:
		w.all = true
	case e.Fleet != nil:
		w.fleetLine(e)
	case e.Host != nil && w.Shows(e):
		w.hostLine(e)
	case e.Job != nil && w.Shows(e):
		w.jobLine(e)
	}
	return w.reached()
}

// Shows reports whether an event is of the host that is shown, or all hosts are.
func (w *Watcher) Shows(e daemon.Event) bool {
	name, id := e.Of()
	if w.id == "" && daemon.Means(w.host, name, id) {
		w.id = id
	}
	return w.host == "" || w.id != "" && w.id == id
}

func (w *Watcher) reached() bool {
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

// End leaves the cursor at the beginning of a line.
func (w *Watcher) End() {
	if w.open {
		fmt.Fprintln(w.out)
	}
}

func (w *Watcher) line(at time.Time, name, text string) {
	if w.open {
		fmt.Fprint(w.out, "\r\x1b[K")
		w.open = false
	}
	fmt.Fprintf(w.out, "%6.1fs  %-12s %s\n", at.Sub(w.start).Seconds(), name, text)
}

func (w *Watcher) fleetLine(e daemon.Event) {
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
	text = plain(text)
	if text != "" && text != w.fleet {
		w.line(e.At, "fleet", text)
		w.fleet = text
	}
}

func (w *Watcher) hostLine(e daemon.Event) {
	h, name, id := e.Host, e.Host.Metadata.Label(), e.Host.Metadata.Host()
	text := string(h.Phase)
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
		text += fmt.Sprintf(": %s from commit %.10s on disk %s", h.Installed.Workload, h.Installed.Commit, h.Installed.Disk.Label())
		if !h.Installed.PhoneHome.IsZero() {
			text += fmt.Sprintf(", phoned home %s", h.Installed.PhoneHome.Format(time.TimeOnly))
		}
	}
	text = plain(text)
	if h.Hold != nil && h.Hold.Consent != "" {
		text += fmt.Sprintf("\n%22sto allow it: ingot consent %s  (consent: {erase: %q})", "", e.Host.Metadata.Name, h.Hold.Consent)
	}
	if h.Hold != nil && len(h.Hold.Countersign) > 0 {
		text += fmt.Sprintf("\n%22sto sign the tag too, somebody else who may sign tags runs: %s", "", plain(strings.Join(h.Hold.Countersign, " && ")))
	}
	if text != w.said[id] {
		w.line(e.At, name, text)
		w.said[id] = text
	}
	// A phase counts once the status branch says so.
	if h.Pushed {
		w.phases[id] = string(h.Phase)
	} else {
		w.phases[id] = ""
	}
}

// jobLine shows the write: bytes, percent, rate.
func (w *Watcher) jobLine(e daemon.Event) {
	j := e.Job
	if j.Total == 0 {
		return
	}
	_, id := e.Of()
	before := w.writes[id]
	percent := 100 * int64(j.Done) / int64(j.Total)
	if e.At.Sub(before.shown) < 500*time.Millisecond && percent < 100 || percent == before.percent {
		return
	}
	rate := ""
	if before.done > 0 && int64(j.Done) > before.done {
		rate = fmt.Sprintf(", %.1f MB/s", float64(int64(j.Done)-before.done)/1e6/e.At.Sub(before.at).Seconds())
	}
	text := fmt.Sprintf("Installing: coreos-installer has read %d of %d MB, %d%%%s", j.Done/1e6, j.Total/1e6, percent, rate)
	w.writes[id] = write{done: int64(j.Done), at: e.At, shown: e.At, percent: percent}
	switch {
	case w.terminal:
		fmt.Fprintf(w.out, "\r\x1b[K%6.1fs  %-12s %s", e.At.Sub(w.start).Seconds(), e.Name, text)
		w.open = true
	case percent/10 != before.percent/10:
		w.line(e.At, e.Name, text)
	default:
	}
}
