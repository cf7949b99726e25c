// Package images keeps the operating system images: fetched once, verified against the fleet's digest, and on disk before anything boots
// for them.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Phase of an image.
type Phase string

// Phases.
const (
	Missing  Phase = ""
	Fetching Phase = "Fetching"
	Ready    Phase = "Ready"
	Failed   Phase = "Failed"
)

// Ref names an image: where it is, and the SHA-256 of its bytes in hex.
type Ref struct{ URL, SHA256 string }

// State is where an image stands.
type State struct {
	Phase Phase
	Done  int64 // bytes
	Total int64 // bytes; 0 when the server does not say
	Error string
	at    time.Time // of the failure
}

// Config of a Store.
type Config struct {
	Dir        string        // the mirror: images by digest, and files that URLs without a scheme name
	AllowHosts []string      // when set, only these hosts (host or host:port); loopback hosts must be named to be allowed
	MaxSize    int64         // bytes; default 16 GiB
	Idle       time.Duration // longest time without a byte; default 1 m
	Retry      time.Duration // before a failed image is fetched again; default 30 s
	Now        func() time.Time
	Notify     func()
}

// Store is a mirror. Run must be running for images to be fetched.
type Store struct {
	config Config
	client *http.Client
	work   chan Ref

	mu     sync.Mutex
	states map[Ref]State
}

// maxQueue is how many images wait to be fetched.
const maxQueue = 1024

// New opens a mirror, making its directory.
func New(c Config) (*Store, error) {
	if c.MaxSize == 0 {
		c.MaxSize = 16 << 30
	}
	if c.Idle == 0 {
		c.Idle = time.Minute
	}
	if c.Retry == 0 {
		c.Retry = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Notify == nil {
		c.Notify = func() {}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the image mirror: %w", err)
	}
	return &Store{config: c, client: newHTTP(c), work: make(chan Ref, maxQueue), states: map[Ref]State{}}, nil
}

// Run fetches images, two at a time, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case ref := <-s.work:
					s.fetchOne(ctx, ref)
				}
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// Ensure has an image fetched unless it is there, on its way, or has just failed.
func (s *Store) Ensure(ref Ref) {
	state := s.State(ref)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state.Phase == Ready, state.Phase == Fetching:
		return
	case state.Phase == Failed && s.config.Now().Before(state.at.Add(s.config.Retry)):
		return
	}
	select {
	case s.work <- ref:
		s.states[ref] = State{Phase: Fetching}
	default: // the queue is full; the next look asks again
	}
}

// State says where an image stands. An image of the same digest is the same image, whatever its URL.
func (s *Store) State(ref Ref) State {
	s.mu.Lock()
	state := s.states[ref]
	s.mu.Unlock()
	if state.Phase == Fetching || state.Phase == Failed {
		return state
	}
	info, err := os.Stat(s.path(ref.SHA256))
	if err != nil {
		return State{}
	}
	return State{Phase: Ready, Done: info.Size(), Total: info.Size()}
}

// Open opens a verified image by its digest. The error wraps os.ErrNotExist when it is not in the mirror.
func (s *Store) Open(sha256 string) (io.ReadSeekCloser, int64, error) {
	if !isDigest(sha256) {
		return nil, 0, fmt.Errorf("image %q: %w", sha256, os.ErrNotExist)
	}
	file, err := os.Open(s.path(sha256))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (s *Store) path(sha256 string) string { return filepath.Join(s.config.Dir, "sha256-"+sha256) }

func (s *Store) fetchOne(ctx context.Context, ref Ref) {
	err := s.fetch(ctx, ref)
	state := State{}
	if err != nil {
		state = State{Phase: Failed, Error: err.Error(), at: s.config.Now()}
	}
	s.mu.Lock()
	if state.Phase == Missing {
		delete(s.states, ref)
	} else {
		s.states[ref] = state
	}
	s.mu.Unlock()
	s.config.Notify()
}

func (s *Store) progress(ref Ref, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[ref] = State{Phase: Fetching, Done: done, Total: total}
}

func isDigest(text string) bool {
	if len(text) != 64 {
		return false
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
