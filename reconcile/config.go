package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// Records keeps one record per host by compare-and-swap. The loop is their only writer. Package journal has the real one, whose errors the
// loop tells apart: journal.ErrConflict and journal.ErrNotOwner.
type Records interface {
	List(ctx context.Context) ([]journal.Entry, error)
	Get(ctx context.Context, host string) (inventory.Record, int64, error)
	Put(ctx context.Context, record inventory.Record, revision int64) (int64, error)
}

// Commits keeps the accepted commit.
type Commits interface {
	Accepted(ctx context.Context) (journal.Accepted, error)
	Accept(ctx context.Context, accepted journal.Accepted) error
}

// Journal is what the loop must not forget.
type Journal interface {
	Records
	Commits
}

// Config is what a Loop needs. The ports and Load are required; the rest has defaults.
type Config struct {
	Source    Source
	Load      Loader
	Journal   Journal
	Observer  Observer
	Executor  Executor
	Publisher Publisher
	NewID     func() string    // a fresh random id for operations and boots: DNS label, at most 32 characters
	Now       func() time.Time // default time.Now
	Jitter    func() float64   // in [0, 1); default random
	Log       *slog.Logger     // default: nothing
	Limits    Limits
}

// Limits bound what the loop does at a time, and how often. Zero fields get their defaults.
type Limits struct {
	Installs     int           // hosts being installed or inspected at a time; 10
	Workers      int           // hosts looked at in parallel; 64. Hosts in trouble share as many of their own.
	Poll         time.Duration // between two looks at the source, and up to a tenth more; 1 m
	Settle       time.Duration // shortest time between two looks at the source; 500 ms
	PublishEvery time.Duration // shortest time between two status commits; 15 s
	Wait         time.Duration // until the next look when an effect waits and names no time; 3 s
	Resync       time.Duration // longest time between two looks at a host; 5 m
	Backoff      time.Duration // first pause after a failure; doubles to Resync; 2 s
	Observe      time.Duration // deadline of a look; 30 s
	Effect       time.Duration // deadline of an effect; 2 m
	Publish      time.Duration // deadline of a push; 2 m
	Fetch        time.Duration // deadline of a look at the source; 2 m
}

func (c *Config) complete() error {
	if c.Source == nil || c.Load == nil || c.Journal == nil || c.Observer == nil || c.Executor == nil || c.Publisher == nil || c.NewID == nil {
		return errors.New("the loop lacks one of its ports")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &c.Limits
	setDefault(&l.Installs, 10)
	setDefault(&l.Workers, 64)
	setDefault(&l.Poll, time.Minute)
	setDefault(&l.Settle, 500*time.Millisecond)
	setDefault(&l.PublishEvery, 15*time.Second)
	setDefault(&l.Wait, 3*time.Second)
	setDefault(&l.Resync, 5*time.Minute)
	setDefault(&l.Backoff, 2*time.Second)
	setDefault(&l.Observe, 30*time.Second)
	setDefault(&l.Effect, 2*time.Minute)
	setDefault(&l.Publish, 2*time.Minute)
	setDefault(&l.Fetch, 2*time.Minute)
	return nil
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// poll is the time to the next look at the source that nobody asks for: never quite the same, so that daemons do not come to a server in step.
func (c *Config) poll() time.Duration {
	return c.Limits.Poll + time.Duration(c.Jitter()*float64(c.Limits.Poll)/10)
}

// backoff is the pause after so many failures in a row, from 1: doubling, with up to a quarter more so that hosts do not march in step.
func (c *Config) backoff(failures int) time.Duration {
	pause := c.Limits.Resync
	if shift := max(failures, 1) - 1; shift < 20 {
		pause = min(pause, c.Limits.Backoff<<shift)
	}
	return pause + time.Duration(c.Jitter()*float64(pause)/4)
}
