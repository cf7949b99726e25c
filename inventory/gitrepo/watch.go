package gitrepo

import "context"

// Watch calls notify when the repository may have moved, until ctx ends: at once when it is one on this machine, but not for the
// status branch. Of another nothing is heard, so it is to be looked at from time to time all the same.
func (r *Repo) Watch(ctx context.Context, notify func()) error {
	events, stop, err := r.server.Events(r.config.StatusBranch)
	if err != nil {
		r.config.Log.Warn("the repository is polled only", "error", err)
	}
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-events:
			notify()
		}
	}
}
