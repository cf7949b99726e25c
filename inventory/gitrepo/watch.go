package gitrepo

import "context"

// WatchRefs calls notify when refs may have moved, except the status branch, until ctx ends. It hears only of a
// repository on this machine; poll every other repository.
func (r *Repo) WatchRefs(ctx context.Context, notify func()) error {
	events, stop, err := r.server.WatchRefs(r.config.StatusBranch)
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
