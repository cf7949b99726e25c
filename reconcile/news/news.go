// Package news tells watchers what is worth another look: ids of hosts, without a word of what is to be seen there. A watcher that is slow loses none of them, and
// never holds up who tells: an id that it has not taken yet is told once, however often it is news.
package news

import (
	"maps"
	"slices"
	"sync"

	"github.com/gitmetal/ingot/inventory"
)

// News has the watchers. The zero value is ready.
type News struct {
	mu       sync.Mutex
	watchers map[*Watch]struct{}
}

// Watch gives what is told from now on until its Stop.
func (n *News) Watch() *Watch {
	w := &Watch{news: n, ids: map[inventory.MachineID]struct{}{}, some: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers == nil {
		n.watchers = map[*Watch]struct{}{}
	}
	n.watchers[w] = struct{}{}
	return w
}

// Tell says that a host, or with "" the whole fleet, is worth another look. It waits for nobody.
func (n *News) Tell(id inventory.MachineID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watchers {
		w.ids[id] = struct{}{}
		select {
		case w.some <- struct{}{}:
		default:
		}
	}
}

// Watch is one watcher's.
type Watch struct {
	news *News
	ids  map[inventory.MachineID]struct{} // told and not taken
	some chan struct{}
}

// Some has a token when there may be ids to take.
func (w *Watch) Some() <-chan struct{} { return w.some }

// Take gives the ids that were told since the last Take, sorted.
func (w *Watch) Take() []inventory.MachineID {
	w.news.mu.Lock()
	defer w.news.mu.Unlock()
	ids := slices.Sorted(maps.Keys(w.ids))
	clear(w.ids)
	return ids
}

// Stop ends the watch; it may be called again.
func (w *Watch) Stop() {
	w.news.mu.Lock()
	defer w.news.mu.Unlock()
	delete(w.news.watchers, w)
}
