package sim

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"encoding/hex"
	"encoding/pem"
	"math/big"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
)

// agentKey is the key of an agent with its request for a certificate. Keys are made once per process: worlds share
// them, and no history shows them.
type agentKey struct {
	csr []byte
}

type peerCertificate = *x509.Certificate

var agentKeys struct {
	sync.Mutex
	made map[int]*agentKey
}

// keyCount is how many different keys there are.
const keyCount = 256

// keyOf gives the key of a number.
func keyOf(number int) *agentKey {
	agentKeys.Lock()
	defer agentKeys.Unlock()
	if agentKeys.made == nil {
		agentKeys.made = map[int]*agentKey{}
	}
	number %= keyCount
	if have := agentKeys.made[number]; have != nil {
		return have
	}
	key := fixedKey(fmt.Sprint("agent ", number))
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		panic(err)
	}
	agentKeys.made[number] = &agentKey{csr: csr}
	return agentKeys.made[number]
}

// fixedKey is the same key in every run, so that everything derived from the identity is the same.
func fixedKey(name string) *ecdsa.PrivateKey {
	sum := sha256.Sum256([]byte("ingot simulator " + name))
	sum[0] = 0 // below the order of the curve
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		panic(err)
	}
	return key
}

// siteIdentity is the identity of all simulated daemons.
var siteIdentity = sync.OnceValue(func() *hub.Identity {
	dir, err := os.MkdirTemp("", "ingot-simulator-*") // mode 0700
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	root := sha256.Sum256([]byte("ingot simulator root"))
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			panic(err)
		}
	}
	write("root.key", []byte(hex.EncodeToString(root[:])+"\n"))
	ca, server := fixedKey("authority"), fixedKey("server")
	for name, key := range map[string]*ecdsa.PrivateKey{"ca.key": ca, "server.key": server} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0),
		NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.Public(), ca)
	if err != nil {
		panic(err)
	}
	write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	identity, err := hub.LoadIdentity(dir)
	if err != nil {
		panic(err)
	}
	return identity
})

// answer keeps the answer of a handler.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// listening are the processes that a machine reaches: the one that has the site's address.
func (w *world) listening(m *machine) []*process {
	var up []*process
	for _, d := range w.daemons {
		if d.proc != nil && !d.suspended {
			up = append(up, d.proc)
		}
	}
	if len(up) < 2 {
		return up
	}
	if w.meets(addressFlaps, m.index) {
		return []*process{choose(m.dice, up)}
	}
	last := up[0]
	for _, p := range up {
		if p.started >= last.started {
			last = p
		}
	}
	return []*process{last}
}

// deliver carries a request from a machine to a daemon; status 0 without an answer.
func (w *world) deliver(m *machine, request *http.Request) *answer {
	lost := &answer{header: http.Header{}}
	if w.meets(siteCut, m.index) || w.meets(agentCut, m.index) || w.meets(requestLost, m.index) {
		return lost
	}
	up := w.listening(m)
	if len(up) == 0 {
		return lost
	}
	p := up[0]
	a := &answer{header: http.Header{}}
	p.serve(a, request)
	if m.agent != nil {
		m.agent.answered = p
	}
	// an error of the daemon may come after the call was saved
	if (a.status == http.StatusNoContent || a.status >= 500) && request.URL.Path == wire.PathPhoneHome {
		w.checks.systemCalled(m, m.root().system)
	}
	if p.dead || w.meets(answerLost, m.index) {
		return lost
	}
	return a
}

// post sends a message as the agent, and gives the status and the body of the answer.
func (a *agent) post(path string, message any) (int, []byte) {
	data, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return a.send(http.MethodPost, path, data)
}

func (a *agent) send(method, path string, body []byte) (int, []byte) {
	w := a.m.w
	if w.meets(agentSlow, a.m.index) {
		a.wait(a.dice.between(time.Second, 40*time.Second))
	}
	request := newRequest(method, path, body)
	if a.leaf != nil {
		request.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{a.leaf}},
			PeerCertificates: []*x509.Certificate{a.leaf}}
	}
	got := w.deliver(a.m, request)
	if got.status == http.StatusOK || got.status == http.StatusNoContent {
		w.checks.callIsTaken(a, a.answered, path)
		w.checks.heard[hostAt{a.answered.d.name, a.config.Host}] = w.now
	}
	return got.status, got.body.Bytes()
}

// enrol trades the token for a certificate.
func (a *agent) enrol() bool {
	data, err := json.Marshal(wire.Enrol{Version: wire.Version, Host: a.config.Host, Boot: a.config.Boot,
		Epoch: a.config.Epoch, Token: a.config.Token, CSR: a.key.csr})
	if err != nil {
		panic(err)
	}
	got := a.m.w.deliver(a.m, newRequest(http.MethodPost, wire.PathEnrol, data))
	if got.status != http.StatusOK {
		return false
	}
	var enrolled wire.Enrolled
	if err := json.Unmarshal(got.body.Bytes(), &enrolled); err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(enrolled.Certificate)
	if err != nil {
		panic(err)
	}
	a.leaf = leaf
	a.m.w.say("the agent of %s is enrolled for boot %s", a.m, a.config.Boot)
	return true
}

// call is a call of an installed system; the status of the answer, 0 without one.
func (w *world) call(m *machine, path string, message any) int {
	data, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	if w.meets(callLost, m.index) {
		return 0
	}
	return w.deliver(m, newRequest(http.MethodPost, path, data)).status
}

func newRequest(method, path string, body []byte) *http.Request {
	request, err := http.NewRequestWithContext(context.Background(), method, "https://daemon"+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.RemoteAddr = "10.0.0.1:1000"
	return request
}
