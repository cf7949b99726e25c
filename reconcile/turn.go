package reconcile

import (
	"context"
	"sync"
	"time"
)

// The loop does four things: it restores what is known, looks at the source, pushes pages, looks at hosts. Each has a
// step, which does what is due and says how long it rests then. Turn takes one step in the caller's goroutine; Run has
// a goroutine for each of them, and lanes for the looks at hosts.

// step does what is due of one thing, and says how long it rests.
type step func(ctx context.Context) rest

// rest is the time until the next step: first a time in which nothing wakes, then one that a signal ends.
type rest struct {
	settle time.Duration
	wait   time.Duration
	woken  <-chan struct{} // nil: nothing wakes
	ended  bool            // there is no next step
}

// resting is a thing that Turn steps: since when it rests, and how.
type resting struct {
	step  step
	since time.Time
	rest  rest
}

// due is when the next step is due, as far as nothing wakes it; false when never.
func (r *resting) due() (time.Time, bool) {
	at := r.since.Add(r.rest.settle)
	if len(r.rest.woken) == 0 {
		at = at.Add(max(r.rest.wait, 0))
	}
	return at, !r.rest.ended
}

// Run converges until ctx ends, and returns when everything it started has ended. Its error says why it cannot go on,
// e.g. that another daemon owns the journal now; the end of ctx is none.
func (l *Loop) Run(ctx context.Context) error {
	ctx, l.fatal = context.WithCancelCause(ctx)
	defer l.fatal(nil)
	repeat(ctx, l.restoreOnce)
	if ctx.Err() != nil {
		return failure(ctx)
	}
	var parts sync.WaitGroup
	parts.Go(func() { repeat(ctx, l.followOnce) })
	parts.Go(func() { l.dispatch(ctx) })
	parts.Go(func() { repeat(ctx, l.publishOnce) })
	parts.Wait()
	return failure(ctx)
}

// repeat takes steps until there is no next one, or ctx ends.
func repeat(ctx context.Context, next step) {
	for {
		r := next(ctx)
		if r.ended || ctx.Err() != nil {
			return
		}
		if r.settle > 0 && !pause(ctx, r.settle, nil) || !pause(ctx, r.wait, r.woken) {
			return
		}
	}
}

// Turn does the one thing that is due, if something is, and says whether it did, and when the next thing is due if
// nothing happens before: a thing that was done may make another one due at once, so ask again. Everything happens in
// the caller's goroutine, so that the same ports, clock, jitter and ids give the same history. Who calls Turn does that
// from one goroutine, and never calls Run. Its error is as Run's; after an error nothing is done any more.
func (l *Loop) Turn(ctx context.Context) (done bool, next time.Time, err error) {
	if l.failed != nil {
		return false, time.Time{}, l.failed
	}
	ctx, l.fatal = context.WithCancelCause(ctx)
	defer l.fatal(nil)
	done, next = l.turn(ctx)
	l.failed = failure(ctx)
	return done, next, l.failed
}

func (l *Loop) turn(ctx context.Context) (done bool, next time.Time) {
	if l.turns == nil {
		l.turns = []*resting{{step: l.restoreOnce}}
	}
	now := l.config.Now()
	for _, r := range l.turns {
		at, again := r.due()
		switch {
		case again && !at.After(now):
			l.takeStep(ctx, r)
			return true, l.config.Now()
		case again && (next.IsZero() || at.Before(next)):
			next = at
		}
	}
	id, due, at := l.queue.Next(now)
	if due {
		l.look(ctx, id)
		return true, l.config.Now()
	}
	if !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return false, next
}

// takeStep takes the step of one thing. Nothing else is done before what is known is restored.
func (l *Loop) takeStep(ctx context.Context, r *resting) {
	select { // the signal that woke it
	case <-r.rest.woken:
	default:
	}
	r.rest = r.step(ctx)
	r.since = l.config.Now()
	if restored := len(l.turns) == 1 && r.rest.ended; restored {
		l.turns = []*resting{{step: l.followOnce}, {step: l.publishOnce}}
	}
}

// dispatch starts a look whenever a host is due, and waits for all it started.
func (l *Loop) dispatch(ctx context.Context) {
	var looks sync.WaitGroup
	defer looks.Wait()
	for {
		id, due, next := l.queue.Next(l.config.Now())
		if due {
			looks.Go(func() { l.lookInTurn(ctx, id) })
			continue
		}
		wait := l.config.Limits.Resync
		if !next.IsZero() {
			wait = next.Sub(l.config.Now())
		}
		if !pause(ctx, wait, l.queue.Changed()) {
			return
		}
	}
}
