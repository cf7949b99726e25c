// Package images keeps the operating system images: fetched once, verified against the fleet's digest, and on disk before anything boots
// for them.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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

// Ref names an image: where it is (a URL, or the path of a file in the mirror), and the SHA-256 of its bytes in lower case hex.
type Ref struct{ URL, SHA256 string }

// State is where an image stands.
type State struct {
	Phase Phase
	Done  int64     // bytes
	Total int64     // bytes; 0 when the server does not say
	Error string    // why it Failed, in words a person can act on
	At    time.Time // when it Failed
}

// Config of a Store.
type Config struct {
	Dir        string        // the mirror: images by digest, and files that URLs without a scheme name
	AllowHosts []string      // when set, only these hosts (host or host:port); loopback hosts must be named to be allowed
	MaxSize    int64         // bytes; default 16 GiB
	Idle       time.Duration // longest time without a byte; default 1 m
	Timeout    time.Duration // longest time for one image; default 6 h
	Retry      time.Duration // before an image that failed is fetched again; doubled by each failure up to 5 m; default 30 s
	Now        func() time.Time
	Notify     func()                                    // called when an image is ready or has failed
	Free       func(dir string) (bytes int64, err error) // room for the mirror; default: what the file system says
}

// Store is a mirror. Run must be running for images to be fetched. Its methods may be called from several goroutines; two stores must not share
// a directory.
type Store struct {
	config Config
	work   chan Ref

	mu       sync.Mutex
	fetching map[string]State // by digest
	failures map[Ref]failure
}

type failure struct {
	state State
	count int // in a row
}

const (
	maxQueue   = 1024            // images that wait to be fetched
	maxRetry   = 5 * time.Minute // between failures
	keepOld    = 24 * time.Hour  // what nobody asked for again in that time is forgotten: failures, and beginnings of images
	partPrefix = "part-sha256-"  // beginnings of images, by digest
	wholeStart = "sha256-"       // verified images, by digest
)

// New opens a mirror, making its directory. Beginnings of images that an earlier process has left are gone on with for a day.
func New(c Config) (*Store, error) {
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the image mirror: %w", err)
	}
	if err := forgetParts(c.Dir, c.Now().Add(-keepOld)); err != nil {
		return nil, fmt.Errorf("clean the image mirror: %w", err)
	}
	return &Store{config: c, work: make(chan Ref, maxQueue), fetching: map[string]State{}, failures: map[Ref]failure{}}, nil
}

func (c Config) withDefaults() Config {
	if c.MaxSize == 0 {
		c.MaxSize = 16 << 30
	}
	if c.Idle == 0 {
		c.Idle = time.Minute
	}
	if c.Timeout == 0 {
		c.Timeout = 6 * time.Hour
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
	if c.Free == nil {
		c.Free = freeBytes
	}
	return c
}

func forgetParts(dir string, before time.Time) error {
	parts, err := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	for _, part := range parts {
		info, statErr := os.Stat(part)
		if statErr == nil && info.ModTime().Before(before) {
			err = errors.Join(err, os.Remove(part))
		}
	}
	return err
}

// Run fetches images, two at a time, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	client := &http.Client{Transport: s.config.transport(), CheckRedirect: s.config.checkRedirect}
	defer client.CloseIdleConnections()
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case ref := <-s.work:
					s.ended(ref, s.fetch(ctx, client, ref))
				}
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// Ensure has an image fetched unless it is there, on its way (from whatever URL), or has failed too short a time ago.
func (s *Store) Ensure(ref Ref) {
	if s.State(ref).Phase == Ready {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, is := s.fetching[ref.SHA256]; is {
		return
	}
	if last, has := s.failures[ref]; has && s.config.Now().Before(last.state.At.Add(s.pause(last.count))) {
		return
	}
	select {
	case s.work <- ref:
		s.fetching[ref.SHA256] = State{Phase: Fetching}
	default: // the queue is full; the next look asks again
	}
}

// pause is how long a failure keeps from the next try.
func (s *Store) pause(count int) time.Duration {
	pause := s.config.Retry
	for range count - 1 {
		if pause *= 2; pause >= maxRetry {
			break
		}
	}
	return min(pause, max(maxRetry, s.config.Retry))
}

// State says where an image stands. An image of the same digest is the same image, whatever its URL.
func (s *Store) State(ref Ref) State {
	s.mu.Lock()
	state, is := s.fetching[ref.SHA256]
	last := s.failures[ref]
	s.mu.Unlock()
	if is {
		return state
	}
	if isDigest(ref.SHA256) {
		if info, err := os.Stat(s.path(ref.SHA256)); err == nil {
			return State{Phase: Ready, Done: info.Size(), Total: info.Size()}
		}
	}
	return last.state
}

// Open opens a verified image by its digest. The error wraps os.ErrNotExist when it is not in the mirror. The caller closes it.
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

func (s *Store) path(sha256 string) string { return filepath.Join(s.config.Dir, wholeStart+sha256) }

func (s *Store) progress(ref Ref, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching[ref.SHA256] = State{Phase: Fetching, Done: done, Total: total}
}

// ended records how a fetch came out.
func (s *Store) ended(ref Ref, err error) {
	now := s.config.Now()
	s.mu.Lock()
	delete(s.fetching, ref.SHA256)
	count := s.failures[ref].count
	delete(s.failures, ref)
	maps.DeleteFunc(s.failures, func(_ Ref, f failure) bool { return f.state.At.Before(now.Add(-keepOld)) })
	if err != nil {
		s.failures[ref] = failure{state: State{Phase: Failed, Error: err.Error(), At: now}, count: count + 1}
	}
	s.mu.Unlock()
	s.config.Notify()
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
