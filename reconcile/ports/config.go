package ports

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/batches/store"
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
	Batches   store.Documents // default: no Workload with runs claims anything
	Ages      Ages            // default: attended time is forgotten at a restart
	// Owned is asked right before each effect whether the journal is surely this daemon's. Default: it always is.
	Owned func() error
	NewID func() string // a fresh random id for operations and boots: DNS label, at most 32 characters
	// Mark is the disk GUID by which the install of an operation is recognised on a disk, the same at every call.
	// Default: installs have no marks.
	Mark func(inventory.MachineID, string, inventory.DiskID) string
	Now  func() time.Time // default time.Now
	// Elapsed is the time since any moment by a clock that nobody sets. Default: the differences of Now, which Go
	// measures by the monotonic clock.
	Elapsed   func() time.Duration
	Jitter    func() float64 // in [0, 1); default random
	Log       *slog.Logger   // default: nothing
	Host      string         // name of the daemon's machine, for people
	TakeFleet bool           // run the fleet even if the journal remembers that another daemon runs it
	Limits    Limits
	Deadlines inventory.Deadlines // zero fields have defaults
	// MaxStale is how old the last good look at the fleet may be for a write while later looks fail; default 10 minutes.
	MaxStale time.Duration
}

// Limits bound what the loop does at a time, and how often.
type Limits = queue.Limits

// SetDefaults fills in what was left out. An error says that a port is missing.
func (c *Config) SetDefaults() error {
	if c.Source == nil || c.Load == nil || c.Journal == nil || c.Observer == nil || c.Executor == nil ||
		c.Publisher == nil || c.NewID == nil {
		return errors.New("the loop lacks one of its ports")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Elapsed == nil {
		first := c.Now()
		c.Elapsed = func() time.Duration { return c.Now().Sub(first) }
	}
	if c.Mark == nil {
		c.Mark = func(inventory.MachineID, string, inventory.DiskID) string { return "" }
	}
	if c.Owned == nil {
		c.Owned = func() error { return nil }
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxStale == 0 {
		c.MaxStale = 10 * time.Minute
	}
	c.Limits.SetDefaults()
	return nil
}

// NextPoll is the time until the next look at the source without a request.
func (c *Config) NextPoll() time.Duration { return c.Limits.NextPoll(c.Jitter()) }

// BackoffAfter is the pause after a number of failures in a row, counted from 1.
func (c *Config) BackoffAfter(failures int) time.Duration {
	return c.Limits.BackoffAfter(failures, c.Jitter())
}
