package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitmetal/ingot/agent/hub/reported"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/throttle"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Images opens verified operating system images by their hex SHA-256.
type Images interface {
	Open(sha256 string) (image io.ReadSeekCloser, size int64, err error)
}

// Results keeps what ephemeral runs leave.
type Results interface {
	// Begin lets a run leave files until it ends; a repeated call changes nothing.
	Begin(run runs.Run, limits runs.Limits) error
	// GiveUp ends a run whose result shall not count any more. A run that has ended stays as it is.
	GiveUp(run, why string) error
	// ServeFile answers PUT and HEAD of a file of a run, for a caller who may write to the run.
	ServeFile(w http.ResponseWriter, r *http.Request, run, name string)
	// Finish ends a run. The first end stands: a repeated call changes nothing.
	Finish(run string, ended runs.Ended) error
}

// Logs keeps texts about jobs, such as the ramdisk's journal after a failure.
type Logs interface {
	// ServeLog answers PUT of a text, for the agent that has the job.
	ServeLog(w http.ResponseWriter, r *http.Request, of LogOf)
}

// LogOf names a text about a job. The agent chose the name.
type LogOf struct{ Host, Job, Name string }

// Config is what a Hub needs. Identity, Store and Images are required.
type Config struct {
	Identity *Identity
	Store    Store
	Images   Images
	// Results keeps what runs leave; without it every upload is refused.
	Results Results
	Logs    Logs // without it every text is refused
	// Notify is called with a host's id after every change about the host. Notify must not block.
	Notify func(host string)
	// Shows reports whether the status branch shows the call of a host's installed system. Until then the call would be
	// lost with the daemon's state directory, and the system is told to call again. Default: a saved call is enough.
	Shows func(host, install string) bool
	// Mask hides known secrets in the words of agents before the words are cut, kept or shown. Default: as said.
	Mask     func(string) string
	Count    func(Count)      // is told what happens, for counters; must not block. Default: nothing
	Now      func() time.Time // default time.Now
	Log      *slog.Logger     // default: nothing
	TokenTTL time.Duration    // from Expect to the first use of a token; default one hour: large machines start slowly
	CertTTL  time.Duration    // a client certificate's life; default 24 hours, longer than a long write
}

// Hub is the server side of the agent protocol and an http.Handler for the protocol. Serve a Hub with
// Identity.ServerTLS.
type Hub struct {
	config    Config
	tokenKey  []byte
	homeKey   []byte
	markKey   []byte
	routes    http.Handler
	failures  *throttle.Limiter // by remote address
	calls     *throttle.Limiter // by host
	lateWords atomic.Uint64     // reports about a step or attempt that is not outstanding

	mu          sync.Mutex
	entries     map[string]*entry
	subscribers map[chan Event]struct{}
}

// Count is something that happens, for counters.
type Count string

// Counts.
const (
	CountEnrolled Count = "enrolled" // an agent's first enrolment in a boot
	CountRefused  Count = "refused"  // a caller without a right: a wrong token, an old boot, another key
	CountAsked    Count = "asked"    // a new question for leave to write
	CountGiven    Count = "given"    // leave was given
	CountLate     Count = "late"     // a report about a step or attempt that is not outstanding
)

// Counts are all counts.
var Counts = []Count{CountEnrolled, CountRefused, CountAsked, CountGiven, CountLate}

// ErrStale says that a newer boot, job or attempt is known already.
var ErrStale = errors.New("superseded by a newer one")

// New makes a hub. The hub reads a host's document at the first call about the host.
func New(config Config) *Hub {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Notify == nil {
		config.Notify = func(string) {}
	}
	if config.Shows == nil {
		config.Shows = func(string, string) bool { return true }
	}
	if config.Mask == nil {
		config.Mask = func(text string) string { return text }
	}
	if config.Count == nil {
		config.Count = func(Count) {}
	}
	if config.TokenTTL == 0 {
		config.TokenTTL = time.Hour
	}
	if config.CertTTL == 0 {
		config.CertTTL = 24 * time.Hour
	}
	h := &Hub{
		config:      config,
		tokenKey:    config.Identity.DeriveKey("boot token"),
		homeKey:     config.Identity.DeriveKey("phone-home token"),
		markKey:     config.Identity.DeriveKey("disk mark"),
		failures:    throttle.New(1, 30),
		calls:       throttle.New(50, 200),
		entries:     map[string]*entry{},
		subscribers: map[chan Event]struct{}{},
	}
	h.routes = h.routeCalls()
	return h
}

// ServeHTTP implements http.Handler.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// Expect lets the agent of this boot in, and shuts out the agents of all earlier boots. key is the one key that may enrol,
// hex SHA-256 of its SubjectPublicKeyInfo; "" for any. A repeated call changes nothing; a lower epoch, or another boot of
// the same epoch, is ErrStale. Expect drops the reports of an earlier boot's agent, and keeps that of an installed system.
func (h *Hub) Expect(ctx context.Context, host, boot string, epoch inventory.Epoch, key string) error {
	known := false // as at almost every look: nothing needs to be encoded
	err := h.viewEntry(ctx, host, func(e *entry) error {
		known = e.doc.Boot == boot && e.doc.Epoch == epoch
		return nil
	})
	if known || err != nil {
		return err
	}
	return h.editDocument(ctx, host, func(e *entry, doc *document) error {
		switch {
		case doc.Boot == boot && doc.Epoch == epoch:
			return nil
		case epoch <= doc.Epoch && doc.Boot != "": // guard: epoch-compare
			return fmt.Errorf("expect boot %s with epoch %d of %s: epoch %d is known: %w", boot, epoch, host, doc.Epoch,
				ErrStale)
		}
		if err := h.giveUpRun(doc.Job, "its machine was booted anew"); err != nil {
			return err
		}
		*doc = document{Version: documentVersion, Boot: boot, Epoch: epoch, Expected: h.config.Now(), Only: key,
			PhoneHome: doc.PhoneHome}
		e.body, e.agentLacksJob, e.agentRuns, e.hasPolled, e.lastCall, e.progress = nil, false, "", false, time.Time{},
			wire.Progress{}
		e.question = nil
		return nil
	})
}

// Assignment is a job for an agent. A wire.JobWrite goes on only with leave (GiveLeave).
type Assignment struct {
	wire.Job
	// Operation is the operation that has the job as a step; "" for no operation, or for an operation with the job's id,
	// as ingot 4176809 handed out lists of steps.
	Operation string
	// Begun is set when leave was given in this attempt, or may have been before the journal was lost.
	Begun bool
}

// Assign gives the agent of the expected boot the next job. The same job again changes nothing, except that after a
// restart the call restores the body, which the hub did not keep. An older attempt, or a job for another epoch, is
// ErrStale. A job of protocol 1 is only known to the hub, for the agent that has the job: no agent gets such a job.
func (h *Hub) Assign(ctx context.Context, host string, a Assignment) error {
	next := a.Job
	if !slices.Contains(wire.JobKinds, next.Kind) { // after a restart the daemon could not read it back
		return fmt.Errorf("assign job %s to %s: there is no kind %q of job", next.ID, host, next.Kind)
	}
	err := h.editDocument(ctx, host, func(e *entry, doc *document) error {
		if next.Epoch != doc.Epoch || doc.Boot == "" { // guard: epoch-compare
			return fmt.Errorf("assign job %s of epoch %d to %s, which is at epoch %d: %w", next.ID, next.Epoch, host,
				doc.Epoch, ErrStale)
		}
		if doc.Alarm != "" {
			return fmt.Errorf("assign job %s to %s: its agent is shut out: %s", next.ID, host, doc.Alarm)
		}
		if old := doc.Job; old != nil && old.operationID() == a.operationID() && old.Attempt > next.Attempt {
			return fmt.Errorf("assign attempt %d of job %s to %s: attempt %d is known: %w", next.Attempt, next.ID, host,
				old.Attempt, ErrStale)
		}
		if err := h.beginRun(host, doc.Boot, next); err != nil {
			return err
		}
		if doc.Job.isAttempt(next.ID, next.Attempt) {
			if !doc.Job.hasEnded() {
				e.body = bodyOf(next)
			}
			return nil
		}
		doc.Job = &job{
			ID: next.ID, Attempt: next.Attempt, Kind: next.Kind, Images: listImages(next), Plain: isPlain(next), Blobs: listBlobs(next), Install: findInstall(next),
			Run: findRun(next), Operation: a.Operation, Begun: a.Begun, State: inventory.JobAssigned, Since: h.config.Now(),
		}
		e.body, e.progress, e.question = bodyOf(next), wire.Progress{}, nil
		return nil
	})
	if err == nil {
		h.config.Notify(host)
	}
	return err
}

// bodyOf is the job that an agent may be handed: none of protocol 1.
func bodyOf(next wire.Job) *wire.Job {
	if wire.IsOfProtocol1(next.Kind) {
		return nil
	}
	return &next
}

// Withdrawal takes one attempt of a job back.
type Withdrawal struct {
	Job     string
	Attempt int
	Why     string
	// Untaken ends an attempt that no agent has taken up as failed; without Untaken and Lost the attempt is withdrawn,
	// which is no failure.
	Untaken bool
	// Lost ends an attempt as failed after the agent was lost before the beginning.
	Lost bool
}

// ErrBegun says that a job can no longer be withdrawn.
var ErrBegun = errors.New("the agent has begun")

// Withdraw takes a job back: no agent gets the job any more, and an agent with the job is answered with 410, so that
// the agent ends before the next step. A job whose agent has leave to write is ErrBegun, unless the agent asks again: it
// does not write then. So is an Untaken withdrawal of a job that an agent took up. A job that is unknown or has ended is not changed.
func (h *Hub) Withdraw(ctx context.Context, host string, w Withdrawal) error {
	err := h.editDocument(ctx, host, func(e *entry, doc *document) error {
		j := doc.Job
		switch {
		case !j.isAttempt(w.Job, w.Attempt) || j.hasEnded():
			return nil
		case j.Begun && e.openQuestion(h.config.Now()) == nil, w.Untaken && j.State != inventory.JobAssigned:
			return fmt.Errorf("withdraw job %s from %s: %w", w.Job, host, ErrBegun)
		}
		if err := h.giveUpRun(j, w.Why); err != nil {
			return err
		}
		doc.Job, e.body, e.progress = j.asWithdrawn(w.Why, h.config.Now()), nil, wire.Progress{}
		if w.Untaken || w.Lost {
			doc.Job.State, doc.Job.Result = inventory.JobFailed,
				&result{Result: wire.Result{Attempt: w.Attempt, Error: w.Why}}
		}
		return nil
	})
	if err == nil {
		h.config.Notify(host)
	}
	return err
}

// State is the hub's knowledge of the host's agent. Only the agent of the expected boot counts. A job whose body was
// lost in a restart counts as none until Assign repeats the job, or the agent says that the agent has the job. A job
// that was being handed out at the restart is assigned again too, because the agent has no job; State still tells that
// the install step was allowed to begin. Seen is at the earliest the daemon's start.
func (h *Hub) State(ctx context.Context, host string) (inventory.AgentState, error) {
	var state inventory.AgentState
	err := h.viewEntry(ctx, host, func(e *entry) error {
		state = e.describeAgent(h.config.Now())
		return nil
	})
	return state, err
}

func (e *entry) describeAgent(now time.Time) inventory.AgentState {
	state := inventory.AgentState{Alarm: e.doc.Alarm, PhoneHome: e.doc.PhoneHome}
	if e.doc.Key != "" {
		state.Boot, state.Epoch, state.Enrolled, state.Seen = e.doc.Boot, e.doc.Epoch, e.doc.Enrolled, e.lastCall
		state.Facts, state.Quiet, state.Protocol = e.doc.Facts, !e.hasPolled, max(1, e.doc.Protocol)
	}
	j := e.doc.Job
	switch {
	case j == nil:
		state.Runs = e.agentRuns
		return state
	case e.body == nil && (j.State == inventory.JobAssigned || j.State == inventory.JobRunning && e.agentLacksJob):
		if j.Begun {
			state.Job = inventory.Job{ID: j.ID, Attempt: j.Attempt, Kind: j.Kind, Begun: true}
		}
		return state
	}
	state.Job = inventory.Job{
		ID: j.ID, Attempt: j.Attempt, Kind: j.Kind, State: j.State, Since: j.Since,
		Step: e.progress.Step, Done: e.progress.Done, Total: e.progress.Total,
	}
	if j.Result != nil {
		state.Job.Step, state.Job.Error, state.Job.Table = j.Result.Step, j.Result.Error, reported.Table(j.Result.Table)
		state.Job.Final, state.Job.Left, state.Job.Described = j.Result.Final, j.Left, readDescribed(j.Result.Described)
		state.Job.Erased, state.Job.Executed = readErased(j.Result.Erased), readExecuted(j.Result.Executed)
	}
	if j.State == inventory.JobWithdrawn {
		state.Job.Error = j.Why
	}
	state.Job.Begun, state.Job.Over = j.Begun, j.Over
	if !j.hasEnded() {
		state.Job.Question = e.openQuestion(now)
	}
	return state
}

func listImages(j wire.Job) []string {
	var images []string
	for _, step := range j.Steps {
		if step.Install != nil {
			images = append(images, step.Install.Image.SHA256)
		}
	}
	return images
}

func (a Assignment) operationID() string { return cmp.Or(a.Operation, a.ID) }

// findInstall names a job's first install step; "" without an install step.
func findInstall(j wire.Job) string {
	for _, step := range j.Steps {
		if step.Install != nil {
			return step.Name
		}
	}
	return ""
}

// Event is one progress report, for people who watch.
type Event struct {
	Host     string
	Job      string
	Progress wire.Progress
}

// eventBuffer is how many events a slow watcher may lag behind before events are lost.
const eventBuffer = 256

// Subscribe gives the progress reports of all hosts from now on until stop is called. A slow watcher loses events; the
// hub never waits for a watcher.
func (h *Hub) Subscribe() (events <-chan Event, stop func()) {
	channel := make(chan Event, eventBuffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[channel] = struct{}{}
	return channel, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.subscribers[channel]; ok {
			delete(h.subscribers, channel)
			close(channel)
		}
	}
}

func (h *Hub) publishEvent(event Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for channel := range h.subscribers {
		select {
		case channel <- event:
		default:
		}
	}
}
