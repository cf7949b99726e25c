package journaltest

import (
	"context"
	"sync"
)

// Fate is what becomes of one write between the daemon and the journal. But for Answered, the daemon gets no answer:
// the daemon's call ends when the call's context does.
type Fate string

// Fates.
const (
	Answered   Fate = "answered"
	Lost       Fate = "never arrives"
	Unanswered Fate = "arrives, its answer is lost"
	Late       Fate = "arrives later, its answer is lost"
)

// Writes is the way of writes from a daemon to its journal. Whoever opens a journal for the suite has its writes go
// through Send. The zero value answers every write.
type Writes struct {
	// Hold is given each late write, as a function that has the write arrive. Default: Arrive has it arrive.
	Hold func(arrive func())

	mu    sync.Mutex
	next  []fated
	late  []func()
	taken int // writes that Send was given
}

// fated is the fate of a write that was not sent yet.
type fated struct {
	fate    Fate
	decided chan struct{} // closed when nothing more becomes of the write before Arrive
}

// Next says what becomes of the next writes; writes after them are answered. The channel is closed when the last one of
// them has met its fate, before the caller of that write gives up.
func (w *Writes) Next(fates ...Fate) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last chan struct{}
	for _, fate := range fates {
		last = make(chan struct{})
		w.next = append(w.next, fated{fate, last})
	}
	return last
}

// Heal has every write from now on answered. Late writes stay on their way.
func (w *Writes) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = nil
}

// Sent is how many writes were sent.
func (w *Writes) Sent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// Arrive has the late writes arrive in the order in which they were sent, and returns when they are done.
func (w *Writes) Arrive() {
	w.mu.Lock()
	late := w.late
	w.late = nil
	w.mu.Unlock()
	for _, arrive := range late {
		arrive()
	}
}

// Send has a write meet its fate. Send may be called on either side of a network: before the request leaves, or when
// the request reached the server.
func Send[A any](ctx context.Context, w *Writes, write func(context.Context) (A, error)) (answer A, err error) {
	is := w.take()
	if is.fate == Answered {
		return write(ctx)
	}
	arrive := func() { _, _ = write(context.WithoutCancel(ctx)) } // nobody is told
	switch is.fate {
	case Unanswered:
		arrive()
	case Late:
		w.hold(arrive)
	}
	close(is.decided)
	<-ctx.Done()
	return answer, ctx.Err()
}

func (w *Writes) take() fated {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken++
	if len(w.next) == 0 {
		return fated{fate: Answered}
	}
	is := w.next[0]
	w.next = w.next[1:]
	return is
}

func (w *Writes) hold(arrive func()) {
	if w.Hold != nil {
		w.Hold(arrive)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, arrive)
}
