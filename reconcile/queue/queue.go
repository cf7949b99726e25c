// Package queue says which hosts are due for a look, how many looks happen at a time, and when the next look is due.
package queue

import (
	"container/heap"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Queue of hosts. A host is in it at most once, with the earliest time anybody asked for; while it is being looked at
// it is not given out again, and what is asked for meanwhile counts afterwards. It is safe for concurrent use.
type Queue struct {
	mu      sync.Mutex
	entries map[inventory.MachineID]*queued
	heap    dueHeap
	changed chan struct{} // holds one token when there may be something new to take
}

type queued struct {
	host  inventory.MachineID
	due   time.Time
	index int // in the heap; -1 when not there
	busy  bool
	again time.Time // asked for while busy; zero when not
}

// New makes an empty queue.
func New() *Queue {
	return &Queue{entries: map[inventory.MachineID]*queued{}, changed: make(chan struct{}, 1)}
}

// Changed gives a token when there may be something new to take.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// AddHost asks for a look at the host at a time, or earlier if that was asked for before.
func (q *Queue) AddHost(host inventory.MachineID, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[host]
	if e == nil {
		e = &queued{host: host, index: -1}
		q.entries[host] = e
	}
	switch {
	case e.busy:
		if e.again.IsZero() || due.Before(e.again) {
			e.again = due
		}
		return
	case e.index < 0:
		e.due = due
		heap.Push(&q.heap, e)
	case due.Before(e.due):
		e.due = due
		heap.Fix(&q.heap, e.index)
	default:
		return
	}
	q.signalChange()
}

// NextDue gives the host that is due longest and marks it busy, or, where none is due, the time of the next one; zero when
// there is none.
func (q *Queue) NextDue(now time.Time) (id inventory.MachineID, due bool, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return "", false, time.Time{}
	}
	if q.heap[0].due.After(now) {
		return "", false, q.heap[0].due
	}
	e := heap.Pop(&q.heap).(*queued)
	e.busy, e.again = true, time.Time{}
	return e.host, true, now
}

// FinishLook ends a look; the host is due again at a time, or earlier if that was asked for meanwhile.
func (q *Queue) FinishLook(host inventory.MachineID, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[host]
	if !e.again.IsZero() && e.again.Before(due) {
		due = e.again
	}
	e.busy, e.due = false, due
	heap.Push(&q.heap, e)
	q.signalChange()
}

func (q *Queue) signalChange() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// dueHeap orders by time, then by id, so that the same situation always plays out the same.
type dueHeap []*queued

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].host < h[j].host
	}
	return h[i].due.Before(h[j].due)
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	e := x.(*queued)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
