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

// Config configures a Reader; Secrets, MaxSessions, Limits, Pauses and Log may be zero.
type Config struct {
	Dir console.Dir
	// Offered gives the console that a host's BMC offers, without a request to the BMC.
	Offered func(id inventory.MachineID) (redfish.SerialConsole, error)
	// Open opens a Secret.
	Open func(ctx context.Context, name string) (map[string]secret.Value, error)
	// Secrets are masked in every console: the values of every opened Secret. Add a value before using it.
	Secrets     *console.Secrets
	MaxSessions int // sessions at a time; default 200
	Limits      console.Limits
	Pauses      Pauses
	Log         *slog.Logger
}

// Pauses are the times before a failed console is tried again; zero values mean the defaults.
type Pauses struct {
	First   time.Duration // after the first failure, doubled by every further failure; default 5 s
	Max     time.Duration // default 5 min
	Refused time.Duration // after refused credentials, so that no account is locked out; default redfish.LoginBackoff
}

// sharedRate bounds the bytes a second of all consoles together, because the journal may be on the same disk. It is the
// rate of 80 serial lines at 115200 baud.
const sharedRate = 1 << 20

// lookEvery is how often sessions are arranged after a change.
const lookEvery = 250 * time.Millisecond

// farFuture is later than any time.
var farFuture = time.Unix(1<<40, 0)

// Reader reads the serial consoles of hosts with something under way or wrong, independent of the loop: a console that
// cannot be read blocks nothing, and is shown with the reason.
type Reader struct {
	config Config

	mu      sync.Mutex
	hosts   map[inventory.MachineID]*keptConsole
	due     time.Time // when to arrange sessions next: zero after a change, farFuture if only a change can matter
	running sync.WaitGroup
}

// keptConsole is the console of a host.
type keptConsole struct {
	host   reconcile.HostView
	want   choice
	until  time.Time // when the host has settled
	leased time.Time // when the last person's look ends
	used   schemas.BMC
	after  time.Time // time before which no session begins
	tries  int       // failures in a row
	state  State     // of the session, or why there is no session
	text   string
	log    *console.Log       // open during a session
	recent []console.Line     // the newest lines of the session before
	end    context.CancelFunc // nil: no session
}

// NewReader makes a Reader that reads nothing before Run.
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
	}{{&config.Pauses.First, 5 * time.Second}, {&config.Pauses.Max, 5 * time.Minute},
		{&config.Pauses.Refused, redfish.LoginBackoff}} {
		if *d.set == 0 {
			*d.set = d.fallback
		}
	}
	return &Reader{config: config, hosts: map[inventory.MachineID]*keptConsole{}}
}

// ReadSerial gives the end of a host's console; ReadText gives more.
func (c *Reader) ReadSerial(h reconcile.HostView) (Serial, error) {
	text, err := c.ReadText(h.ID)
	if err != nil {
		return Serial{}, err
	}
	s := Serial{Lines: lastLines(text)}
	s.State, s.Text = c.explainState(h)
	return s, nil
}

// ReadText gives the whole kept text of a host's console; the last line may be unfinished.
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
		return Idle, fmt.Sprintf("It is %s: the console is read while something is under way or wrong, or somebody "+
			"looks at it.", h.Document.Phase)
	case w.end == nil && !w.want.read:
		return w.want.state, w.want.why
	case w.state == "":
		return Waits, "Others come first: only so many consoles are read at a time."
	default:
		return w.state, w.text
	}
}

// ExtendLease records that a person looks at a host's console: the console is read for a while, although nothing is
// under way, unless it must be left alone.
func (c *Reader) ExtendLease(id inventory.MachineID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hosts[id]
	if w == nil {
		return // not looked at yet
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
			for _, id := range changes.TakeIDs() {
				if h, known := loop.ViewHost(id); known {
					c.recordHost(h, time.Now())
				}
			}
		case <-tick.C:
			c.arrangeSessions(ctx, time.Now())
		}
	}
}

// recordHost records a host's new state.
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
	// a different console, or different trust: connect at once
	if h.Desired.BMC != nil && !sameConsole(*h.Desired.BMC, w.used) {
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

// arrangeSessions starts and ends sessions, so that the most urgent consoles are read.
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
		// a BMC that is unreachable for the loop does not end a session
		case w.want.read, w.end != nil && w.want.state == Waits:
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

// compareConsoles orders consoles: the urgent first, then consoles with a session.
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

// startSession begins a session. The caller holds c.mu.
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

// recordEnd records how a session ended, and when the next may begin. The caller holds c.mu.
func (c *Reader) recordEnd(w *keptConsole, err error, ended bool, lasted time.Duration) {
	w.state, w.text = "", ""
	if ended {
		return // the session was ended by arrangeSessions
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

// makeSentence turns an error's text into a sentence.
func makeSentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
