package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/ports"
)

// patience is how long a test waits for anything.
const patience = 2 * time.Minute

// daemon is the other side of the protocol, scripted by a test. It outlives its server, as a journal outlives a
// process.
type daemon struct {
	t           *testing.T
	key         *ecdsa.PrivateKey
	certificate []byte
	pool        *x509.CertPool
	server      *httptest.Server

	mu      sync.Mutex
	changed chan struct{}
	// hook answers a request instead of the daemon when it returns true.
	hook  func(d *daemon, w http.ResponseWriter, r *http.Request) bool
	job   *wire.Job // handed out until its result is there
	image []byte
	seen
}

// seen is what the agents said so far.
type seen struct {
	handshakes []string // what went wrong in TLS
	enrols     []wire.Enrol
	facts      []wire.Facts
	polls      []wire.Poll
	progress   []wire.Progress
	results    []wire.Result
	ranges     []string
	paths      []string
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, key: key, changed: make(chan struct{}), pool: x509.NewCertPool()}
	d.certify(time.Now().Add(24 * time.Hour))
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.start("127.0.0.1:" + port) // it is restarted there
	t.Cleanup(func() { d.server.Close() })
	return d
}

// certify makes the daemon's own certificate, which is also its authority.
func (d *daemon) certify(until time.Time) {
	d.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "daemon"}, NotBefore: time.Unix(0, 0),
		NotAfter: until,
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &d.key.PublicKey, d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		d.t.Fatal(err)
	}
	d.certificate = der
	d.pool = x509.NewCertPool()
	d.pool.AddCert(authority)
}

func (d *daemon) start(address string) {
	d.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(d.t.Context(), "tcp", address)
	if err != nil {
		d.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(d.serve))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Config.ErrorLog = log.New(handshakes{d}, "", 0)
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: d.pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{d.certificate}, PrivateKey: d.key}},
	}
	server.StartTLS()
	d.server = server
}

// restart is a daemon that was killed: its connections break, and another process comes up at the same address.
func (d *daemon) restart(between func()) {
	d.t.Helper()
	address := d.server.Listener.Addr().String()
	d.server.CloseClientConnections()
	d.server.Close()
	between()
	d.start(address)
}

type handshakes struct{ d *daemon }

func (h handshakes) Write(line []byte) (int, error) {
	h.d.note(func(s *seen) { s.handshakes = append(s.handshakes, string(line)) })
	return len(line), nil
}

func (d *daemon) pin() string {
	spki, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		d.t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// note changes what was seen, and wakes whoever waits for it.
func (d *daemon) note(change func(*seen)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.seen)
	close(d.changed)
	d.changed = make(chan struct{})
}

// assign hands out a job from now on.
func (d *daemon) assign(job wire.Job) {
	d.note(func(*seen) { d.job = &job })
}

// await waits until what was seen is as wanted, and returns it.
func (d *daemon) await(what string, wanted func(seen) bool) seen {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		d.mu.Lock()
		now, changed := d.seen, d.changed
		d.mu.Unlock()
		if wanted(now) {
			return now
		}
		select {
		case <-changed:
		case <-deadline.C:
			d.t.Fatalf("waited %s for %s; seen: %+v", patience, what, now)
		}
	}
}

func (d *daemon) result() wire.Result {
	d.t.Helper()
	return d.await("a result", func(s seen) bool { return len(s.results) > 0 }).results[0]
}

func (d *daemon) serve(w http.ResponseWriter, r *http.Request) {
	d.note(func(s *seen) { s.paths = append(s.paths, r.URL.Path) })
	d.mu.Lock()
	hook := d.hook
	d.mu.Unlock()
	if hook != nil && hook(d, w, r) {
		return
	}
	if r.URL.Path != wire.PathEnrol && len(r.TLS.VerifiedChains) == 0 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch {
	case r.URL.Path == wire.PathEnrol:
		d.enrol(w, r)
	case r.URL.Path == wire.PathFacts:
		read(d, w, r, func(s *seen, m wire.Facts) { s.facts = append(s.facts, m) })
	case r.URL.Path == wire.PathNextJob:
		d.next(w, r)
	case strings.HasSuffix(r.URL.Path, "/progress"):
		read(d, w, r, func(s *seen, m wire.Progress) { s.progress = append(s.progress, m) })
	case strings.HasSuffix(r.URL.Path, "/result"):
		read(d, w, r, func(s *seen, m wire.Result) {
			s.results = append(s.results, m)
			if d.job != nil && path.Base(path.Dir(r.URL.Path)) == d.job.ID {
				d.job = nil
			}
		})
	case strings.HasPrefix(r.URL.Path, wire.PathImages):
		d.note(func(s *seen) { s.ranges = append(s.ranges, r.Header.Get("Range")) })
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(d.image)))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// read takes a message, notes it, and answers 204.
func read[M any](d *daemon, w http.ResponseWriter, r *http.Request, note func(*seen, M)) {
	var m M
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d.note(func(s *seen) { note(s, m) })
	w.WriteHeader(http.StatusNoContent)
}

func (d *daemon) enrol(w http.ResponseWriter, r *http.Request) {
	var m wire.Enrol
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	der, err := d.issue(m.CSR)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d.note(func(s *seen) { s.enrols = append(s.enrols, m) })
	_ = json.NewEncoder(w).Encode(wire.Enrolled{Certificate: der})
}

func (d *daemon) issue(request []byte) ([]byte, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err = errors.Join(err, csr.CheckSignature()); err != nil {
		return nil, err
	}
	authority, err := x509.ParseCertificate(d.certificate)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: csr.Subject, NotBefore: time.Unix(0, 0),
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, csr.PublicKey, d.key)
}

// next holds a poll until there is a job that the agent does not name as running.
func (d *daemon) next(w http.ResponseWriter, r *http.Request) {
	var m wire.Poll
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d.note(func(s *seen) { s.polls = append(s.polls, m) })
	for {
		d.mu.Lock()
		job, changed := d.job, d.changed
		d.mu.Unlock()
		if job != nil && job.ID != m.Running {
			_ = json.NewEncoder(w).Encode(job)
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func key(t *testing.T, enrol wire.Enrol) string {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(enrol.CSR)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(csr.RawSubjectPublicKeyInfo))
}

// machine is hardware as a test wants it.
type machine struct {
	facts func() (wire.Facts, error)
	do    func(ctx context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error)

	mu      sync.Mutex
	looks   int
	orders  []string // ids of the orders about accounts
	done    []string // names of the steps that were run
	off     chan struct{}
	running bool
}

func newMachine() *machine { return &machine{off: make(chan struct{}, 8)} }

// alone reports a call that overlaps another one.
func (m *machine) alone(note func()) (end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running {
		return nil, errors.New("two calls at a time")
	}
	m.running = true
	note()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.running = false
	}, nil
}

func (m *machine) Facts(context.Context) (wire.Facts, error) {
	end, err := m.alone(func() { m.looks++ })
	if err != nil {
		return wire.Facts{}, err
	}
	defer end()
	if m.facts != nil {
		return m.facts()
	}
	return wire.Facts{System: wire.System{Serial: "S1"}, Memory: 1 << 30}, nil
}

func (m *machine) Do(ctx context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
	end, err := m.alone(func() { m.done = append(m.done, step.Name) })
	if err != nil {
		return nil, err
	}
	defer end()
	if m.do != nil {
		return m.do(ctx, step, s)
	}
	return nil, nil
}

func (m *machine) CarryAccount(_ context.Context, order wire.AccountOrder) wire.AccountReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders = append(m.orders, order.ID)
	return wire.AccountReport{ID: order.ID, Slot: 3}
}

func (m *machine) PowerOff(context.Context) error {
	m.off <- struct{}{}
	return nil
}

func (m *machine) counts() (looks int, done []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.looks, append([]string(nil), m.done...)
}

// epoch is that of every boot in these tests.
const epoch = 7

func (d *daemon) config(m agent.Machine) agent.Config {
	return agent.Config{
		Boot: wire.BootConfig{
			Version: wire.Version, Host: "web-1", Boot: "b1", Epoch: epoch, Token: "the-token",
			URLs: []string{d.server.URL}, Pins: []string{d.pin()}, Time: time.Now(),
		},
		Machine: m, Log: slog.New(slog.DiscardHandler),
	}
}

// run starts an agent. stop ends it, and gives what Run returned; a test that does not call it has it called.
func run(t *testing.T, c agent.Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, c) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case result = <-ended:
			case <-time.After(patience):
				t.Error("the agent did not end")
			}
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func install(id string, attempt int, steps ...string) wire.Job {
	job := wire.Job{ID: id, Attempt: attempt, Kind: wire.JobWrite, Epoch: epoch}
	for _, name := range steps {
		job.Steps = append(job.Steps,
			wire.Step{Name: name, Timeout: time.Minute, Script: &wire.Script{Body: []byte("#!/bin/sh\n")}})
	}
	return job
}
