// Package queue keeps the hosts that are due for a look, and computes when the next look is due. Call Queue.AddHost to
// ask for a look, Queue.NextDue to get a host and Queue.FinishLook at the end of the look; Limits.NextLook turns the
// outcome of a look into a pause. Do not add pauses elsewhere.
package queue

import (
	"container/heap"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Queue holds each host at most once, with the earliest requested time. A host in a look is not handed out again;
// requests during the look count afterwards. Safe for concurrent use.
type Queue struct {
	mu      sync.Mutex
	entries map[inventory.MachineID]*queued
	heap    dueHeap
	changed chan struct{} // holds one token when there may be a new due host
}

type queued struct {
	host  inventory.MachineID
	due   time.Time
	index int // index in the heap; -1 outside the heap
	busy  bool
	again time.Time // earliest request while busy; zero without a request
}

// New makes an empty queue.
func New() *Queue {
	return &Queue{entries: map[inventory.MachineID]*queued{}, changed: make(chan struct{}, 1)}
}

// Changed gives a token when there may be a new due host.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// AddHost asks for a look at the host at a time; an earlier request stays.
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

// NextDue gives the host that is due longest and marks the host busy. Without a due host NextDue gives the next due
// time; zero for an empty queue.
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

// FinishLook ends a look. The host is due again at the given time, or at the earlier time of a request during the
// look.
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

// dueHeap orders by time, then by id, so that a history can be repeated.
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
