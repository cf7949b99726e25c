// Package notify tells people outside what package reconcile/notices decides: notifications by webhook, and the status
// of commits on the forge. Make a Notifier with New and call Run. Do not decide here what is worth telling.
//
// What was told is written to the journal before it is sent: a notification is sent at least once, with the same id
// after a restart. A receiver or a forge that does not answer holds nobody up: each has its own goroutine, the queue is
// bounded, tries are counted, and the loop is never waited for.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/watch"
)

// Loop is what the notifier sees of the reconcile loop.
type Loop interface {
	View() reconcile.View
	Watch() *watch.Watcher
}

// Store keeps the memory over restarts. Load gives nil before the first Save.
type Store interface {
	LoadNotices(ctx context.Context) ([]byte, error)
	SaveNotices(ctx context.Context, document []byte) error
}

// Forge shows commit statuses.
type Forge interface {
	PostStatus(ctx context.Context, s notices.CommitStatus) httppost.Answer
}

// Meter counts what is sent.
type Meter interface {
	CountNotification(receiver string, result Result)
	SetNotificationsWaiting(receiver string, events int)
	CountCommitStatus(result Result)
	SetCommitStatusesWaiting(statuses int)
}

// Result is what became of a try to send something.
type Result string

// Results.
const (
	Sent Result = "sent"
	Fail Result = "failed" // it is tried again
	Lost Result = "lost"   // given up
)

// Receiver is a webhook that takes notifications.
type Receiver struct {
	Name   string // for people, and for metrics
	URL    secret.Value
	Key    secret.Value // of the signature; empty for no signature
	CA     []byte
	Events []notices.Kind
}

// Config configures a Notifier.
type Config struct {
	Loop      Loop
	Store     Store
	Receivers []Receiver
	Forge     Forge // nil: no commit statuses
	Meter     Meter
	Mask      func(string) string // hides known secrets in the words of receivers
	Log       *slog.Logger
	// Restored gives what the pages say that the daemon found at its start: it counts as told. It is needed where
	// NeedsPages says so.
	Restored <-chan notices.Conditions
	Pace     Pace
}

// Pace is how fast the notifier is. The zero value has the defaults.
type Pace struct {
	Gather  time.Duration // how long a pass waits for further changes; default 10 s
	Group   time.Duration // between two notifications of a group; default notices.GroupPause
	Request time.Duration // longest time of a request; default httppost.DefaultTimeout
	Minute  time.Duration // a minute of the pauses between tries; default a minute
}

// Notifier sends notifications and commit statuses. Call Run once.
type Notifier struct {
	config  Config
	clients []*httppost.Client // of the receivers

	mu       sync.Mutex
	memory   *notices.Memory
	verdicts []notices.CommitStatus
	// mayTell is set while this daemon runs the fleet, and the journal has the memory as it is.
	mayTell, saved bool
	silent         bool // the last save failed, and the log says so

	wake []chan struct{} // of the receivers, then of the forge
}

// minute is the longest time between two passes: a host that stays held is no change of the loop.
const minute = time.Minute

// New makes a notifier; it contacts nobody.
func New(c Config) (*Notifier, error) {
	if c.Pace.Gather == 0 {
		c.Pace.Gather = 10 * time.Second
	}
	if c.Pace.Minute == 0 {
		c.Pace.Minute = time.Minute
	}
	n := &Notifier{config: c, memory: notices.NewMemory(c.Pace.Group)}
	for _, r := range c.Receivers {
		client, err := httppost.New(httppost.Config{CA: r.CA, Timeout: c.Pace.Request, Mask: c.Mask})
		if err != nil {
			return nil, fmt.Errorf("%s: ca: %w", r.Name, err)
		}
		n.clients = append(n.clients, client)
		n.wake = append(n.wake, make(chan struct{}, 1))
	}
	n.wake = append(n.wake, make(chan struct{}, 1))
	return n, nil
}

// Run tells until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	watcher := n.config.Loop.Watch()
	defer watcher.Stop()
	if err := n.restoreMemory(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.followLoop(ctx, watcher) })
	for i := range n.config.Receivers {
		g.Go(func() error { return n.serveReceiver(ctx, i) })
	}
	if n.config.Forge != nil {
		g.Go(func() error { return n.serveForge(ctx) })
	}
	return g.Wait()
}

// NeedsPages reports whether a notifier with this document in the journal must know what the pages say.
func NeedsPages(document []byte) bool {
	err := notices.NewMemory(0).Decode(document)
	return document == nil || err != nil && !errors.Is(err, format.ErrNewer)
}

// restoreMemory reads the memory from the journal. Without one, what the restored pages say counts as told: a daemon
// that lost its state directory repeats nothing.
func (n *Notifier) restoreMemory(ctx context.Context) error {
	document, err := n.config.Store.LoadNotices(ctx)
	for ; err != nil; document, err = n.config.Store.LoadNotices(ctx) {
		n.config.Log.Error("what was notified cannot be read: nothing is sent before it can", "error", err)
		if !pause(ctx, nil, minute) {
			return ctx.Err()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if document != nil {
		if err = n.memory.Decode(document); errors.Is(err, format.ErrNewer) {
			n.config.Log.Error("what was notified was written by a newer ingot: this one sends nothing", "error", err)
			<-ctx.Done()
			return ctx.Err()
		}
		if err == nil {
			n.memory.KeepReceivers(n.names())
			n.saved = true
			n.measureWaiting()
			return nil
		}
		n.config.Log.Error("what was notified cannot be read: it begins anew", "error", err)
	}
	select {
	case told := <-n.config.Restored:
		n.memory.Adopt(told, time.Now())
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// followLoop makes a pass after changes of the loop, and at least once a minute.
func (n *Notifier) followLoop(ctx context.Context, watcher *watch.Watcher) error {
	wait := time.Duration(0) // what was shown before the watch began is in the first pass
	for pause(ctx, watcher.Changed(), wait) && pause(ctx, nil, n.config.Pace.Gather) {
		watcher.TakeIDs()
		wait = n.makePass(ctx, time.Now())
	}
	return ctx.Err()
}

// makePass compares what is with what was told, and says when the next pass is due.
func (n *Notifier) makePass(ctx context.Context, now time.Time) (wait time.Duration) {
	view := n.config.Loop.View()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mayTell = view.Commit != "" && view.Another == ""
	if !n.mayTell {
		return minute
	}
	fleet, hosts := describeFleet(view), describeHosts(view.Hosts)
	before, _ := n.memory.Encode()
	events, again := n.memory.Tell(notices.Collect(fleet, hosts), fleet, now)
	for name, events := range n.memory.Queue(events, n.takers) {
		n.config.Log.Error("notifications lost: too many wait for the receiver", "receiver", name, "lost", events)
		for range events {
			n.config.Meter.CountNotification(name, Lost)
		}
	}
	n.verdicts = nil
	if n.config.Forge != nil {
		n.verdicts = n.memory.JudgeCommits(fleet, hosts, now)
	}
	if after, _ := n.memory.Encode(); !n.saved || !slices.Equal(before, after) {
		n.saved = false
		n.saveMemory(ctx)
	}
	n.measureWaiting()
	for _, wake := range n.wake {
		signal(wake)
	}
	if !again.IsZero() {
		return min(minute, max(again.Sub(now), 0))
	}
	return minute
}

// takers are the receivers that take events of a kind.
func (n *Notifier) takers(kind notices.Kind) (names []string) {
	for _, r := range n.config.Receivers {
		if slices.Contains(r.Events, kind) {
			names = append(names, r.Name)
		}
	}
	return names
}

func (n *Notifier) names() (names []string) {
	for _, r := range n.config.Receivers {
		names = append(names, r.Name)
	}
	return names
}

// saveMemory writes the memory to the journal; the next pass tries again after an error. The caller holds the lock.
func (n *Notifier) saveMemory(ctx context.Context) {
	document, err := n.memory.Encode()
	if err == nil {
		err = n.config.Store.SaveNotices(ctx, document)
	}
	if err == nil {
		n.saved, n.silent = true, false
		return
	}
	if !n.silent && ctx.Err() == nil {
		n.silent = true
		n.config.Log.Error("what is to be notified cannot be kept: nothing new is sent before it can", "error", err)
	}
}

// measureWaiting tells the meter how much waits. The caller holds the lock.
func (n *Notifier) measureWaiting() {
	for _, r := range n.config.Receivers {
		waiting := 0
		for _, p := range n.memory.Pending {
			if slices.Contains(p.To, r.Name) {
				waiting++
			}
		}
		n.config.Meter.SetNotificationsWaiting(r.Name, waiting)
	}
}

// pause waits for a time or a signal; false when ctx ended.
func pause(ctx context.Context, woken <-chan struct{}, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-woken:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
