package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// WatchRefs gives events when refs of a repository on this machine may have moved, without events of the ignored
// branch. Any event, and any trouble, means: list the refs. The channel is nil for a repository elsewhere, and after an
// error. Stop ends the watch and waits for its end; call stop also after an error.
func (s *Server) WatchRefs(ours string) (events <-chan struct{}, stop func(), err error) {
	noStop := func() {}
	if s.endpoint.Protocol != "file" {
		return nil, noStop, nil
	}
	dir := s.endpoint.Path
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		dir = filepath.Join(dir, ".git")
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, noStop, fmt.Errorf("watch %s: %w", dir, err)
	}
	r := refWatcher{watcher, filepath.Join(dir, "refs", "heads", filepath.FromSlash(ours))}
	if err := r.watchRepository(dir); err != nil {
		_ = watcher.Close()
		return nil, noStop, err
	}
	signals := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.forwardEvents(signals)
	}()
	return signals, func() {
		_ = watcher.Close()
		<-done
	}, nil
}

// refWatcher watches the directories of refs: names of refs may have slashes.
type refWatcher struct {
	*fsnotify.Watcher
	ignored string // the file of the branch without events
}

// watchRepository watches a repository's directory, for the packed refs, and the directories of refs.
func (r refWatcher) watchRepository(dir string) error {
	if err := r.Add(dir); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	return errors.Join(r.watchBelow(filepath.Join(dir, "refs", "heads")),
		r.watchBelow(filepath.Join(dir, "refs", "tags")))
}

// watchBelow watches a directory with everything below. Missing directories are no error.
func (r refWatcher) watchBelow(dir string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return r.Add(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	return nil
}

// forwardEvents signals until the watcher is closed.
func (r refWatcher) forwardEvents(signals chan<- struct{}) {
	for {
		select {
		case event, ok := <-r.Events:
			if !ok {
				return
			}
			if strings.TrimSuffix(event.Name, ".lock") == r.ignored {
				continue
			}
			if info, err := os.Stat(event.Name); err == nil && info.IsDir() && event.Has(fsnotify.Create) {
				_ = r.watchBelow(event.Name) // unwatched directories are polled
			}
		case _, ok := <-r.Errors:
			if !ok {
				return
			}
		}
		select {
		case signals <- struct{}{}:
		default:
		}
	}
}
