//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// follow takes the daemon's events, over its restarts, until take is done.
func (w *world) follow(what string, take func(daemon.Event) (done bool)) {
	w.Helper()
	last := "nothing was heard of it"
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	err := w.client.FollowEvents(ctx, func(e daemon.Event) bool {
		if h := e.Host; h != nil {
			last = fmt.Sprintf("%s at commit %.10s, waits for %q, hold %+v, trouble %q, error %q", h.Phase, h.Commit, h.Waits, h.Hold, h.Trouble, h.Error)
		}
		return take(e)
	})
	if err != nil {
		w.Fatalf("waited in vain for %s: %v; %s was %s", what, err, host, last)
	}
	w.say("%s", what)
}

// await follows the daemon's events until the host is as wanted, and the status branch says so.
func (w *world) await(what string, wanted func(daemon.HostView) bool) daemon.HostView {
	w.Helper()
	var view daemon.HostView
	w.follow(what, func(e daemon.Event) bool {
		if e.Host == nil || !e.Host.Pushed || !wanted(*e.Host) {
			return false
		}
		view = *e.Host
		return true
	})
	return view
}

// awaitActive waits until the machine runs what a commit asks for.
func (w *world) awaitActive(commit string) daemon.HostView {
	w.Helper()
	return w.await(fmt.Sprintf("Active at commit %.10s", commit), func(h daemon.HostView) bool {
		return h.Phase == plan.Active && h.Commit == commit && h.Installed != nil
	})
}

// middle is where the middle of a write ends, in percent of the image.
const middle = 80

// awaitWrite waits for the middle of coreos-installer's write: from a percentage of the image on, and with so many bytes on the disk. It gives the
// host as it was then.
func (w *world) awaitWrite(from uint64, bytes int64) daemon.HostView {
	w.Helper()
	var view daemon.HostView
	var percent uint64
	w.follow("the middle of the write", func(e daemon.Event) bool {
		if e.Host != nil {
			view = *e.Host
		}
		if e.Job == nil || e.Job.Total == 0 || view.Operation == nil {
			return false
		}
		percent = 100 * e.Job.Done / e.Job.Total
		return percent > middle || percent >= from && w.written() >= bytes
	})
	if percent > middle || view.Phase != plan.Installing {
		w.Fatalf("%s at %d %% of the image with %d bytes on the disk; want %s between %d and %d %% with %d", view.Phase, percent, w.written(), plan.Installing, from, middle, bytes)
	}
	w.say("%d %%, %d MB on the disk, operation %s attempt %d", percent, w.written()/1e6, view.Operation.ID, view.Operation.Attempt)
	return view
}

// awaitState waits until the rack says that the machine is as wanted.
func (w *world) awaitState(what string, wanted func(lab.MachineState) bool) {
	w.Helper()
	w.poll(what, func() bool { return wanted(w.state()) })
}

// awaitConsole waits until the console's log, from a place in it on, contains a text.
func (w *world) awaitConsole(from int, text string) {
	w.Helper()
	w.poll(fmt.Sprintf("the console to say %q", text), func() bool { return strings.Contains(w.console(from), text) })
}

// console is the log of the serial console from a place in it on.
func (w *world) console(from int) string {
	w.Helper()
	return w.read(host, "console.log")[from:]
}

// poll looks at what sends no events until it is as wanted.
func (w *world) poll(what string, holds func() bool) {
	w.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			w.Fatalf("waited in vain for %s", what)
		}
	}
}
