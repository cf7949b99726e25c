package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// stall is how long a reader may take nothing before its connection is cut.
const stall = 2 * time.Minute

// Key names one boot of one host.
type Key struct {
	Host  string
	Boot  string
	Epoch uint64
}

// Reads is what the server saw of a medium: answers that carried bytes of it, their bytes so far, and when the last of them left. HEAD is none.
type Reads struct {
	Requests int
	Bytes    int64
	Last     time.Time
}

// Server serves media by unguessable paths. The path of a boot is an HMAC of the daemon's key: a restarted daemon serves the same ones. Its
// methods may be called from several goroutines.
type Server struct {
	iso  *ISO
	key  []byte
	base string // URL as BMCs reach us, without a slash at its end
	now  func() time.Time

	mu    sync.Mutex
	media map[string]*published // by path
	paths map[string]string     // path by host: a host has one medium
}

type published struct {
	overlay []byte
	etag    string
	since   time.Time
	reads   Reads
}

// NewServer serves iso; base is the URL at which BMCs reach the handler; key is secret and the same after a restart.
func NewServer(iso *ISO, base string, key []byte, now func() time.Time) *Server {
	return &Server{iso: iso, key: key, base: strings.TrimRight(base, "/"), now: now, media: map[string]*published{}, paths: map[string]string{}}
}

// URL is where the medium of a boot is served while it is published. It ends in .iso and has no query: BMCs insist.
func (s *Server) URL(key Key) string { return s.base + s.path(key) }

func (s *Server) path(key Key) string {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "ingot medium v1\x00%s\x00%s\x00%d", key.Host, key.Boot, key.Epoch)
	return "/media/" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil))) + "/boot.iso"
}

// Publish serves a boot's medium; another one of the same host ends. A medium keeps the bytes it was first published with until it is
// withdrawn: publishing it again changes nothing.
func (s *Server) Publish(key Key, files []File) error {
	packed, err := overlay(files)
	if err != nil {
		return err
	}
	path := s.path(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.paths[key.Host]; old != path {
		delete(s.media, old)
	}
	if s.media[path] == nil {
		s.media[path] = &published{overlay: packed, etag: s.etag(packed), since: s.now()}
	}
	s.paths[key.Host] = path
	return nil
}

// etag is a strong one: it names the bytes of the base and of the overlay.
func (s *Server) etag(overlay []byte) string {
	sum := sha256.New()
	sum.Write(s.iso.digest[:])
	sum.Write(overlay)
	return `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
}

// Published reports whether a boot's medium is served.
func (s *Server) Published(key Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.media[s.path(key)] != nil
}

// Withdraw ends a host's medium: from now on it is 404. An answer that has begun ends as it began.
func (s *Server) Withdraw(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.media, s.paths[host])
	delete(s.paths, host)
}

// Reads is what was read of a boot's medium since it is published.
func (s *Server) Reads(key Key) Reads {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.media[s.path(key)]; p != nil {
		return p.reads
	}
	return Reads{}
}

// ServeHTTP answers GET and HEAD, with ranges. Anything unknown is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	p := s.media[r.URL.Path]
	s.mu.Unlock()
	if p == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", p.etag)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store") // it carries a token
	answer := &answer{ResponseWriter: w, control: http.NewResponseController(w), wrote: func(n int, first bool) { s.count(p, n, first) }}
	http.ServeContent(answer, r, "boot.iso", p.since, s.iso.open(p.overlay))
}

func (s *Server) count(p *published, n int, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		p.reads.Requests++
	}
	p.reads.Bytes += int64(n)
	p.reads.Last = s.now()
}

// answer tells of the medium's bytes while they leave: some BMCs read a whole medium in one request.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	wrote   func(n int, first bool)
	refused bool
	begun   bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	a.refused = code >= http.StatusMultipleChoices
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	_ = a.control.SetWriteDeadline(time.Now().Add(stall)) // a writer without deadlines is a test's
	n, err := a.ResponseWriter.Write(p)
	if n > 0 && !a.refused {
		a.wrote(n, !a.begun)
		a.begun = true
	}
	return n, err
}
