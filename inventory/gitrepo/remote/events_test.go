package remote

import (
	"testing"

	"github.com/fsnotify/fsnotify"
)

// The daemon's own pushes to the status branch ask for no look at the fleet; every other event does, and several are one until somebody looks.
func TestOurBranchIsNotToldOf(t *testing.T) {
	t.Parallel()
	watcher := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
	signals := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		refWatcher{watcher, "/fleet.git/refs/heads/ingot/status"}.forwardEvents(signals)
	}()
	// An event that was taken means that all before it were told.
	happen := func(names ...string) {
		for _, name := range append(names, "ingot/status") {
			watcher.Events <- fsnotify.Event{Name: "/fleet.git/refs/heads/" + name, Op: fsnotify.Create}
		}
	}
	happen("ingot/status.lock", "ingot/status")
	if len(signals) > 0 {
		t.Error("told of the status branch")
	}
	happen("main.lock", "main", "ingot/status-of-another")
	if len(signals) != 1 {
		t.Error("not told of the trunk")
	}
	<-signals
	watcher.Errors <- fsnotify.ErrEventOverflow
	happen()
	if len(signals) != 1 {
		t.Error("not told of lost events")
	}
	close(watcher.Events)
	<-ended
}
