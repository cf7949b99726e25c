package sim

import (
	"container/heap"
	"fmt"
	"io"
	"time"

	"github.com/gitmetal/ingot/reconcile/cause"
)

// world is one simulated site: machines with their BMCs, a Git server, daemons and people. It lives in one goroutine;
// its time passes between events, and while somebody waits for an answer.
type world struct {
	seed     uint64
	now      time.Duration // since the start
	queue    events
	order    uint64
	ambushes []ambush
	steps    int // turns that did something, and events
	tell     io.Writer

	machines    []*machine
	rack        []*slot
	git         *gitServer
	daemons     []*daemon
	people      *people
	windows     map[string][]window // of faults, by kind
	reached     map[string]int      // faults that somebody met, by kind
	causes      map[cause.Name]int  // of looks, as `ingot why` names them
	checks      *checks
	healing     bool
	snapshots   []snapshot
	memoryLost  bool // a state directory was lost, or put back
	branchMoved bool // somebody put the status branch back, or deleted it
	room        int  // places; 0: three
	swapped     bool // two blades, or the disks of two machines, are swapped: one pair at a time
	disksMoved  bool // the disks of two machines were ever exchanged
	cuts        []window
	changes     int // that daemons asked BMCs for
	history     *history
	releases    *releases // nil where no ring follows tags
	farm        *farm     // nil where machines install systems
	budget      int       // steps until the world ends anyway
	happened    int       // events
}

// event is something that happens at a time.
type event struct {
	at    time.Duration
	order uint64
	do    func()
	index int
	off   bool
}

type events []*event

func (e events) Len() int { return len(e) }

func (e events) Less(i, j int) bool {
	if e[i].at != e[j].at {
		return e[i].at < e[j].at
	}
	return e[i].order < e[j].order
}

func (e events) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = i, j
}

// Push implements heap.Interface.
func (e *events) Push(x any) {
	next := x.(*event)
	next.index = len(*e)
	*e = append(*e, next)
}

// Pop implements heap.Interface.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*e = old[:len(old)-1]
	return last
}

// after has something happen after a time. The result can be cancelled.
func (w *world) after(wait time.Duration, do func()) *event {
	w.order++
	e := &event{at: w.now + max(wait, 0), order: w.order, do: do}
	heap.Push(&w.queue, e)
	return e
}

// cancel takes an event back. Nil, and an event that happened, are fine.
func (e *event) cancel() {
	if e != nil {
		e.off = true
	}
}

// runUntil lets everything happen up to a time.
func (w *world) runUntil(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end && !w.over() {
		e := heap.Pop(&w.queue).(*event)
		if e.off {
			continue
		}
		w.now = max(w.now, e.at)
		e.off = true
		if w.happened++; w.happened > maxEvents {
			w.checks.breaks("every wait ends", "%d events, and %d steps: something waits in a loop", w.happened, w.steps)
		}
		e.do()
	}
	w.now = max(w.now, end)
}

// maxEvents is the most events of a world: far more than any world has that ends.
const maxEvents = 20_000_000

// over reports whether the world has ended early: a rule is broken, or the steps are used up.
func (w *world) over() bool { return w.checks.broken() || w.steps >= w.budget }

// pass lets time pass while somebody waits for an answer. Everybody else goes on.
func (w *world) pass(d time.Duration) { w.runUntil(w.now + d) }

// step counts something that happened.
func (w *world) step() { w.steps++ }

// say writes a line of the history.
func (w *world) say(format string, args ...any) {
	if w.tell != nil {
		fmt.Fprintf(w.tell, "%s  "+format+"\n", append([]any{stamp(w.now)}, args...)...)
	}
}

// stamp is a time as stories show it: day, then the time of day with milliseconds.
func stamp(d time.Duration) string {
	t := epoch.Add(d)
	return fmt.Sprintf("%d+%s", d/(24*time.Hour), t.Format("15:04:05.000"))
}

// window is a time in which a fault may be met.
type window struct {
	who      int // machine or daemon; -1 for all
	from, to time.Duration
	chance   float64
	dice     *dice
}

// meets reports whether somebody meets a fault now, and counts the fault as reached.
func (w *world) meets(kind string, who int) bool {
	for i := range w.windows[kind] {
		f := &w.windows[kind][i]
		if w.now < f.from || w.now >= f.to || f.who >= 0 && f.who != who {
			continue
		}
		if f.dice.chance(f.chance) {
			w.reach(kind)
			return true
		}
	}
	return false
}

// reach counts a fault.
func (w *world) reach(kind string) { w.reached[kind]++ }

// met reports whether a window of a fault is, or was, open for somebody.
func (w *world) met(kind string, who int) bool {
	for _, f := range w.windows[kind] {
		if w.now >= f.from && (f.who < 0 || f.who == who) {
			return true
		}
	}
	return false
}
