package reconcile_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
)

// polling is a world of one machine whose agent polls a real hub and whose installed system phones home, as those of a real machine do.
type polling struct {
	*world
	t      *testing.T
	hub    *hub.Hub
	moment func() // is called after every change of the journal, of the hub's document, of the status branch and of the machine

	ctx     context.Context
	running context.CancelFunc // powers off
	parts   sync.WaitGroup

	memory   agentMemory // the caller holds world.mu
	document []byte      // the hub's
}

// agentMemory is what the agent of the present boot knows.
type agentMemory struct {
	Boot        string
	Epoch       uint64
	Key         []byte // PKCS#8
	Certificate []byte
	Reported    bool // its facts
	Job         string
	Attempt     int
	Kind        string
	Done        bool   // the job, but its result is not posted
	Protocol    int    `json:",omitempty"` // 0: of ingot 4176809
	Asked       uint64 `json:",omitempty"` // questions for leave
}

const polled = "host-0000"

func newPolling(t *testing.T, identity *hub.Identity, document []byte) *polling {
	t.Helper()
	p := &polling{world: newWorld(1), t: t, moment: func() {}, document: document}
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		p.parts.Wait()
	})
	p.hub = hub.New(hub.Config{Identity: identity, Store: p})
	return p
}

// Load implements hub.Store.
func (p *polling) Load(context.Context, string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.document, nil
}

// Save implements hub.Store.
func (p *polling) Save(_ context.Context, _ string, document []byte) error {
	p.mu.Lock()
	p.document = document
	p.mu.Unlock()
	p.moment()
	return nil
}

// Put implements reconcile.Records.
func (p *polling) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	revision, err := p.world.Put(ctx, record, revision)
	p.moment()
	return revision, err
}

// Publish implements reconcile.Publisher.
func (p *polling) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	tip, err := p.world.Publish(ctx, changed, message)
	p.moment()
	return tip, err
}

// Observe implements reconcile.Observer.
func (p *polling) Observe(ctx context.Context, d inventory.Desired, r inventory.Record) inventory.Observed {
	if b := r.Boot; b != nil && b.Target == inventory.FromRamdisk {
		if err := p.hub.Expect(ctx, string(d.ID), b.ID, b.Epoch, ""); err != nil {
			p.t.Errorf("Expect: %v", err)
		}
	}
	o := p.world.Observe(ctx, d, r)
	agent, err := p.hub.State(ctx, string(d.ID))
	if err != nil {
		agent = inventory.AgentState{Unknown: err.Error()}
	}
	o.Agent = agent
	return o
}

// Do implements reconcile.Executor.
func (p *polling) Do(ctx context.Context, d inventory.Desired, r inventory.Record, a act.Action) act.Outcome {
	defer p.moment()
	switch a.Kind {
	case act.AssignStep:
		job := wire.Job{ID: r.Operation.JobID(), Attempt: r.Operation.Attempt, Kind: wire.JobWrite, Epoch: r.Boot.Epoch}
		if r.Operation.IsWholeList() {
			job.Kind = wire.JobInstall
		}
		return p.assigned(p.hub.Assign(ctx, string(d.ID), hub.Assignment{Job: job, Operation: r.Operation.ID}))
	case act.GiveLeave:
		return p.assigned(p.hub.GiveLeave(ctx, string(d.ID), hub.Leave{Job: r.Operation.JobID(), Attempt: r.Operation.Attempt,
			Nonce: a.Question.Nonce, Asked: a.Question.At}))
	case act.WithdrawJob:
		return p.assigned(p.hub.Withdraw(ctx, string(d.ID), hub.Withdrawal{Job: r.Operation.JobID(),
			Attempt: r.Operation.Attempt, Why: a.Error, Lost: a.Lost, Untaken: !a.Withdrawn && !a.Lost}))
	case act.AssignPowerOff:
		job := wire.Job{ID: r.Boot.ID + "-off", Attempt: 1, Kind: wire.JobPowerOff, Epoch: r.Boot.Epoch}
		return p.assigned(p.hub.Assign(ctx, string(d.ID), hub.Assignment{Job: job}))
	case act.PowerOn:
		p.powerOn(r)
		return act.Outcome{Result: act.Done}
	case act.PowerOff:
		p.powerOff()
		return act.Outcome{Result: act.Done}
	default:
		return p.world.Do(ctx, d, r, a)
	}
}

func (p *polling) assigned(err error) act.Outcome {
	if err != nil {
		return act.Outcome{Result: act.Retry, Why: err.Error()}
	}
	return act.Outcome{Result: act.Done}
}

func (p *polling) machine() *machine { return p.machines[polled] }

func (p *polling) powerOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machine()
	m.power, p.memory = inventory.PoweredOff, agentMemory{}
	m.done = append(m.done, act.PowerOff)
	if p.running != nil {
		p.running()
	}
}

func (p *polling) powerOn(r inventory.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machine()
	if m.power == inventory.PoweredOn {
		return
	}
	m.power = inventory.PoweredOn
	m.done = append(m.done, act.PowerOn)
	if m.media == "" || m.override != "Cd" || r.Boot == nil {
		p.runs()
		return
	}
	m.boots++
	m.reads = 7
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.memory = agentMemory{Boot: r.Boot.ID, Epoch: r.Boot.Epoch, Key: der, Protocol: wire.Version}
	p.runs()
}

// runs has the machine do what a machine does that is on: its agent works, or its system phones home. The caller holds the lock.
func (p *polling) runs() {
	ctx, cancel := context.WithCancel(p.ctx)
	p.running = cancel
	if disk := p.machine().disk; p.memory.Boot != "" {
		p.parts.Go(func() { p.agent(ctx) })
	} else if disk != "" {
		p.parts.Go(func() { p.system(ctx, disk) })
	}
}

// agent does what is due, one thing a second.
func (p *polling) agent(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		a := p.memory
		p.mu.Unlock()
		p.step(ctx, &a)
		p.mu.Lock()
		if ctx.Err() != nil {
			p.mu.Unlock()
			return
		}
		p.memory = a
		off := a.Kind == wire.JobPowerOff && a.Done
		p.mu.Unlock()
		if off {
			p.powerOff()
			p.moment()
			return
		}
	}
}

func (p *polling) step(ctx context.Context, a *agentMemory) {
	switch {
	case a.Certificate == nil:
		key, err := x509.ParsePKCS8PrivateKey(a.Key)
		if err != nil {
			p.t.Error(err)
			return
		}
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			p.t.Error(err)
			return
		}
		var enrolled wire.Enrolled
		token := p.hub.BootToken(polled, a.Boot, a.Epoch).Reveal()
		if p.post(ctx, a, wire.PathEnrol, wire.Enrol{Version: max(1, a.Protocol), Host: polled, Boot: a.Boot, Epoch: a.Epoch, Token: token, CSR: csr}, &enrolled) == http.StatusOK {
			a.Certificate = enrolled.Certificate
		}
	case !a.Reported:
		a.Reported = p.post(ctx, a, wire.PathFacts, p.facts(), nil) == http.StatusNoContent
	case a.Job == "":
		var job wire.Job
		switch p.post(ctx, a, wire.PathNextJob, wire.Poll{}, &job) {
		case http.StatusOK:
			a.Job, a.Attempt, a.Kind, a.Done = job.ID, job.Attempt, job.Kind, false
		case http.StatusPreconditionRequired:
			a.Reported = false
		}
	case !a.Done:
		p.work(ctx, a)
	default:
		result := wire.Result{Attempt: a.Attempt, OK: true}
		if status := p.post(ctx, a, fmt.Sprintf(wire.PathResult, a.Job), result, nil); status == http.StatusNoContent || status == http.StatusGone {
			a.Job, a.Done = "", false
		}
	}
}

// work does the agent's job. The result of a power-off is posted before the power goes.
func (p *polling) work(ctx context.Context, a *agentMemory) {
	if a.Kind == wire.JobPowerOff {
		p.post(ctx, a, fmt.Sprintf(wire.PathResult, a.Job), wire.Result{Attempt: a.Attempt, OK: true}, nil)
		a.Done = true
		return
	}
	if a.Kind == wire.JobWrite {
		a.Asked++
		question := wire.LeaveQuestion{Attempt: a.Attempt, Step: "install", Nonce: a.Boot, Number: a.Asked, Disks: p.facts().Disks}
		if p.post(ctx, a, fmt.Sprintf(wire.PathLeave, a.Job), question, nil) != http.StatusOK {
			return
		}
	}
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machine()
	m.installs++
	m.disk, _, _ = strings.Cut(a.Job, ".") // the operation of which the job is a step
	a.Done = true
}

// system phones home until somebody hears it.
func (p *polling) system(ctx context.Context, install string) {
	for {
		select {
		case <-time.After(30 * time.Second):
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		epoch := p.records[polled].Record.Epoch
		p.mu.Unlock()
		call := wire.PhoneHome{Host: polled, Install: install, Epoch: epoch, Token: p.hub.PhoneHomeToken(polled, install, epoch, 0).Reveal(), Commit: p.fleet.Commit}
		if p.post(ctx, nil, wire.PathPhoneHome, call, nil) == http.StatusNoContent {
			return
		}
	}
}

func (p *polling) facts() wire.Facts {
	return wire.Facts{
		System: wire.System{Manufacturer: "Acme", Product: "R1", Serial: serial(polled), UUID: "00000000-0000-0000-0000-000000000001"},
		Disks:  []wire.Disk{{Name: "vda", Serial: "disk-" + polled, Size: 1 << 34, SectorSize: 512, Content: wire.Content{Blank: true}}},
		NICs:   []wire.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", Link: true}},
	}
}

// post calls the hub as an agent with this certificate, or nobody, and gives the status of the answer.
func (p *polling) post(ctx context.Context, a *agentMemory, path string, message, answer any) int {
	body, err := json.Marshal(message)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if a != nil && a.Certificate != nil {
		leaf, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			p.t.Error(err)
			return 0
		}
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	}
	recorder := httptest.NewRecorder()
	p.hub.ServeHTTP(recorder, request)
	if ctx.Err() != nil {
		return 0 // nobody is there to hear an answer
	}
	if answer != nil && recorder.Code == http.StatusOK {
		data, err := io.ReadAll(recorder.Body)
		if err == nil {
			err = json.Unmarshal(data, answer)
		}
		if err != nil {
			p.t.Error(err)
		}
	}
	return recorder.Code
}

// serve runs a loop on the world until stop.
func (p *polling) serve(t *testing.T, limits reconcile.Limits) *daemon {
	t.Helper()
	return p.run(t, reconcile.Config{Source: p, Load: p.load, Journal: p, Observer: p, Executor: p, Publisher: p, Limits: limits})
}
