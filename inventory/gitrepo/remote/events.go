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

// Events tells when refs of a repository on this machine may have moved, but for a branch that is ours; any event, and any trouble, means: look. The
// channel is nil for a repository elsewhere, and after an error. Stop ends the watch and returns when it has ended; it must be called, also after an error.
func (s *Server) Events(ours string) (events <-chan struct{}, stop func(), err error) {
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
	r := refs{watcher, filepath.Join(dir, "refs", "heads", filepath.FromSlash(ours))}
	if err := r.watch(dir); err != nil {
		_ = watcher.Close()
		return nil, none, err
	}
	signals := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.tell(signals)
	}()
	return signals, func() {
		_ = watcher.Close()
		<-done
	}, nil
}

// refs watches the directories that refs are in: their names may have slashes.
type refs struct {
	*fsnotify.Watcher
	ours string // the file of the branch that nothing is told of
}

// watch begins with a repository's directory, where its packed refs are.
func (r refs) watch(dir string) error {
	if err := r.Add(dir); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	return errors.Join(r.below(filepath.Join(dir, "refs", "heads")), r.below(filepath.Join(dir, "refs", "tags")))
}

// below adds a directory and those in it. What is not there, or not any more, is no trouble.
func (r refs) below(dir string) error {
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

// tell signals until the watcher is closed.
func (r refs) tell(signals chan<- struct{}) {
	for {
		select {
		case event, ok := <-r.Events:
			if !ok {
				return
			}
			if strings.TrimSuffix(event.Name, ".lock") == r.ours {
				continue
			}
			if info, err := os.Stat(event.Name); err == nil && info.IsDir() && event.Has(fsnotify.Create) {
				_ = r.below(event.Name) // what cannot be watched is polled
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
