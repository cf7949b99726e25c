package door_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/hub/door"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

var pallet = schemas.EnrolmentKey{ID: "fra1-pallet-7", Until: "2026-12-31", Max: 50}

// rig is a door in front of a hub behind a real TLS listener, with a clock and a fleet that tests change.
type rig struct {
	t        testing.TB
	identity *hub.Identity
	records  *records.Store
	server   *httptest.Server
	dir      string

	mu    sync.Mutex
	now   time.Time
	keys  []schemas.EnrolmentKey
	known *discovery.Known
	blind bool // no fleet is known
	// answer is what waiting agents are told
	answer  wire.Waited
	hub     *hub.Hub
	changed chan struct{} // has a value when something happened
}

func (r *rig) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

type nothing struct{}

func (nothing) Load(context.Context, string) ([]byte, error)  { return nil, nil }
func (nothing) Save(context.Context, string, []byte) error    { return nil }
func (nothing) Open(string) (io.ReadSeekCloser, int64, error) { return nil, 0, http.ErrMissingFile }

func newRig(t testing.TB) *rig {
	t.Helper()
	identity, err := hub.CreateIdentity(filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, identity: identity, now: noon, keys: []schemas.EnrolmentKey{pallet}, known: discovery.NewKnown(), changed: make(chan struct{}, 1)}
	r.start(t.TempDir())
	return r
}

// start serves a door over what a directory holds: the first time, and as after a restart.
func (r *rig) start(dir string) {
	r.t.Helper()
	var err error
	r.dir = dir
	r.records, err = records.Open(records.Config{Dir: filepath.Join(dir, "records"), Inventories: filepath.Join(dir, "inventory"),
		Notify: func(discovery.ID) { r.wake() }})
	if err != nil {
		r.t.Fatal(err)
	}
	d := door.New(door.Config{Identity: r.identity, Records: r.records, Now: r.clock, Pause: time.Second,
		Answer: func(context.Context, discovery.Record) (wire.Waited, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.wake()
			return r.answer, nil
		},
		Keys:  func() ([]schemas.EnrolmentKey, bool) { r.mu.Lock(); defer r.mu.Unlock(); return r.keys, !r.blind },
		Known: func() *discovery.Known { r.mu.Lock(); defer r.mu.Unlock(); return r.known }})
	r.hub = hub.New(hub.Config{Identity: r.identity, Store: nothing{}, Images: nothing{}, Now: r.clock,
		Notify: func(string) { r.wake() }})
	config, err := r.identity.ServerTLS([]string{"127.0.0.1"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = httptest.NewUnstartedServer(d.Before(r.hub))
	config.Time = r.clock
	r.server.TLS = config
	r.server.StartTLS()
	r.t.Cleanup(r.server.Close)
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// stranger is an agent in discovery mode, or who poses as one.
type stranger struct {
	*rig
	key         *ecdsa.PrivateKey
	csr         []byte
	certificate []byte
	keyID       string
	secret      string
	facts       wire.Facts
}

func (r *rig) stranger(serial string) *stranger {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return &stranger{rig: r, key: key, csr: csr, keyID: pallet.ID, secret: door.EnrolmentKey(r.identity, pallet).Reveal(),
		facts: wire.Facts{System: wire.System{Serial: serial, UUID: uuidOf(serial)}, Memory: 1 << 30}}
}

// uuidOf is a UUID of a machine's own.
func uuidOf(serial string) string { return fmt.Sprintf("4c4c4544-0058-4b10-804a-%012x", "1"+serial) }

func (s *stranger) client() *http.Client {
	config := s.identity.ClientTLS("127.0.0.1")
	if s.certificate != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{s.certificate}, PrivateKey: s.key}}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	s.t.Cleanup(client.CloseIdleConnections)
	return client
}

// form is the body of a registration.
func (s *stranger) form(message, inventory []byte) (body *bytes.Buffer, contentType string) {
	s.t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, part := range []struct {
		name string
		data []byte
	}{{wire.FieldMessage, message}, {wire.FieldInventory, inventory}} {
		field, err := w.CreateFormField(part.name)
		if err == nil {
			_, err = field.Write(part.data)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func pack(data []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(data)
	_ = w.Close()
	return packed.Bytes()
}

type callTo struct {
	url, contentType string
	body             io.Reader
}

// send posts a body.
func send(t testing.TB, client *http.Client, call callTo) (*http.Response, error) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, call.url, call.body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", call.contentType)
	return client.Do(request)
}

func (s *stranger) message() []byte {
	data, err := json.Marshal(wire.Register{Version: wire.Version, Key: s.keyID, Proof: wire.ProveKey(s.secret, s.csr), CSR: s.csr})
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// register registers, and keeps the certificate.
func (s *stranger) register() int {
	s.t.Helper()
	report, err := json.Marshal(s.facts)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(s.message(), pack(report))
}

func (s *stranger) post(message, inventory []byte) int {
	s.t.Helper()
	body, contentType := s.form(message, inventory)
	response, err := send(s.t, s.client(), callTo{s.server.URL + wire.PathRegister, contentType, body})
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var registered wire.Registered
	if response.StatusCode == http.StatusAccepted {
		if err := json.Unmarshal(answer, &registered); err != nil {
			s.t.Fatal(err)
		}
		s.certificate = registered.Certificate
	}
	return response.StatusCode
}

func (s *stranger) wait() (int, wire.Waited) {
	s.t.Helper()
	response, err := send(s.t, s.client(), callTo{s.server.URL + wire.PathWaiting, "application/json", strings.NewReader(`{"version":4}`)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer wire.Waited
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return response.StatusCode, answer
}

// TestWhoIsLetIn: 404 without an enrolment key that counts, 202 with one, whatever the machine is.
func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	other := schemas.EnrolmentKey{ID: "other", Until: "2026-11-28"}
	for name, test := range map[string]struct {
		change func(r *rig, s *stranger)
		want   int
	}{
		"a key":                      {func(*rig, *stranger) {}, 202},
		"no fleet is known":          {func(r *rig, _ *stranger) { r.blind = true }, 429},
		"discovery is off":           {func(r *rig, _ *stranger) { r.keys = nil }, 404},
		"a revoked key":              {func(r *rig, _ *stranger) { r.keys = []schemas.EnrolmentKey{other} }, 404},
		"no such key":                {func(_ *rig, s *stranger) { s.keyID = "fra2" }, 404},
		"a guess":                    {func(_ *rig, s *stranger) { s.secret = strings.Repeat("A", 43) }, 404},
		"on its last day":            {func(r *rig, _ *stranger) { r.now = time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC) }, 202},
		"after its last day":         {func(r *rig, _ *stranger) { r.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }, 404},
		"a key with another day":     {func(r *rig, _ *stranger) { r.keys = []schemas.EnrolmentKey{{ID: pallet.ID, Until: "2027-12-31"}} }, 404},
		"the key of another that is": {func(r *rig, s *stranger) { r.keys = append(r.keys, other); s.keyID = other.ID }, 404},
		"a known machine": {func(r *rig, _ *stranger) {
			r.known.Add(inventory.Desired{ID: "web-1", Identity: schemas.Identity{Serial: "SN1"}}, inventory.Record{})
		}, 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.stranger("SN1")
			r.change(func() { test.change(r, s) })
			if got := s.register(); got != test.want {
				t.Errorf("registered with %d, want %d", got, test.want)
			}
			if count := r.records.Count(); (count == 1) != (test.want == 202) {
				t.Errorf("%d records", count)
			}
		})
	}
}

// TestAKnownMachineIsToldNothing: the answer to an impostor of a host is the answer to anybody, and operators see it.
func TestAKnownMachineIsToldNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.known.Add(inventory.Desired{ID: "web-2", Name: "www-2", Identity: schemas.Identity{Serial: "SN2"}}, inventory.Record{})
	good, bad := r.stranger("SN1"), r.stranger("SN2")
	if a, b := good.register(), bad.register(); a != b {
		t.Fatalf("registered with %d and %d, want the same", a, b)
	}
	_, a := good.wait()
	_, b := bad.wait()
	if a != b {
		t.Errorf("the answers are %+v and %+v, want the same", a, b)
	}
	for _, record := range r.records.List() {
		if record.Identity.SMBIOS.Serial == "SN2" && (len(record.Conflicts) != 1 ||
			!strings.HasPrefix(record.Conflicts[0].String(), "www-2 (id web-2) booted the discovery medium")) {
			t.Errorf("the record of a known machine says %v", record.Conflicts)
		}
	}
}

// paths are all paths of the agents' API: the constants of package wire.
func paths(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../wire/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, is := node.(*ast.ValueSpec); is && strings.HasPrefix(spec.Names[0].Name, "Path") && len(spec.Values) == 1 {
				if literal, is := spec.Values[0].(*ast.BasicLit); is {
					text, _ := strconv.Unquote(literal.Value)
					found[spec.Names[0].Name] = strings.ReplaceAll(text, "%s", "x")
				}
			}
			return true
		})
	}
	return found
}

// TestAWaitingCertificateOpensNothingElse calls every path of the API with the certificate of a registration.
func TestAWaitingCertificateOpensNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stranger("SN1")
	if got := s.register(); got != 202 {
		t.Fatalf("registered with %d", got)
	}
	all := paths(t)
	if len(all) < 10 || all["PathWaiting"] != wire.PathWaiting {
		t.Fatalf("found the paths %v", all)
	}
	client := s.client()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == "PathWaiting" || name == "PathRegister" {
			continue
		}
		path := all[name]
		if strings.HasSuffix(path, "/") {
			path += strings.Repeat("0", 64)
		}
		for _, method := range []string{"GET", "POST", "PUT", "HEAD", "DELETE"} {
			request, err := http.NewRequestWithContext(t.Context(), method, r.server.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			refused := []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusTooManyRequests}
			if !slices.Contains(refused, response.StatusCode) {
				t.Errorf("%s %s (%s) answers %d to a waiting agent", method, path, name, response.StatusCode)
			}
		}
	}
	if status, _ := s.wait(); status != 200 {
		t.Errorf("waiting answers %d", status)
	}
}

// TestNobodyElseWaits: the path is for holders of a certificate of a registration.
func TestNobodyElseWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stranger("SN1")
	if status, _ := s.wait(); status != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d", status)
	}
	if s.register() != 202 {
		t.Fatal("not registered")
	}
	r.change(func() { r.keys = nil })
	if status, _ := s.wait(); status != http.StatusNotFound {
		t.Errorf("with a revoked key: %d, want 404", status)
	}
	r.change(func() { r.keys, r.now = []schemas.EnrolmentKey{pallet}, noon.AddDate(0, 2, 0) })
	if response, err := send(t, s.client(), callTo{s.server.URL + wire.PathWaiting, "application/json", strings.NewReader("{}")}); err == nil {
		response.Body.Close()
		t.Errorf("after the certificate ended: %d, want no handshake", response.StatusCode)
	}
}

// TestTheSameMachineAgain: a second registration is the same record, over a restart and after the loss of all records.
func TestTheSameMachineAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stranger("SN1")
	s.register()
	first := r.records.List()[0]
	s.facts.Memory = 2 << 30
	s.register()
	again := r.records.List()
	if len(again) != 1 || again[0].ID != first.ID || again[0].Inventory == first.Inventory {
		t.Fatalf("a second registration makes %+v of %+v", again, first)
	}
	r.start(r.dir)
	if status, _ := s.wait(); status != 200 {
		t.Errorf("after a restart the agent gets %d", status)
	}
	r.start(t.TempDir())
	if status, _ := s.wait(); status != http.StatusUnauthorized {
		t.Errorf("after the loss of the records the agent gets %d, want 401: register again", status)
	}
	s.register()
	if lost := r.records.List(); len(lost) != 1 || lost[0].ID != first.ID {
		t.Errorf("after the loss of the records the machine is %+v, want record %s", lost, first.ID)
	}
	if files, err := filepath.Glob(filepath.Join(r.dir, "inventory", "*")); err != nil || len(files) != 1 {
		t.Errorf("the inventories are %v, %v, want one", files, err)
	}
}

// TestTwoAgentsOfOneMachine: while both speak, none gets anything, and the operators see both.
func TestTwoAgentsOfOneMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.stranger("SN1"), r.stranger("SN1")
	one.register()
	two.register()
	if list := r.records.List(); len(list) != 1 || list[0].Rival == nil || list[0].IsClear() {
		t.Fatalf("records %+v, want one with a rival", list)
	}
	one.wait()
	list := r.records.List()
	if len(list) != 1 || len(list[0].Conflicts) != 1 || list[0].Conflicts[0].Kind != discovery.SecondAgent {
		t.Fatalf("records %+v, want one in conflict", list)
	}
	full, err := r.records.Get(list[0].ID)
	if err != nil || len(full.Conflicts) != 1 || full.Facts == nil {
		t.Errorf("on disk: %+v, %v", full, err)
	}
}

// TestHostileBodies: what is no registration makes no record, and nobody waits for it.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stranger("SN1")
	for name, test := range map[string]struct {
		message, inventory []byte
		want               int
	}{
		"no JSON":                       {[]byte("{"), nil, 404},
		"a long message":                {bytes.Repeat([]byte(" "), wire.MaxRegister+1), nil, 404},
		"a key of another CSR":          {[]byte(strings.Replace(string(s.message()), `"csr":"MI`, `"csr":"MJ`, 1)), nil, 404},
		"no inventory":                  {s.message(), nil, 400},
		"an inventory that is no gzip":  {s.message(), []byte("facts"), 400},
		"an inventory that is no JSON":  {s.message(), pack([]byte("facts")), 400},
		"a bomb":                        {s.message(), pack(make([]byte, 64<<20)), 400},
		"a deep inventory":              {s.message(), pack([]byte(strings.Repeat(`{"system":`, 20_000))), 400},
		"an inventory larger than that": {s.message(), bytes.Repeat([]byte("x"), wire.MaxCompressed+1), 400},
	} {
		if got := s.post(test.message, test.inventory); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	if count := r.records.Count(); count != 0 {
		t.Errorf("%d records", count)
	}
}

// counted counts the bytes that are read of a body.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

// TestLittleIsReadOfStrangers: the head of a part is no way around the size of a message.
func TestLittleIsReadOfStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := &counted{Reader: io.MultiReader(strings.NewReader("--b\r\nContent-Disposition: form-data; name=message\r\nX: "),
		strings.NewReader(strings.Repeat("x", 1<<20)))}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, wire.PathRegister, body)
	request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	answer := httptest.NewRecorder()
	r.server.Config.Handler.ServeHTTP(answer, request)
	if most := wire.MaxRegister + 16<<10; answer.Code != http.StatusNotFound || body.read > most {
		t.Errorf("a stranger gets %d after %d bytes, want 404 after at most %d", answer.Code, body.read, most)
	}
}

// TestAKeyIsUsedUp: beyond the key's max a machine is answered like any other, and is nobody.
func TestAKeyIsUsedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.keys[0].Max = 2
	for i := range 4 {
		s := r.stranger(fmt.Sprint("SN", i))
		if got := s.register(); got != 202 {
			t.Errorf("machine %d: registered with %d, want 202", i, got)
		}
		if status, _ := s.wait(); status != 200 {
			t.Errorf("machine %d: waits with %d, want 200", i, status)
		}
	}
	if r.records.Count() != 2 || r.records.Refused()[pallet.ID] != 2 {
		t.Errorf("%d records, refused %v, want 2 and 2", r.records.Count(), r.records.Refused())
	}
	if err := r.records.Forget(r.records.List()[0].ID); err != nil {
		t.Fatal(err)
	}
	r.start(r.dir)
	r.stranger("SN9").register()
	if r.records.Count() != 1 {
		t.Errorf("a forgotten record makes room for another: %d records", r.records.Count())
	}
}

// TestGuessersWait: a caller who fails too often is not read any more.
func TestGuessersWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stranger("SN1")
	s.secret = "guess"
	last := 0
	for range 40 {
		last = s.register()
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the 40th guess gets %d, want 429", last)
	}
}

// TestStalledRegistrationsDisturbNobody: callers who send half a registration hold no place of the fleet's agents.
func TestStalledRegistrationsDisturbNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 40 {
		s := r.stranger(fmt.Sprint("SN", i))
		body, contentType := s.form(s.message(), bytes.Repeat([]byte("x"), 4096))
		half, pipe := io.Pipe()
		t.Cleanup(func() { _ = pipe.Close() })
		client := s.client()
		go func() {
			response, err := send(t, client, callTo{r.server.URL + wire.PathRegister, contentType, half})
			if err == nil {
				response.Body.Close()
			}
		}()
		if _, err := pipe.Write(body.Bytes()[:body.Len()/2]); err != nil {
			t.Fatal(err)
		}
	}
	client := r.stranger("SN").client()
	client.Timeout = 5 * time.Second
	response, err := send(t, client, callTo{r.server.URL + wire.PathEnrol, "application/json", strings.NewReader("{}")})
	if err != nil {
		t.Fatalf("an agent of the fleet is not answered: %v", err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("an agent of the fleet gets %d", response.StatusCode)
	}
}
