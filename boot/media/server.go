package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// stall is how long a reader may take no byte before the connection is cut.
const stall = 2 * time.Minute

// Key names one boot of one host.
type Key struct {
	Host  string
	Boot  string
	Epoch uint64
}

// Reads counts what the server sent of a medium: answers with bytes of the medium, bytes so far, and the time of the
// last byte. HEAD requests are not counted.
type Reads struct {
	Requests int
	Bytes    int64
	Last     time.Time
	// Parts are the parts of the medium in the order of a start, as far as the layout of the image is known.
	Parts []inventory.MediumPart
}

// Server serves media under unguessable paths. A boot's path is an HMAC of the daemon's key, so a restarted daemon
// serves the same paths. The methods are safe for concurrent use.
type Server struct {
	iso  *ISO
	key  []byte
	base string // URL under which BMCs reach the server, without a slash at the end
	tls  string // the same over HTTPS; empty: not served
	now  func() time.Time

	mu    sync.Mutex
	media map[string]*publishedMedium // by path
	paths map[string]string           // path by host: a host has at most one medium
}

type publishedMedium struct {
	image image
	etag  string
	since time.Time
	reads Reads
	parts []inventory.MediumPart // of image.areas
}

// image is what a medium has.
type image struct {
	content io.ReaderAt
	size    int64
	areas   []area // in the order of a start
}

// NewServer serves iso; base is the URL under which BMCs reach the handler; key is secret and stays the same over
// restarts.
func NewServer(iso *ISO, base string, key []byte, now func() time.Time) *Server {
	return &Server{iso: iso, key: key, base: strings.TrimRight(base, "/"), now: now,
		media: map[string]*publishedMedium{}, paths: map[string]string{}}
}

// AdvertiseTLS names the https URL under which BMCs reach the handler beside the URL of NewServer. Call AdvertiseTLS before
// the first medium is published.
func (s *Server) AdvertiseTLS(base string) { s.tls = strings.TrimRight(base, "/") }

// URLs are where a published medium is served: by URL, and over HTTPS where the server has that.
func (s *Server) URLs(key Key) []string {
	urls := []string{s.URL(key)}
	if s.tls != "" {
		urls = append(urls, s.tls+s.mediumPath(key))
	}
	return urls
}

// WhyUnusable says in one line why no machine boots from the server's image, or "".
func (s *Server) WhyUnusable() string { return s.iso.WhyUnusable() }

// URL is where a published medium is served. The URL ends in .iso and has no query, because BMCs insist.
func (s *Server) URL(key Key) string { return s.base + s.mediumPath(key) }

func (s *Server) mediumPath(key Key) string {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "ingot medium v1\x00%s\x00%s\x00%d", key.Host, key.Boot, key.Epoch)
	return "/media/" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil))) +
		"/boot.iso"
}

// Publish serves a boot's medium and withdraws an older medium of the same host. A medium keeps its first bytes until
// Withdraw: a second Publish of the same boot changes nothing.
func (s *Server) Publish(key Key, files []File) error {
	packed, err := packOverlay(files)
	if err != nil {
		return err
	}
	s.publishImage(key, s.iso.lay(packed), s.iso.digest[:], packed)
	return nil
}

// publishImage serves an image. The parts tell it from every other one.
func (s *Server) publishImage(key Key, i image, parts ...[]byte) {
	path := s.mediumPath(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.paths[key.Host]; old != path {
		delete(s.media, old)
	}
	if s.media[path] == nil {
		s.media[path] = &publishedMedium{image: i, etag: computeETag(parts), since: s.now(), parts: i.listParts()}
	}
	s.paths[key.Host] = path
}

// computeETag gives a strong ETag over the bytes of a medium, from what tells it from others.
func computeETag(parts [][]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(part)
	}
	return `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
}

// Published reports whether a boot's medium is served.
func (s *Server) Published(key Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.media[s.mediumPath(key)] != nil
}

// Withdraw ends a host's medium: new requests get 404. An answer under way ends as it began.
func (s *Server) Withdraw(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.media, s.paths[host])
	delete(s.paths, host)
}

// Reads counts what was read of a boot's medium since Publish.
func (s *Server) Reads(key Key) Reads {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.media[s.mediumPath(key)]; p != nil {
		reads := p.reads
		reads.Parts = slices.Clone(p.parts)
		return reads
	}
	return Reads{}
}

// ServeHTTP answers GET and HEAD, with ranges. Unknown paths get 404.
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
	w.Header().Set("Cache-Control", "no-store") // the medium carries a token
	answer := &answer{ResponseWriter: w, control: http.NewResponseController(w),
		wrote: func(n int, first bool) { s.countRead(p, n, first) }}
	content := toldReader{p.image.content, func(at, end int64) { s.countParts(p, at, end) }}
	http.ServeContent(answer, r, "boot.iso", p.since, io.NewSectionReader(content, 0, p.image.size))
}

// countParts counts the bytes that were read of each part.
func (s *Server) countParts(p *publishedMedium, at, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range p.image.areas {
		if n := min(end, a.end) - max(at, a.start); n > 0 {
			p.parts[i].Read += n
			p.parts[i].Last = s.now()
		}
	}
}

func (s *Server) countRead(p *publishedMedium, n int, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		p.reads.Requests++
	}
	p.reads.Bytes += int64(n)
	p.reads.Last = s.now()
}

// toldReader tells which bytes were read.
type toldReader struct {
	io.ReaderAt
	read func(at, end int64)
}

// ReadAt implements io.ReaderAt.
func (t toldReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := t.ReaderAt.ReadAt(p, at)
	t.read(at, at+int64(n))
	return n, err
}

// answer reports a medium's bytes while they leave: some BMCs read a whole medium in a single request.
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
	_ = a.control.SetWriteDeadline(time.Now().Add(stall)) // only a test's writer has no deadlines
	n, err := a.ResponseWriter.Write(p)
	if n > 0 && !a.refused {
		a.wrote(n, !a.begun)
		a.begun = true
	}
	return n, err
}
