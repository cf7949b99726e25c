package queue

import (
	"time"

	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Limits bound what the loop does at a time, and how often. Zero fields get their defaults.
type Limits struct {
	Installs      int           // hosts being installed or inspected at a time; 10
	Boots         int           // machines that boot for runs at a time; 20
	ErasesPerHour int           // machines with data that are erased within an hour; 0: 10, or a tenth of the fleet if that is more
	Workers       int           // hosts of a lane (queue.Lane) that are looked at in parallel; 64
	Patience      time.Duration // how long a look holds its place in the lane; 1 s. The look goes on without it.
	Poll          time.Duration // between two looks at the source, and up to a tenth more; 1 m
	Settle        time.Duration // shortest time between two looks at the source; 500 ms
	PublishEvery  time.Duration // shortest time between two status commits; 15 s
	Wait          time.Duration // until the next look after a waiting effect without a time; 3 s
	Resync        time.Duration // longest time between two looks at a host; 5 m
	Backoff       time.Duration // first pause after a failure; doubles to Resync; 2 s
	Observe       time.Duration // deadline of a look, whose requests have their own; 2 m
	Effect        time.Duration // deadline of an effect; 2 m
	Publish       time.Duration // deadline of a push; 2 m
	Fetch         time.Duration // deadline of a look at the source; 2 m
}

// SetDefaults fills the zero fields.
func (l *Limits) SetDefaults() {
	setDefault(&l.Installs, 10)
	setDefault(&l.Boots, 20)
	setDefault(&l.Workers, 64)
	setDefault(&l.Patience, time.Second)
	setDefault(&l.Poll, time.Minute)
	setDefault(&l.Settle, 500*time.Millisecond)
	setDefault(&l.PublishEvery, 15*time.Second)
	setDefault(&l.Wait, 3*time.Second)
	setDefault(&l.Resync, 5*time.Minute)
	setDefault(&l.Backoff, 2*time.Second)
	setDefault(&l.Observe, 2*time.Minute)
	setDefault(&l.Effect, 2*time.Minute)
	setDefault(&l.Publish, 2*time.Minute)
	setDefault(&l.Fetch, 2*time.Minute)
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// NextPoll is the time to the next look at the source without a request. The jitter, in [0, 1), keeps daemons from
// asking a server at the same time.
func (l *Limits) NextPoll(jitter float64) time.Duration {
	return l.Poll + time.Duration(jitter*float64(l.Poll)/10)
}

// BackoffAfter is the pause after a number of failures in a row, from 1: doubling, plus up to a quarter by jitter, in
// [0, 1), so that hosts do not retry at the same time.
func (l *Limits) BackoffAfter(failures int, jitter float64) time.Duration {
	pause := l.Resync
	if shift := max(failures, 1) - 1; shift < 20 {
		pause = min(pause, l.Backoff<<shift)
	}
	return pause + time.Duration(jitter*float64(pause)/4)
}

// Look is the result of a look at a host, as far as the time of the next look depends on the result.
type Look struct {
	At       time.Time
	Plan     plan.Plan
	Outcome  act.Outcome
	Failures int // failed looks in a row
	Repeats  int // repetitions of the same action in a row
}

// NextLook turns an outcome into the time until the next look. No other code does.
func (l *Limits) NextLook(look Look, jitter func() float64) time.Duration {
	wait := l.Resync
	switch look.Outcome.Result {
	case act.Done:
		wait = 0
		if look.Repeats > 0 { // the same action again: slow down
			wait = l.BackoffAfter(look.Repeats, jitter())
		}
	case act.Waits:
		wait = l.Wait
	case act.Retry:
		wait = l.BackoffAfter(look.Failures, jitter())
	case act.Stalled:
	default: // no action was due
		if look.Failures > 0 { // the BMC did not answer
			wait = l.BackoffAfter(look.Failures, jitter())
		}
		if look.Plan.Again > 0 {
			wait = min(wait, look.Plan.Again)
		}
	}
	if look.Outcome.After > 0 {
		wait = look.Outcome.After
	}
	if left := look.Plan.Due.Sub(look.At); !look.Plan.Due.IsZero() && left > 0 {
		wait = min(wait, left)
	}
	return wait
}

// Priority is the priority of the look after this one: work under way is asked for.
func (look Look) Priority() Priority {
	switch look.Outcome.Result {
	case act.Done, act.Waits:
		return Asked
	case act.Retry, act.Stalled:
		return Routine
	default: // no action was due
		if look.Plan.Again > 0 && look.Failures == 0 {
			return Asked
		}
		return Routine
	}
}
