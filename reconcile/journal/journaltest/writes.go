package journaltest

import (
	"context"
	"sync"
)

// Fate is the course of one write between daemon and journal. Except for Answered the daemon gets no answer: the call
// ends with its context.
type Fate string

// Fates.
const (
	Answered   Fate = "answered"
	Lost       Fate = "never arrives"
	Unanswered Fate = "arrives, its answer is lost"
	Late       Fate = "arrives later, its answer is lost"
)

// Writes is the network between a daemon and its journal. The opener of a journal sends every write through Send. The
// zero value answers every write.
type Writes struct {
	// Hold takes each late write as a function that delivers the write. Default: Arrive delivers late writes.
	Hold func(arrive func())

	mu    sync.Mutex
	next  []pendingFate
	late  []func()
	taken int // number of writes through Send
}

// pendingFate is the fate of a coming write.
type pendingFate struct {
	fate    Fate
	decided chan struct{} // closed when the write has met its fate, except for Arrive
}

// SetFates sets the fates of the next writes; later writes are answered. The channel is closed when the last of these
// writes has met its fate, before its caller gives up.
func (w *Writes) SetFates(fates ...Fate) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last chan struct{}
	for _, fate := range fates {
		last = make(chan struct{})
		w.next = append(w.next, pendingFate{fate, last})
	}
	return last
}

// Heal answers every later write. Late writes stay on their way.
func (w *Writes) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = nil
}

// CountSent counts the writes through Send.
func (w *Writes) CountSent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// Arrive delivers the late writes in their order, and returns after the last.
func (w *Writes) Arrive() {
	w.mu.Lock()
	late := w.late
	w.late = nil
	w.mu.Unlock()
	for _, arrive := range late {
		arrive()
	}
}

// Send lets a write meet its fate. Call Send on either side of the network: before the request leaves, or at the
// server.
func Send[A any](ctx context.Context, w *Writes, write func(context.Context) (A, error)) (answer A, err error) {
	is := w.takeFate()
	if is.fate == Answered {
		return write(ctx)
	}
	arrive := func() { _, _ = write(context.WithoutCancel(ctx)) } // nobody is told
	switch is.fate {
	case Unanswered:
		arrive()
	case Late:
		w.holdLate(arrive)
	}
	close(is.decided)
	<-ctx.Done()
	return answer, ctx.Err()
}

func (w *Writes) takeFate() pendingFate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken++
	if len(w.next) == 0 {
		return pendingFate{fate: Answered}
	}
	is := w.next[0]
	w.next = w.next[1:]
	return is
}

func (w *Writes) holdLate(arrive func()) {
	if w.Hold != nil {
		w.Hold(arrive)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, arrive)
}
