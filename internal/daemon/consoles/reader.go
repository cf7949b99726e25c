package consoles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/schemas"
)

// Config is what reading consoles needs; Secrets, Most, Limits, Pauses and Log may be left out.
type Config struct {
	Dir console.Dir
	// Offered gives what a host's BMC offers, without asking it.
	Offered func(id inventory.MachineID) (redfish.SerialConsole, error)
	// Open opens a Secret.
	Open func(ctx context.Context, name string) (map[string]secret.Value, error)
	// Secrets are masked in every console: all that were opened, for whatever host. Whoever opens one adds it before it is used.
	Secrets     *console.Secrets
	MaxSessions int // read at a time; default 200
	Limits      console.Limits
	Pauses      Pauses
	Log         *slog.Logger
}

// Pauses are how long a console that cannot be read is left alone; zero values are the defaults.
type Pauses struct {
	First   time.Duration // after the first failure, then twice as long each time; default 5 s
	Max     time.Duration // default 5 min
	Refused time.Duration // after refused credentials, so that no account is locked out; default that of Redfish
}

// together is how much of all consoles is read, in bytes a second: it goes onto a disk on which the journal may be. That of 80 serial lines at 115200 baud.
const sharedRate = 1 << 20

// lookEvery is how often it is looked whose console should be read, when something happened.
const lookEvery = 250 * time.Millisecond

// never is later than anything.
var farFuture = time.Unix(1<<40, 0)

// Consoles reads the serial consoles of hosts for which something is under way or wrong, beside everything else: a console that cannot be read concerns
// nobody, and is shown with its reason.
type Reader struct {
	config Config

	mu      sync.Mutex
	hosts   map[inventory.MachineID]*keptConsole
	due     time.Time // when to arrange next: zero when something happened, never when nothing will by itself
	running sync.WaitGroup
}

// kept is one host's console.
type keptConsole struct {
	host   reconcile.HostView
	want   choice
	until  time.Time // when it has settled
	leased time.Time // when nobody looks at it any more
	used   schemas.BMC
	after  time.Time // not before
	tries  int       // that failed in a row
	state  State     // of the session, or why there is none
	text   string
	log    *console.Log       // while it is read
	end    context.CancelFunc // nil: no session
}

// NewReader reads nothing yet.
func NewReader(config Config) *Reader {
	if config.MaxSessions == 0 {
		config.MaxSessions = 200
	}
	if config.Secrets == nil {
		config.Secrets = new(console.Secrets)
	}
	if config.Limits.Shared == nil {
		config.Limits.Shared = rate.NewLimiter(sharedRate, sharedRate)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		set      *time.Duration
		fallback time.Duration
	}{{&config.Pauses.First, 5 * time.Second}, {&config.Pauses.Max, 5 * time.Minute}, {&config.Pauses.Refused, redfish.LoginBackoff}} {
		if *d.set == 0 {
			*d.set = d.fallback
		}
	}
	return &Reader{config: config, hosts: map[inventory.MachineID]*keptConsole{}}
}

// ReadSerial gives a host's console; the whole of what is kept is Text.
func (c *Reader) ReadSerial(h reconcile.HostView) (Serial, error) {
	text, err := c.ReadText(h.ID)
	if err != nil {
		return Serial{}, err
	}
	s := Serial{Lines: lastLines(text)}
	s.State, s.Text = c.explainState(h)
	return s, nil
}

// ReadText is all that is kept of a host's console; its last line may not have ended.
func (c *Reader) ReadText(id inventory.MachineID) (string, error) {
	text, err := c.config.Dir.Read(string(id))
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	var log *console.Log
	if w := c.hosts[id]; w != nil {
		log = w.log
	}
	c.mu.Unlock()
	if log != nil {
		text += log.PartialText(time.Now())
	}
	return text, nil
}

func (c *Reader) explainState(h reconcile.HostView) (State, string) {
	if wanted := decideReading(&h, time.Time{}, time.Time{}, time.Time{}); wanted.state == Off {
		if wanted.why == notRead {
			offered, err := c.config.Offered(h.ID)
			if err != nil {
				return Off, "It is not read, and " + err.Error() + "."
			}
			return Off, explainSetup(h, offered.Port)
		}
		return Off, wanted.why
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hosts[h.ID]
	switch {
	case w == nil:
		return Waits, "It was not looked at yet."
	case w.end == nil && !w.want.read && w.want.state == Idle:
		return Idle, fmt.Sprintf("It is %s: the console is read while something is under way or wrong, or somebody looks at it.", h.Document.Phase)
	case w.end == nil && !w.want.read:
		return w.want.state, w.want.why
	case w.state == "":
		return Waits, "Others come first: only so many consoles are read at a time."
	default:
		return w.state, w.text
	}
}

// ExtendLease says that somebody looks at a host's console: it is read for a while, although nothing is under way, unless it is left alone.
func (c *Reader) ExtendLease(id inventory.MachineID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hosts[id]
	if w == nil {
		return // it was not looked at yet
	}
	w.leased = now.Add(lease)
	if decideReading(&w.host, w.until, w.leased, now) != w.want {
		c.due = time.Time{}
	}
}

// Run reads until ctx ends.
func (c *Reader) Run(ctx context.Context, loop *reconcile.Loop) error {
	defer c.running.Wait()
	changes := loop.Watch()
	defer changes.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
			for _, id := range changes.Take() {
				if h, known := loop.Host(id); known {
					c.recordHost(h, time.Now())
				}
			}
		case <-tick.C:
			c.arrangeSessions(ctx, time.Now())
		}
	}
}

// recordHost takes in how a host is now.
func (c *Reader) recordHost(h reconcile.HostView, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hosts[h.ID]
	if w == nil {
		w = &keptConsole{}
		c.hosts[h.ID] = w
		if i := h.Document.Installed; i != nil {
			w.until = i.PhoneHome.Add(settles)
		}
	}
	_, steady := rankPhase(w.host.Document.Phase)
	w.host = h
	if w.want.read && !steady {
		w.until = now.Add(settles)
	}
	if decideReading(&h, w.until, w.leased, now) != w.want {
		c.due = time.Time{}
	}
	if h.Desired.BMC != nil && !sameConsole(*h.Desired.BMC, w.used) { // another console, or other trust: it is tried at once
		w.used, w.tries, w.after, w.state = *h.Desired.BMC, 0, time.Time{}, ""
		c.due = time.Time{}
		if w.end != nil {
			w.end()
		}
	}
}

func sameConsole(a, b schemas.BMC) bool {
	if (a.Console == nil) != (b.Console == nil) {
		return false
	}
	return a.Address == b.Address && a.Credentials == b.Credentials && (a.Console == nil || *a.Console == *b.Console)
}

// arrangeSessions has the consoles read that should be, and no others.
func (c *Reader) arrangeSessions(ctx context.Context, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.due) {
		return
	}
	c.due = farFuture
	var some []*keptConsole
	for _, w := range c.hosts {
		w.want = decideReading(&w.host, w.until, w.leased, now)
		switch {
		case w.want.read && w.end == nil && now.Before(w.after):
			c.due = earlierOf(c.due, w.after)
		case w.want.read, w.end != nil && w.want.state == Waits: // a BMC that is not reached meanwhile ends no session
			some = append(some, w)
		case w.end != nil:
			w.end()
		}
		for _, change := range []time.Time{w.until, w.leased} {
			if w.want.read && now.Before(change) {
				c.due = earlierOf(c.due, change)
			}
		}
	}
	slices.SortFunc(some, compareConsoles)
	for i, w := range some {
		switch {
		case i >= c.config.MaxSessions && w.end != nil:
			w.end()
		case i < c.config.MaxSessions && w.end == nil:
			c.startSession(ctx, w)
		}
	}
}

func earlierOf(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// compareConsoles orders consoles: the urgent first, then those that are read already.
func compareConsoles(a, b *keptConsole) int {
	reads := func(w *keptConsole) int {
		if w.end != nil {
			return 0
		}
		return 1
	}
	if d := int(a.want.urgency) - int(b.want.urgency); d != 0 {
		return d
	}
	if d := reads(a) - reads(b); d != 0 {
		return d
	}
	return cmp.Compare(a.host.ID, b.host.ID)
}

// startSession begins a session; c.mu is held.
func (c *Reader) startSession(ctx context.Context, w *keptConsole) {
	ctx, w.end = context.WithCancel(ctx)
	if w.state == "" {
		w.state, w.text = Waits, "It is being connected to."
	}
	host := w.host
	c.running.Go(func() {
		began := time.Now()
		err := c.readConsole(ctx, w, host)
		c.mu.Lock()
		defer c.mu.Unlock()
		ended := ctx.Err() != nil
		w.end()
		w.end, w.log, c.due = nil, nil, time.Time{}
		c.recordEnd(w, err, ended, time.Since(began))
	})
}

// recordEnd says how a session ended, and when the next may begin; c.mu is held.
func (c *Reader) recordEnd(w *keptConsole, err error, ended bool, lasted time.Duration) {
	w.state, w.text = "", ""
	if ended {
		return // it was not wanted any more
	}
	w.tries++
	if lasted > time.Minute {
		w.tries = 1
	}
	pause := min(c.config.Pauses.First<<min(w.tries-1, 20), c.config.Pauses.Max)
	if said := new(console.Error); errors.As(err, &said) && said.Kind == console.Unauthorized {
		pause = c.config.Pauses.Refused
	}
	w.after = time.Now().Add(pause)
	w.state, w.text = Waits, makeSentence(err)+" It is tried again after "+w.after.UTC().Format(time.RFC3339)+"."
	if w.tries == 1 {
		c.config.Log.Info("the serial console is not read", "host", w.host.Name, "why", err)
	}
}

// makeSentence makes one of an error.
func makeSentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
