package reconcile

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gitmetal/ingot/reconcile/queue"
)

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

// Limits bound what the loop does at a time, and how often.
type Limits = queue.Limits

func (c *Config) setDefaults() error {
	if c.Source == nil || c.Load == nil || c.Journal == nil || c.Observer == nil || c.Executor == nil ||
		c.Publisher == nil || c.NewID == nil {
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
	c.Limits.SetDefaults()
	return nil
}

// nextPoll is the time until the next look at the source without a request.
func (c *Config) nextPoll() time.Duration { return c.Limits.NextPoll(c.Jitter()) }

// backoffAfter is the pause after a number of failures in a row, counted from 1.
func (c *Config) backoffAfter(failures int) time.Duration {
	return c.Limits.BackoffAfter(failures, c.Jitter())
}
