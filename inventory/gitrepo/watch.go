package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch calls notify when the trunk may have moved, until ctx ends: at once when the repository is a bare one on this machine, and every
// poll interval, with up to a tenth of jitter, whatever it is.
func (r *Repo) Watch(ctx context.Context, poll time.Duration, notify func()) error {
	events, stop, err := r.localEvents()
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

// localEvents watches the refs of a repository on this machine; any event, and any trouble, means: look.
func (r *Repo) localEvents() (<-chan struct{}, func(), error) {
	none := func() {}
	dir, local := r.server.Directory()
	if !local {
		return nil, none, nil
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		dir = filepath.Join(dir, ".git")
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, none, fmt.Errorf("watch %s: %w", dir, err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "refs"), filepath.Join(dir, "refs", "heads"), filepath.Join(dir, "refs", "tags")} {
		if err := watcher.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = watcher.Close()
			return nil, none, fmt.Errorf("watch %s: %w", path, err)
		}
	}
	signals := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case _, ok := <-watcher.Events:
				if !ok {
					return
				}
			case _, ok := <-watcher.Errors:
				if !ok {
					return
				}
			}
			select {
			case signals <- struct{}{}:
			default:
			}
		}
	}()
	return signals, func() {
		_ = watcher.Close()
		<-done
	}, nil
}
