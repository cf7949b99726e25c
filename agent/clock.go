package agent

import (
	"context"
	"sync"
	"time"
)

// stepClock ends a step after its time. The time stands still while the clock is paused: a step that waits for leave
// uses up nothing.
type stepClock struct {
	end context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	since time.Time     // start of the running part; zero while paused
	left  time.Duration // at since, or at the pause
}

// startClock gives a context that ends after the limit without the pauses, and its clock. The caller calls stop.
func startClock(ctx context.Context, limit time.Duration) (context.Context, *stepClock) {
	ctx, cancel := context.WithCancel(ctx)
	c := &stepClock{end: cancel, left: limit, since: time.Now()}
	c.timer = time.AfterFunc(limit, cancel)
	return ctx, c
}

// pause stops the clock; a paused clock stays paused.
func (c *stepClock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() || !c.timer.Stop() {
		return
	}
	c.left -= time.Since(c.since)
	c.since = time.Time{}
}

// resume lets a paused clock run on.
func (c *stepClock) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.since.IsZero() {
		return
	}
	c.since = time.Now()
	c.timer.Reset(max(c.left, 0))
}

// stop ends the context.
func (c *stepClock) stop() {
	c.timer.Stop()
	c.end()
}
