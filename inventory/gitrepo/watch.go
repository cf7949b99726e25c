package gitrepo

import (
	"context"
	"math/rand/v2"
	"time"
)

// Watch calls notify when the trunk may have moved, until ctx ends: at once when the repository is a bare one on this machine, and every
// poll interval, with up to a tenth of jitter, whatever it is.
func (r *Repo) Watch(ctx context.Context, poll time.Duration, notify func()) error {
	events, stop, err := r.server.Events()
	if err != nil {
		r.config.Log.Warn("the repository is polled only", "error", err)
	}
	defer stop()
	for {
		timer := time.NewTimer(poll + time.Duration(rand.Int64N(int64(poll/10)+1)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-events:
		case <-timer.C:
		}
		timer.Stop()
		notify()
	}
}
