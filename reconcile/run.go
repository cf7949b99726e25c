package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/gitmetal/ingot/reconcile/queue"
)

// The loop has four tasks: restore the hosts, follow the source, push pages, look at hosts. A step of a task does what
// is due and says how long the task rests. Turn runs one step in the caller's goroutine; Run has a goroutine for
// each task, and looks at hosts in parallel.

// step does what is due for one task, and says how long the task rests.
type step func(ctx context.Context) rest

// rest is the time until the next step: first settle, during which a signal waits, then wait, which a signal ends.
type rest struct {
	settle time.Duration
	wait   time.Duration
	woken  <-chan struct{} // nil: no signal ends wait
	ended  bool            // the task has no next step
}

// task is a task of Turn: the step, the start of the rest, and the rest.
type task struct {
	step  step
	since time.Time
	rest  rest
}

// nextDue is the time of the next step without a signal; false when the task has ended.
func (r *task) nextDue() (time.Time, bool) {
	at := r.since.Add(r.rest.settle)
	if len(r.rest.woken) == 0 {
		at = at.Add(max(r.rest.wait, 0))
	}
	return at, !r.rest.ended
}

// Run converges the machines until ctx ends, and returns after every goroutine of the loop. The error says why the
// loop cannot go on, e.g. that another daemon owns the journal; the end of ctx is no error.
func (l *Loop) Run(ctx context.Context) error {
	ctx, l.fatal = context.WithCancelCause(ctx)
	defer l.fatal(nil)
	repeatStep(ctx, l.restoreOnce)
	if ctx.Err() != nil {
		return stopCause(ctx)
	}
	var parts sync.WaitGroup
	parts.Go(func() { repeatStep(ctx, l.followOnce) })
	parts.Go(func() { l.dispatchLooks(ctx) })
	parts.Go(func() { repeatStep(ctx, l.publishOnce) })
	parts.Wait()
	return stopCause(ctx)
}

// repeatStep runs steps until the task or ctx ends.
func repeatStep(ctx context.Context, next step) {
	for {
		r := next(ctx)
		if r.ended || ctx.Err() != nil {
			return
		}
		if r.settle > 0 && !queue.Wait(ctx, r.settle, nil) || !queue.Wait(ctx, r.wait, r.woken) {
			return
		}
	}
}

// Turn does one thing that is due, and reports whether something was due and when the next thing is due without an
// event. After a step another thing may be due at once: call Turn again. Every step runs in the caller's
// goroutine, so the same ports, clock, jitter and ids give the same history. Call Turn from one goroutine, and
// never together with Run. The error is as for Run; after an error Turn does nothing.
func (l *Loop) Turn(ctx context.Context) (done bool, next time.Time, err error) {
	if l.failed != nil {
		return false, time.Time{}, l.failed
	}
	ctx, l.fatal = context.WithCancelCause(ctx)
	defer l.fatal(nil)
	done, next = l.stepTasks(ctx)
	l.failed = stopCause(ctx)
	return done, next, l.failed
}

// stepTasks runs one due task, or one due look.
func (l *Loop) stepTasks(ctx context.Context) (done bool, next time.Time) {
	if l.tasks == nil {
		l.tasks = []*task{{step: l.restoreOnce}}
	}
	now := l.config.Now()
	for _, r := range l.tasks {
		at, again := r.nextDue()
		switch {
		case again && !at.After(now):
			l.runStep(ctx, r)
			return true, l.config.Now()
		case again && (next.IsZero() || at.Before(next)):
			next = at
		}
	}
	place, at := l.queue.NextDue(now)
	if place != nil {
		l.lookAtHost(ctx, place.Host)
		return true, l.config.Now()
	}
	if !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return false, next
}

// runStep runs the step of one task. Following and publishing begin after the restore has ended.
func (l *Loop) runStep(ctx context.Context, r *task) {
	select { // drop the signal that ended the rest
	case <-r.rest.woken:
	default:
	}
	r.rest = r.step(ctx)
	r.since = l.config.Now()
	if restored := len(l.tasks) == 1 && r.rest.ended; restored {
		l.tasks = []*task{{step: l.followOnce}, {step: l.publishOnce}}
	}
}

// turnEvery is the longest pause between two turns of the loop that SinceTurn tells of.
const turnEvery = 10 * time.Second

// noteTurn records that the loop turns: its dispatcher goes round, and its lock is free.
func (l *Loop) noteTurn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned.Store(int64(l.config.Elapsed()) | 1) // never 0, which stands for no turn
}

// SinceTurn is the time since the loop's last turn under Run; false before the first, while hosts are restored.
func (l *Loop) SinceTurn() (time.Duration, bool) {
	at := l.turned.Load()
	return l.config.Elapsed() - time.Duration(at), at != 0
}

// dispatchLooks starts a look whenever a due host has a place in its lane, and waits for all looks at the end. A look
// that takes long, as at a BMC that does not answer, leaves its place.
func (l *Loop) dispatchLooks(ctx context.Context) {
	lookers := queue.NewLookers(l.lookInPlace, l.config.Limits.Workers)
	defer lookers.End()
	for {
		l.noteTurn()
		place, next := l.queue.NextDue(l.config.Now())
		if place != nil {
			lookers.Start(ctx, place)
			continue
		}
		wait := turnEvery
		if !next.IsZero() {
			wait = min(wait, next.Sub(l.config.Now()))
		}
		if !queue.Wait(ctx, wait, l.queue.Changed()) {
			return
		}
	}
}

// lookInPlace looks at the host of a place.
func (l *Loop) lookInPlace(ctx context.Context, place *queue.Place) {
	slow := time.AfterFunc(l.config.Limits.Patience, func() { l.queue.LeavePlace(place) })
	defer slow.Stop()
	l.lookAtHost(ctx, place.Host)
}
