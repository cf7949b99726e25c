package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// Events tells when refs of a repository on this machine may have moved; any event, and any trouble, means: look. The channel is nil for a repository
// elsewhere, and after an error. Stop ends the watch and returns when it has ended; it must be called, also after an error.
func (s *Server) Events() (events <-chan struct{}, stop func(), err error) {
	none := func() {}
	if s.endpoint.Protocol != "file" {
		return nil, none, nil
	}
	dir := s.endpoint.Path
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
