package hub

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// Sizes of the bodies of strangers.
const (
	maxEnrol     = 64 << 10
	maxPhoneHome = 8 << 10
)

// errRefused is all that somebody without a right learns.
var errRefused = errors.New("refused")

// peer is who a client certificate speaks for.
type peer struct {
	host  string
	boot  string
	epoch inventory.Epoch
	key   string // hex SHA-256 of the SubjectPublicKeyInfo
}

func (h *Hub) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathEnrol, h.stranger(h.enrol))
	mux.HandleFunc("POST "+wire.PathPhoneHome, h.stranger(h.phoneHome))
	mux.HandleFunc("POST "+wire.PathFacts, h.agent(h.facts))
	mux.HandleFunc("POST "+wire.PathNextJob, h.agent(h.nextJob))
	mux.HandleFunc("POST "+fmt.Sprintf(wire.PathProgress, "{job}"), h.agent(h.progress))
	mux.HandleFunc("POST "+fmt.Sprintf(wire.PathResult, "{job}"), h.agent(h.result))
	mux.HandleFunc("GET "+fmt.Sprintf(wire.PathConfig, "{job}"), h.agent(h.installConfig))
	mux.HandleFunc("GET "+wire.PathImages+"{sha256}", h.agent(h.image))
	return mux
}

// stranger wraps a route without a client certificate: an address that failed too often has to wait.
func (h *Hub) stranger(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		if !h.failures.has(address, h.config.Now()) {
			answer(w, http.StatusTooManyRequests)
			return
		}
		if err := serve(w, r); err != nil {
			if blames(err) {
				h.failures.take(address, h.config.Now())
			}
			h.refuse(w, r, err)
		}
	}
}

// agent wraps a route of enrolled agents.
func (h *Hub) agent(serve func(http.ResponseWriter, *http.Request, peer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := h.authenticate(r)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		if !h.calls.take(p.host, h.config.Now()) {
			answer(w, http.StatusTooManyRequests)
			return
		}
		if err := serve(w, r, p); err != nil {
			h.refuse(w, r, err)
		}
	}
}

// authenticate checks the certificate itself, not only the connection's handshake: a connection may outlive its certificate, its boot or
// an alarm.
func (h *Hub) authenticate(r *http.Request) (peer, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return peer{}, errRefused
	}
	leaf := r.TLS.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: h.roots, CurrentTime: h.config.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return peer{}, errRefused
	}
	p, err := peerOf(leaf)
	if err != nil {
		return peer{}, errRefused
	}
	return p, h.admit(r.Context(), p)
}

// admit holds a peer against the boot that is expected now.
func (h *Hub) admit(ctx context.Context, p peer) error {
	adopt := false
	err := h.with(ctx, p.host, func(e *entry) error {
		if err := e.doc.admits(p); err != nil {
			return err
		}
		e.seen = h.config.Now()
		adopt = e.doc.Key == ""
		return nil
	})
	if err != nil || !adopt {
		return err
	}
	// The journal was lost, but our certificate proves that this key had enrolled.
	return h.edit(ctx, p.host, func(_ *entry, doc *document) error {
		if err := doc.admits(p); err != nil {
			return err
		}
		doc.Key, doc.Enrolled = p.key, h.config.Now()
		return nil
	})
}

func (d *document) admits(p peer) error {
	if d.Boot == "" || d.Boot != p.boot || d.Epoch != p.epoch || d.Alarm != "" || (d.Key != "" && d.Key != p.key) {
		return errRefused
	}
	return nil
}

// agentURI names host, boot and epoch in a client certificate: ingot://agent/<host>/<boot>/<epoch>.
func agentURI(p peer) *url.URL {
	return &url.URL{Scheme: "ingot", Host: "agent", Path: "/" + p.host + "/" + p.boot + "/" + strconv.FormatUint(p.epoch, 10)}
}

func peerOf(leaf *x509.Certificate) (peer, error) {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "ingot" || leaf.URIs[0].Host != "agent" {
		return peer{}, errRefused
	}
	parts := strings.Split(strings.TrimPrefix(leaf.URIs[0].Path, "/"), "/")
	if len(parts) != 3 {
		return peer{}, errRefused
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return peer{}, errRefused
	}
	return peer{host: parts[0], boot: parts[1], epoch: epoch, key: keyDigest(leaf.RawSubjectPublicKeyInfo)}, nil
}

func keyDigest(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// statusError is an answer to somebody who may know.
type statusError struct {
	status int
	why    string
}

func (e statusError) Error() string { return e.why }

// blames reports whether an error is the caller's fault.
func blames(err error) bool {
	var known statusError
	return errors.Is(err, errRefused) || errors.As(err, &known)
}

// refuse answers an error: strangers learn nothing, agents learn what they need, people find it in the log.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var known statusError
	switch {
	case errors.Is(err, errRefused):
		h.config.Log.Debug("agent call refused", "path", r.URL.Path, "from", r.RemoteAddr)
		answer(w, http.StatusUnauthorized)
	case errors.As(err, &known):
		h.config.Log.Debug("agent call failed", "path", r.URL.Path, "from", r.RemoteAddr, "status", known.status, "why", known.why)
		answer(w, known.status)
	case r.Context().Err() != nil:
		// The caller is gone.
	default:
		h.config.Log.Error("agent call failed", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		answer(w, http.StatusServiceUnavailable)
	}
}

func answer(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }

// decode reads one JSON body of at most limit bytes.
func decode(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(wire.CallTimeout)) // not every test's writer has one
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()   // it would end a long answer
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return statusError{http.StatusRequestEntityTooLarge, "body too large"}
	case err != nil:
		return statusError{http.StatusBadRequest, "body not readable"}
	}
	if err := json.Unmarshal(data, into); err != nil {
		return statusError{http.StatusBadRequest, "body is not the message expected"}
	}
	return nil
}

// limiter is a token bucket per name.
type limiter struct {
	mu      sync.Mutex
	every   rate.Limit
	burst   int
	buckets map[string]*rate.Limiter
}

// maxBuckets bounds the memory that strangers can make us use; over it everybody starts afresh.
const maxBuckets = 100_000

func newLimiter(perSecond rate.Limit, burst int) *limiter {
	return &limiter{every: perSecond, burst: burst, buckets: map[string]*rate.Limiter{}}
}

func (l *limiter) bucket(name string) *rate.Limiter {
	b := l.buckets[name]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets)
		}
		b = rate.NewLimiter(l.every, l.burst)
		l.buckets[name] = b
	}
	return b
}

func (l *limiter) take(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(name).AllowN(now, 1)
}

// has reports whether the next take would succeed.
func (l *limiter) has(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[name]
	return !known || b.TokensAt(now) >= 1
}
