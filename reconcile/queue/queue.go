// Package queue keeps the hosts that are due for a look, in lanes, and computes when the next look is due. Call
// Queue.AddHost to ask for a look, Queue.NextDue to get a host with a place, and Queue.FinishLook at the end of the
// look; Limits.NextLook turns the outcome of a look into a pause. Do not add pauses elsewhere.
package queue

import (
	"container/heap"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Lane is a share of the workers. A host never waits for a host of another lane.
type Lane int

// Lanes. A host is new before SetLane.
const (
	FirstContact Lane = iota // no look has asked the host's BMC since the start, or since the fleet named another BMC
	Healthy                  // the BMC answered at the last look, or the host has none
	Troubled                 // the BMC was silent or refused at the last look
	lanes        = iota
)

// Priority says which of two due hosts of a lane comes first.
type Priority int

// Priorities.
const (
	Routine Priority = iota // nothing happened, and nothing is under way
	Asked                   // a commit, a person, a machine or work under way asks for the look
)

// advance is how much longer than a host that was asked for a host must be due by routine to come first. No host waits
// for ever.
const advance = 10 * time.Minute

// maxSlow bounds the looks that go on without a place, as a multiple of the places of a lane.
const maxSlow = 16

// burst is how many looks at a host may begin within burstTime. Looks that ask for one another, or for themselves, would
// otherwise give the host's BMC, and a processor, no rest.
const (
	burst     = 20
	burstTime = time.Second
)

// Queue holds each host at most once, with the earliest requested time. A host in a look is not handed out again;
// requests during the look count afterwards. Safe for concurrent use.
type Queue struct {
	mu      sync.Mutex
	entries map[inventory.MachineID]*queued
	later   hostHeap        // by time
	due     [lanes]hostHeap // by rank
	free    [lanes]int      // places
	slow    int             // looks that may still go on without a place
	changed chan struct{}   // holds one token when there may be a due host with a place
}

type queued struct {
	host     inventory.MachineID
	lane     Lane
	at       time.Time
	priority Priority
	heap     *hostHeap // that holds the host; nil outside
	index    int
	place    *Place // of the look; nil without a look
	again    *request
	since    time.Time // when the looks began to be counted
	looks    int       // since then, for at most burstTime
}

// request is a request during a look.
type request struct {
	at       time.Time
	priority Priority
}

// Place is the right to look at one host. Queue.FinishLook gives the place back.
type Place struct {
	Host inventory.MachineID
	lane Lane
	left bool // the look goes on without the place
}

// New makes an empty queue. Each lane has as many places as there are workers; first contacts, of which most are short,
// have twice as many.
func New(workers int) *Queue {
	q := &Queue{entries: map[inventory.MachineID]*queued{}, changed: make(chan struct{}, 1), slow: maxSlow * workers}
	q.free = [lanes]int{FirstContact: 2 * workers, Healthy: workers, Troubled: workers}
	q.later.before = func(a, b *queued) bool { return a.at.Before(b.at) }
	for lane := range q.due {
		q.due[lane].before = func(a, b *queued) bool { return a.rank().Before(b.rank()) }
	}
	return q
}

// countLook counts a look that begins.
func (e *queued) countLook(now time.Time) {
	if now.Sub(e.since).Abs() >= burstTime {
		e.since, e.looks = now, 0
	}
	e.looks++
}

// earliest is the time of the next look that is asked for at a time: later than that after a burst of looks.
func (e *queued) earliest(at time.Time) time.Time {
	rest := e.since.Add(burstTime)
	if wait := rest.Sub(at); e.looks >= burst && wait > 0 && wait <= burstTime {
		return rest
	}
	return at
}

// rank orders due hosts.
func (e *queued) rank() time.Time {
	if e.priority == Asked {
		return e.at.Add(-advance)
	}
	return e.at
}

// Changed gives a token when there may be a due host with a place.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// AddHost asks for a look at the host at a time. An earlier request stays, and so does a higher priority.
func (q *Queue) AddHost(host inventory.MachineID, at time.Time, priority Priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.openEntry(host)
	switch {
	case e.place != nil:
		if e.again == nil {
			e.again = &request{at, priority}
		}
		e.again.join(request{at, priority})
		return
	case e.heap == nil:
		e.at, e.priority = e.earliest(at), priority
	default:
		kept := request{e.at, e.priority}
		kept.join(request{at, priority})
		e.at, e.priority = e.earliest(kept.at), kept.priority
	}
	q.moveHost(e, &q.later)
}

// join adds another request for the same host.
func (r *request) join(other request) {
	if other.at.Before(r.at) {
		r.at = other.at
	}
	r.priority = max(r.priority, other.priority)
}

// SetLane moves a host into a lane. A look that is under way keeps its place.
func (q *Queue) SetLane(host inventory.MachineID, lane Lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.openEntry(host)
	if e.lane == lane {
		return
	}
	e.lane = lane
	if e.heap != nil && e.heap != &q.later {
		q.moveHost(e, &q.due[lane])
	}
}

// NextDue gives a due host of a lane with a free place, and takes the place: the host that was asked for first, then
// the host that is due longest. Without such a host NextDue gives nil, and the time at which another host becomes due;
// zero when no host will.
func (q *Queue) NextDue(now time.Time) (place *Place, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.later.hosts) > 0 && !q.later.hosts[0].at.After(now) {
		e := q.later.hosts[0]
		q.moveHost(e, &q.due[e.lane])
	}
	var first *queued
	for lane := range q.due {
		if hosts := &q.due[lane]; q.free[lane] > 0 && len(hosts.hosts) > 0 &&
			(first == nil || hosts.precedes(hosts.hosts[0], first)) {
			first = hosts.hosts[0]
		}
	}
	if first != nil {
		q.moveHost(first, nil)
		first.countLook(now)
		first.place = &Place{Host: first.host, lane: first.lane}
		q.free[first.lane]--
		return first.place, now
	}
	if len(q.later.hosts) > 0 {
		next = q.later.hosts[0].at
	}
	return nil, next
}

// LeavePlace gives back the place of a look that takes long; the look goes on. A call after the end of the look does
// nothing. A look in the lane of trouble keeps its place, so that few workers wait for BMCs that do not answer; and so
// does a look while very many go on without a place.
func (q *Queue) LeavePlace(p *Place) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[p.Host]; e.place != p || p.left || p.lane == Troubled || q.slow == 0 {
		return
	}
	p.left = true
	q.slow--
	q.free[p.lane]++
	q.signalChange()
}

// FinishLook ends a look. The host is due again at the given time, or at the earlier time of a request during the
// look.
func (q *Queue) FinishLook(host inventory.MachineID, at time.Time, priority Priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.openEntry(host)
	switch p := e.place; {
	case p == nil: // a look that nobody asked the queue for
	case p.left:
		q.slow++
	default:
		q.free[p.lane]++
	}
	next := request{at, priority}
	if e.again != nil {
		next.join(*e.again)
	}
	e.place, e.again, e.at, e.priority = nil, nil, e.earliest(next.at), next.priority
	q.moveHost(e, &q.later)
}

func (q *Queue) openEntry(host inventory.MachineID) *queued {
	e := q.entries[host]
	if e == nil {
		e = &queued{host: host}
		q.entries[host] = e
	}
	return e
}

// moveHost moves a host to a heap, also within its heap; nil takes the host out.
func (q *Queue) moveHost(e *queued, to *hostHeap) {
	if e.heap != nil {
		heap.Remove(e.heap, e.index)
	}
	if e.heap = to; to == nil {
		return
	}
	heap.Push(to, e)
	q.signalChange()
}

func (q *Queue) signalChange() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// hostHeap orders hosts by before, then by id, so that a history can be repeated.
type hostHeap struct {
	hosts  []*queued
	before func(a, b *queued) bool
}

func (h *hostHeap) precedes(a, b *queued) bool {
	switch {
	case h.before(a, b):
		return true
	case h.before(b, a):
		return false
	default:
		return a.host < b.host
	}
}

// Len implements heap.Interface.
func (h *hostHeap) Len() int { return len(h.hosts) }

// Less implements heap.Interface.
func (h *hostHeap) Less(i, j int) bool { return h.precedes(h.hosts[i], h.hosts[j]) }

// Swap implements heap.Interface.
func (h *hostHeap) Swap(i, j int) {
	h.hosts[i], h.hosts[j] = h.hosts[j], h.hosts[i]
	h.hosts[i].index, h.hosts[j].index = i, j
}

// Push implements heap.Interface.
func (h *hostHeap) Push(x any) {
	e := x.(*queued)
	e.index = len(h.hosts)
	h.hosts = append(h.hosts, e)
}

// Pop implements heap.Interface.
func (h *hostHeap) Pop() any {
	last := len(h.hosts) - 1
	e := h.hosts[last]
	h.hosts[last] = nil
	h.hosts = h.hosts[:last]
	return e
}
