// Package door is the daemon's way in for unknown machines. An agent that was booted from a discovery medium registers
// with an enrolment key, sends its inventory, and waits. A caller without a key that counts gets 404, and a caller with one
// gets 202, whatever speaks against its machine: conflicts are in the record, for operators. The certificate of a
// registration lets its holder call wire.PathWaiting and nothing else.
//
// Call New, and serve Door.Before(hub) where the hub is served. The package keeps no secret but what it derives from the
// daemon's Identity, and says nothing about the fleet. Do not answer a waiting agent from anything but its record.
package door

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/throttle"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
)

// Config is what a Door needs. All but Answer, Pause, Now and Log are required.
type Config struct {
	Identity *hub.Identity
	Records  *records.Store
	// Keys are those of the accepted fleet; false while no fleet is known.
	Keys func() ([]schemas.EnrolmentKey, bool)
	// Known are the machines that ingot knows.
	Known func() *discovery.Known
	// Answer is what the agent of a record is told, by the record without its facts; the door fills in After. It is asked
	// only for the agent that the record has. Default: to wait.
	Answer func(context.Context, discovery.Record) (wire.Waited, error)
	// Account takes the report of the record's agent about an order, if there is one, and gives the agent's next order; nil
	// for none. It is asked only for the agent that the record has, also while something speaks against the record: an
	// account of before is taken away then. Default: no orders.
	Account func(ctx context.Context, record discovery.Record, report *wire.AccountReport) (*wire.AccountOrder, error)
	Pause   time.Duration    // the shortest time between two words of an agent; default 30s
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default: nothing
}

// Limits of the door. The fleet's own agents have limits of their own.
const (
	perSecond   = 50               // registrations, of all callers together
	burst       = 200              // registrations at once
	received    = 32               // registrations whose inventory is received at a time, at most wire.MaxCompressed each
	recorded    = 2                // registrations that are unpacked and recorded at a time
	patience    = 20 * time.Second // for a place among them, and for receiving
	certificate = 8 * 24 * time.Hour
	maxWaiting  = 32 << 10 // bytes of a Waiting, which may hold an AccountReport
)

// Door serves registrations and waiting agents.
type Door struct {
	config   Config
	keys     []byte
	failures *throttle.Limiter // by remote address
	calls    *throttle.Limiter // by what is called, and by agent
	receive  chan struct{}     // places
	record   chan struct{}     // places
}

// New makes a door.
func New(c Config) *Door {
	if c.Answer == nil {
		c.Answer = func(context.Context, discovery.Record) (wire.Waited, error) { return wire.Waited{}, nil }
	}
	if c.Account == nil {
		c.Account = func(context.Context, discovery.Record, *wire.AccountReport) (*wire.AccountOrder, error) {
			return nil, nil
		}
	}
	if c.Pause == 0 {
		c.Pause = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{config: c, keys: c.Identity.DeriveKey(keyPurpose), failures: throttle.New(1, 30),
		calls: throttle.New(perSecond, burst), receive: make(chan struct{}, received),
		record: make(chan struct{}, recorded)}
}

// Before serves the door's two paths, and has next serve all others.
func (d *Door) Before(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathRegister, d.admit(d.serveRegister))
	mux.HandleFunc("POST "+wire.PathWaiting, d.admit(d.serveWaiting))
	mux.Handle("/", next)
	return mux
}

// lookEvery is how often all records are looked at.
const lookEvery = time.Minute

// Run drops records that have ended, and finds conflicts with machines that the fleet got since, until ctx ends.
func (d *Door) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := d.config.Records.Sweep(d.config.Now())
		if _, known := d.config.Keys(); err == nil && known && d.config.Records.Count() > 0 {
			err = d.config.Records.Judge(d.config.Known(), d.config.Now())
		}
		if err != nil {
			d.config.Log.Error("discovery records", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// pause is how long an agent waits between two words: the more agents wait, the longer, up to 2 minutes.
func (d *Door) pause() time.Duration {
	const perRecord = 10 * time.Millisecond
	return min(max(d.config.Pause, time.Duration(d.config.Records.Count())*perRecord), 2*time.Minute)
}

// Answers to callers. A stranger learns nothing from the one that it gets.
var (
	errNoKey    = errors.New("no enrolment key that counts")
	errStranger = errors.New("no certificate of a registration")
	errBusy     = errors.New("too many registrations at a time")
	errBody     = errors.New("the body is no registration")
)

// admit wraps a route: an address with too many failures has to wait.
func (d *Door) admit(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		if !d.failures.WouldAllow(address, d.config.Now()) {
			answerStatus(w, http.StatusTooManyRequests)
			return
		}
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(wire.CallTimeout)) // some tests have writers without deadlines
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		err = serve(w, r)
		switch {
		case err == nil:
			return
		case errors.Is(err, errNoKey), errors.Is(err, errBody), errors.Is(err, errStranger):
			d.failures.Allow(address, d.config.Now())
		}
		d.answerError(w, r, err)
	}
}

func (d *Door) answerError(w http.ResponseWriter, r *http.Request, err error) {
	d.config.Log.Debug("discovery call failed", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
	switch {
	case errors.Is(err, errNoKey):
		answerStatus(w, http.StatusNotFound)
	case errors.Is(err, errStranger):
		answerStatus(w, http.StatusUnauthorized)
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "30")
		answerStatus(w, http.StatusTooManyRequests)
	case errors.Is(err, errBody):
		answerStatus(w, http.StatusBadRequest)
	case r.Context().Err() != nil:
		// The caller is gone.
	default:
		d.config.Log.Error("discovery call failed", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		answerStatus(w, http.StatusServiceUnavailable)
	}
}

func answerStatus(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }

// waiter is the agent that the certificate of a registration speaks for.
type waiter struct {
	record discovery.ID
	key    string // id of the enrolment key
	agent  string // hex SHA-256 of the SubjectPublicKeyInfo
}

// formatURI names record and enrolment key in a certificate: ingot://waiting/<record>?key=<id>. The hub lets in only
// holders of ingot://agent/….
func (w waiter) formatURI() *url.URL {
	return &url.URL{Scheme: "ingot", Host: "waiting", Path: "/" + string(w.record),
		RawQuery: url.Values{"key": {w.key}}.Encode()}
}

// authenticate reads the certificate of a registration; errStranger without one.
func (d *Door) authenticate(r *http.Request) (waiter, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return waiter{}, errStranger
	}
	leaf := r.TLS.PeerCertificates[0]
	if d.config.Identity.VerifyClient(leaf, d.config.Now()) != nil || len(leaf.URIs) != 1 {
		return waiter{}, errStranger
	}
	uri := leaf.URIs[0]
	id := strings.TrimPrefix(uri.Path, "/")
	if uri.Scheme != "ingot" || uri.Host != "waiting" || !discovery.IsID(id) {
		return waiter{}, errStranger
	}
	return waiter{discovery.ID(id), uri.Query().Get("key"), digestKey(leaf)}, nil
}

func digestKey(leaf *x509.Certificate) string { return digest(leaf.RawSubjectPublicKeyInfo) }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// findKey gives an enrolment key of the fleet; errNoKey without one, errBusy while no fleet is known.
func (d *Door) findKey(id string) (schemas.EnrolmentKey, error) {
	keys, known := d.config.Keys()
	i := slices.IndexFunc(keys, func(k schemas.EnrolmentKey) bool { return k.ID == id })
	switch {
	case !known:
		return schemas.EnrolmentKey{}, errBusy
	case i < 0:
		return schemas.EnrolmentKey{}, errNoKey
	default:
		return keys[i], nil
	}
}
