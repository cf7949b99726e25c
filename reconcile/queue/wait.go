package queue

import (
	"context"
	"time"
)

// Wait waits for a time or a signal; false when ctx ended.
func Wait(ctx context.Context, wait time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// SendSignal puts a token into a channel with room for one token, and never blocks.
func SendSignal(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
