// Package images keeps the mirror of operating system images. An image is fetched once, verified against the fleet's
// digest, and on the daemon's disk before a machine boots for the image.
//
// New opens a Store; Store.Run fetches until its context ends. Store.Ensure asks for an image, Store.State says how far
// the fetch is, Store.Open reads a verified image. Do not open two Stores on the same directory.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// Ref names an image: the location (a URL, or the path of a file in the mirror), and the SHA-256 of the image's bytes
// in lower case hex. Plugin names, for people, the Step that has the file as a plug-in; "" for an image. Written says, for
// people, that the image is that of a step write-image.
type Ref struct {
	URL, SHA256, Plugin string
	Written             bool
	Injected            bool // a file of a step inject-files
	// Boot names the field of spec.run that has the file, such as boot.kernel, boot.initrds[0] or iso; "" for another file.
	Boot string
}

// field names a field of the fleet that is to be mended, such as url.
func (r Ref) field(name string) string {
	if r.Plugin != "" {
		return "the " + name + " in spec.plugins of " + r.Plugin
	}
	if r.Injected {
		return "the " + name + " in args.files of inject-files"
	}
	if r.Boot != "" {
		return "spec.run." + r.Boot + "." + name
	}
	if r.Written {
		return "args.image." + name + " of write-image"
	}
	return "spec.install.image." + name
}

// kind is what the file is, for people.
func (r Ref) kind() string {
	if r.Plugin != "" {
		return "plug-in"
	}
	if r.Boot == "iso" {
		return "ISO"
	}
	if kind, _, _ := strings.Cut(strings.TrimPrefix(r.Boot, "boot."), "s["); kind != "" {
		return kind
	}
	return "image"
}

// State is how far an image is.
type State struct {
	Phase Phase
	Done  int64     // bytes
	Total int64     // bytes; 0 when the server does not say
	Error string    // why the image Failed, in words a person can act on
	At    time.Time // when the image Failed
}

// Config of a Store.
type Config struct {
	Dir string // the mirror: images by digest, and files that URLs without a scheme name
	// when set, only these hosts (host or host:port); loopback hosts must be named to be allowed
	AllowHosts []string
	MaxSize    int64         // bytes; default 16 GiB
	Idle       time.Duration // longest time without a byte; default 1 m
	Timeout    time.Duration // longest time for one image; default 6 h
	// pause before an image is fetched again after a failure; doubled by every failure up to 5 m; default 30 s
	Retry  time.Duration
	Now    func() time.Time
	Notify func(Ref)                                 // called when an image is ready, or fails for another cause
	Count  func(error)                               // called at the end of each fetch; default: nothing
	Log    *slog.Logger                              // default: nothing
	Free   func(dir string) (bytes int64, err error) // free bytes for the mirror; default: from statfs
}

// Store is a mirror. Images are fetched while Run is running. The methods are safe for concurrent use. Two Stores must
// not share a directory.
type Store struct {
	config Config
	work   chan Ref

	mu       sync.Mutex
	fetching map[string]State // by digest
	failures map[Ref]failure
}

type failure struct {
	state State
	count int       // in a row
	same  int       // in a row, with the same error
	asked time.Time // last call of Ensure
}

const (
	maxQueue   = 1024            // images waiting to be fetched
	maxRetry   = 5 * time.Minute // between failures
	keepAsked  = 3 * maxRetry    // how long after a call of Ensure the Store tries a failed image by itself
	keepOld    = 24 * time.Hour  // age after which failures and partial images are forgotten
	partPrefix = "part-sha256-"  // partial images, by digest
	wholeStart = "sha256-"       // verified images, by digest
)

// New opens a mirror and makes its directory. Partial images of an earlier process are continued if they are younger
// than a day.
func New(c Config) (*Store, error) {
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the image mirror: %w", err)
	}
	if err := removeOldParts(c.Dir, c.Now().Add(-keepOld)); err != nil {
		return nil, fmt.Errorf("clean the image mirror: %w", err)
	}
	return &Store{config: c, work: make(chan Ref, maxQueue), fetching: map[string]State{}, failures: map[Ref]failure{}},
		nil
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
		c.Notify = func(Ref) {}
	}
	if c.Count == nil {
		c.Count = func(error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Free == nil {
		c.Free = freeBytes
	}
	return c
}

func removeOldParts(dir string, before time.Time) error {
	parts, err := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	for _, part := range parts {
		info, statErr := os.Stat(part)
		if statErr == nil && info.ModTime().Before(before) {
			err = errors.Join(err, os.Remove(part))
		}
	}
	return err
}

// Run fetches images, two at a time, until ctx ends. A failed image is fetched again after its pause, as long as somebody
// asks for the image.
func (s *Store) Run(ctx context.Context) error {
	client := &http.Client{Transport: s.config.newTransport(), CheckRedirect: s.config.checkRedirect}
	defer client.CloseIdleConnections()
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case ref := <-s.work:
					s.recordOutcome(ref, s.fetchImage(ctx, client, ref))
				}
			}
		})
	}
	workers.Go(func() {
		again := time.NewTicker(min(s.config.Retry, time.Second))
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
				s.retryFailed()
			}
		}
	})
	workers.Wait()
	return ctx.Err()
}

// Ensure queues an image for fetching, unless the image is ready, is being fetched (from any URL), or failed within the
// retry pause. One caller or ten thousand: an image that fails is fetched once in each pause.
func (s *Store) Ensure(ref Ref) {
	if s.State(ref).Phase == Ready {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, has := s.failures[ref]; has {
		last.asked = s.config.Now()
		s.failures[ref] = last
	}
	s.queueImage(ref)
}

// retryFailed queues the failed images that somebody still asks for.
func (s *Store) retryFailed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, last := range s.failures {
		if s.config.Now().Sub(last.asked) < keepAsked {
			s.queueImage(ref)
		}
	}
}

// queueImage queues an image unless it is being fetched, or pauses. The caller holds the lock.
func (s *Store) queueImage(ref Ref) {
	if _, is := s.fetching[ref.SHA256]; is {
		return
	}
	if last, has := s.failures[ref]; has && s.config.Now().Before(last.state.At.Add(s.retryPause(last.count))) {
		return
	}
	select {
	case s.work <- ref:
		s.fetching[ref.SHA256] = State{Phase: Fetching}
	default: // the queue is full; the next look at the host asks again
	}
}

// retryPause is the time between the count-th failure in a row and the next try.
func (s *Store) retryPause(count int) time.Duration {
	pause := s.config.Retry
	for range count - 1 {
		if pause *= 2; pause >= maxRetry {
			break
		}
	}
	return min(pause, max(maxRetry, s.config.Retry))
}

// State says how far an image is. Images of the same digest are the same image, also under different URLs.
func (s *Store) State(ref Ref) State {
	s.mu.Lock()
	state, is := s.fetching[ref.SHA256]
	last := s.failures[ref]
	s.mu.Unlock()
	if is {
		return state
	}
	if isDigest(ref.SHA256) {
		if info, err := os.Stat(s.imagePath(ref.SHA256)); err == nil {
			return State{Phase: Ready, Done: info.Size(), Total: info.Size()}
		}
	}
	return last.state
}

// Tally counts the images of a mirror.
type Tally struct {
	Ready, Fetching, Failed int
	Bytes                   int64 // of the images that are ready
}

// Tally counts the mirror's images. A mirror that cannot be read has none.
func (s *Store) Tally() Tally {
	s.mu.Lock()
	t := Tally{Fetching: len(s.fetching), Failed: len(s.failures)}
	s.mu.Unlock()
	entries, _ := os.ReadDir(s.config.Dir) // the next fetch tells of an error
	for _, entry := range entries {
		digest, whole := strings.CutPrefix(entry.Name(), wholeStart)
		if info, err := entry.Info(); whole && isDigest(digest) && err == nil {
			t.Ready++
			t.Bytes += info.Size()
		}
	}
	return t
}

// Open opens a verified image by its digest. The error wraps os.ErrNotExist when the mirror does not have the image.
// The caller closes the reader.
func (s *Store) Open(sha256 string) (io.ReadSeekCloser, int64, error) {
	if !isDigest(sha256) {
		return nil, 0, fmt.Errorf("image %q: %w", sha256, os.ErrNotExist)
	}
	file, err := os.Open(s.imagePath(sha256))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (s *Store) imagePath(sha256 string) string {
	return filepath.Join(s.config.Dir, wholeStart+sha256)
}

func (s *Store) recordProgress(ref Ref, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching[ref.SHA256] = State{Phase: Fetching, Done: done, Total: total}
}

// recordOutcome records the end of a fetch. The log and those who wait hear of an image once for each cause.
func (s *Store) recordOutcome(ref Ref, err error) {
	s.config.Count(err)
	now := s.config.Now()
	s.mu.Lock()
	delete(s.fetching, ref.SHA256)
	before, failed := s.failures[ref]
	delete(s.failures, ref)
	maps.DeleteFunc(s.failures, func(other Ref, f failure) bool {
		return err == nil && other.SHA256 == ref.SHA256 || f.state.At.Before(now.Add(-keepOld))
	})
	next := failure{count: before.count + 1, same: 1, asked: now}
	if err != nil {
		next.state = State{Phase: Failed, Error: err.Error(), At: now}
		if failed {
			next.asked = before.asked
		}
		if before.state.Error == next.state.Error {
			next.same = before.same + 1
		}
		s.failures[ref] = next
	}
	s.mu.Unlock()
	switch {
	case err == nil && !failed:
	case err == nil:
		s.config.Log.Info("image fetched", "sha256", ref.SHA256, "failures", before.count)
	case next.same > 1:
		return
	default:
		s.config.Log.Warn("image not fetched: it is tried again while a host asks for it", "sha256", ref.SHA256, "error",
			next.state.Error, "failures", before.count, "again", s.retryPause(next.count))
	}
	s.config.Notify(ref)
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
