// Package news tells watchers what is worth another look: names, without a word of what is to be seen there. A watcher that is slow loses none of them, and
// never holds up who tells: a name that it has not taken yet is told once, however often it is news.
package news

import (
	"maps"
	"slices"
	"sync"
)

// News has the watchers. The zero value is ready.
type News struct {
	mu       sync.Mutex
	watchers map[*Watch]struct{}
}

// Watch gives what is told from now on until its Stop.
func (n *News) Watch() *Watch {
	w := &Watch{news: n, names: map[string]struct{}{}, some: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers == nil {
		n.watchers = map[*Watch]struct{}{}
	}
	n.watchers[w] = struct{}{}
	return w
}

// Tell says that a name is worth another look. It waits for nobody.
func (n *News) Tell(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watchers {
		w.names[name] = struct{}{}
		select {
		case w.some <- struct{}{}:
		default:
		}
	}
}

// Watch is one watcher's.
type Watch struct {
	news  *News
	names map[string]struct{} // told and not taken
	some  chan struct{}
}

// Some has a token when there may be names to take.
func (w *Watch) Some() <-chan struct{} { return w.some }

// Take gives the names that were told since the last Take, sorted.
func (w *Watch) Take() []string {
	w.news.mu.Lock()
	defer w.news.mu.Unlock()
	names := slices.Sorted(maps.Keys(w.names))
	clear(w.names)
	return names
}

// Stop ends the watch; it may be called again.
func (w *Watch) Stop() {
	w.news.mu.Lock()
	defer w.news.mu.Unlock()
	delete(w.news.watchers, w)
}
