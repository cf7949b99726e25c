package hub_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// memory is a Store that a test can break.
type memory struct {
	mu     sync.Mutex
	data   map[string][]byte
	broken error
}

func (m *memory) Load(_ context.Context, host string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data[host], m.broken
}

func (m *memory) Save(_ context.Context, host string, document []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken == nil {
		m.data[host] = document
	}
	return m.broken
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

type image struct{ *bytes.Reader }

func (image) Close() error { return nil }

// shelf holds images by their digest.
type shelf map[string][]byte

func (s shelf) Open(digest string) (io.ReadSeekCloser, int64, error) {
	data, ok := s[digest]
	if !ok {
		return nil, 0, fmt.Errorf("no such image: %w", fs.ErrNotExist)
	}
	return image{bytes.NewReader(data)}, int64(len(data)), nil
}

// rig is a hub behind a real TLS listener, with a clock that tests move.
type rig struct {
	*hub.Hub
	t        testing.TB
	identity *hub.Identity
	store    *memory
	server   *httptest.Server
	notified chan string
	results  hub.Results // nil for none
	images   hub.Images

	mu  sync.Mutex
	now time.Time

	shows func(host, install string) bool // nil: at once
}

var content = []byte("an operating system image of some length")

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func newRig(t testing.TB) *rig {
	t.Helper()
	identity, err := hub.CreateIdentity(filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, identity: identity, store: &memory{data: map[string][]byte{}}, now: time.Now(),
		images: shelf{digestOf(content): content}}
	r.start()
	return r
}

// start makes a hub on what the store holds: the first time, and as after a restart.
func (r *rig) start() {
	r.t.Helper()
	notified := make(chan string, 1000)
	r.notified = notified
	r.Hub = hub.New(hub.Config{
		Identity: r.identity, Store: r.store, Images: r.images, Now: r.clock, Results: r.results,
		Notify: func(host string) { notified <- host }, Shows: r.shows,
		Mask: func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") },
	})
	config, err := r.identity.ServerTLS([]string{"127.0.0.1", "ingot.test"})
	if err != nil {
		r.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(r.Hub)
	server.TLS = config
	server.StartTLS()
	r.t.Cleanup(server.Close)
	r.server = server
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) expect(host, boot string, epoch inventory.Epoch) {
	r.t.Helper()
	if err := r.Expect(r.t.Context(), host, boot, epoch, ""); err != nil {
		r.t.Fatalf("Expect(%s, %s, %d): %v", host, boot, epoch, err)
	}
}

func (r *rig) state(host string) inventory.AgentState {
	r.t.Helper()
	state, err := r.State(r.t.Context(), host)
	if err != nil {
		r.t.Fatalf("State(%s): %v", host, err)
	}
	return state
}

// caller is one side of the wire: an agent, or somebody who would like to be one.
type caller struct {
	rig    *rig
	key    *ecdsa.PrivateKey
	client *http.Client
	leaf   []byte
}

func (r *rig) caller() *caller {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &caller{rig: r, key: key}
	c.use(nil)
	return c
}

// use makes the caller show a client certificate from now on.
func (c *caller) use(leaf []byte) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.rig.identity.CAPEM())
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	if leaf != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: c.key}}
	}
	transport := &http.Transport{TLSClientConfig: config}
	c.rig.t.Cleanup(transport.CloseIdleConnections)
	c.client, c.leaf = &http.Client{Transport: transport, Timeout: 20 * time.Second}, leaf
}

func (c *caller) post(path string, body any) (int, []byte) {
	c.rig.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.rig.t.Fatal(err)
	}
	return c.do(http.MethodPost, path, data, "")
}

// do gives status 0 when the connection is refused in its handshake.
func (c *caller) do(method, path string, body []byte, span string) (int, []byte) {
	c.rig.t.Helper()
	request, err := http.NewRequestWithContext(c.rig.t.Context(), method, c.rig.server.URL+path, bytes.NewReader(body))
	if err != nil {
		c.rig.t.Fatal(err)
	}
	if span != "" {
		request.Header.Set("Range", span)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		c.rig.t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (c *caller) csr() []byte {
	c.rig.t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, c.key)
	if err != nil {
		c.rig.t.Fatal(err)
	}
	return csr
}

func (c *caller) enrol(host, boot string, epoch inventory.Epoch) (int, []byte) {
	c.rig.t.Helper()
	status, body := c.post(wire.PathEnrol, wire.Enrol{
		Version: wire.Version, Host: host, Boot: boot, Epoch: epoch, Token: c.rig.BootToken(host, boot, epoch).Reveal(),
		CSR: c.csr(),
	})
	if status != http.StatusOK {
		return status, body
	}
	var enrolled wire.Enrolled
	if err := json.Unmarshal(body, &enrolled); err != nil {
		c.rig.t.Fatal(err)
	}
	return status, enrolled.Certificate
}

// agent is a caller that is enrolled for the boot and has posted its facts.
func (r *rig) agent(host, boot string, epoch inventory.Epoch) *caller {
	r.t.Helper()
	r.expect(host, boot, epoch)
	c := r.caller()
	status, certificate := c.enrol(host, boot, epoch)
	if status != http.StatusOK {
		r.t.Fatalf("enrol = %d %s", status, certificate)
	}
	c.use(certificate)
	c.want(wire.PathFacts, facts(), http.StatusNoContent)
	return c
}

func (c *caller) want(path string, body any, status int) []byte {
	c.rig.t.Helper()
	got, answer := c.post(path, body)
	if got != status {
		c.rig.t.Fatalf("POST %s = %d %s, want %d", path, got, answer, status)
	}
	return answer
}

func facts() wire.Facts {
	return wire.Facts{
		System: wire.System{Serial: "5XKJ2M3"},
		Disks:  []wire.Disk{{Name: "sda", WWN: "5000c500a1b2c3d4", Size: 1 << 30, Content: wire.Content{Blank: true}}},
		NICs:   []wire.NIC{{Name: "eth0", MAC: "52:54:00:00:00:03"}},
	}
}

func install(id string, attempt int, epoch inventory.Epoch) wire.Job {
	return wire.Job{ID: id, Attempt: attempt, Kind: wire.JobWrite, Epoch: epoch, Steps: []wire.Step{{
		Name:    "install",
		Install: &wire.Install{ID: id, Image: wire.Image{SHA256: digestOf(content), Size: int64(len(content))}},
	}}}
}

func (r *rig) assign(host string, job wire.Job) {
	r.t.Helper()
	if err := r.Assign(r.t.Context(), host, hub.Assignment{Job: job}); err != nil {
		r.t.Fatalf("Assign: %v", err)
	}
}
