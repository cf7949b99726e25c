// Package watch tells watchers which hosts changed: the ids only, without what changed. Make a Watcher with
// Notifier.Watch, wait for Watcher.Changed, then read the hosts anew. A slow watcher loses no id and never blocks the
// notifier: an id that the watcher has not taken yet is kept once, however often the host changes.
package watch

import (
	"maps"
	"slices"
	"sync"

	"github.com/gitmetal/ingot/inventory"
)

// Notifier notifies its watchers. The zero value is ready. It is safe for concurrent use.
type Notifier struct {
	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// Watch gives a watcher that gets every id from now on until its Stop.
func (n *Notifier) Watch() *Watcher {
	w := &Watcher{notifier: n, ids: map[inventory.MachineID]struct{}{}, changed: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers == nil {
		n.watchers = map[*Watcher]struct{}{}
	}
	n.watchers[w] = struct{}{}
	return w
}

// Notify tells every watcher that a host, or with "" the whole fleet, changed. It never blocks.
func (n *Notifier) Notify(id inventory.MachineID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watchers {
		w.ids[id] = struct{}{}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// Watcher collects the ids of hosts that changed.
type Watcher struct {
	notifier *Notifier
	ids      map[inventory.MachineID]struct{} // notified and not taken yet
	changed  chan struct{}
}

// Changed has a token when there may be ids to take.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// TakeIDs gives the ids since the last TakeIDs, sorted.
func (w *Watcher) TakeIDs() []inventory.MachineID {
	w.notifier.mu.Lock()
	defer w.notifier.mu.Unlock()
	ids := slices.Sorted(maps.Keys(w.ids))
	clear(w.ids)
	return ids
}

// Stop ends the watch. It may be called again.
func (w *Watcher) Stop() {
	w.notifier.mu.Lock()
	defer w.notifier.mu.Unlock()
	delete(w.notifier.watchers, w)
}
