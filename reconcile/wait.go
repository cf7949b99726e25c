package reconcile

import (
	"context"
	"time"
)

// waitFor waits for a time or a signal; false when ctx ended.
func waitFor(ctx context.Context, wait time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// sendSignal puts a token into a channel with room for one token, and never blocks.
func sendSignal(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
