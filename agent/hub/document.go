package hub

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// Store keeps one document per host. Load gives nil for a host without a document; an error never means "no document".
type Store interface {
	Load(ctx context.Context, host string) ([]byte, error)
	Save(ctx context.Context, host string, document []byte) error
}

const documentVersion = 1

// storeTimeout bounds every call of the Store.
const storeTimeout = 10 * time.Second

// document is the part of an agent's state that survives a restart. The pointers are replaced, and nobody writes
// through a pointer. Unknown members end with the boot.
type document struct {
	Version  int             `json:"version"`
	Boot     string          `json:"boot,omitempty"` // the expected boot
	Epoch    inventory.Epoch `json:"epoch,omitempty"`
	Expected time.Time       `json:"expected,omitzero"`            // the token must be used first within TokenTTL from here
	Only     string          `json:"only,omitempty" minReader:"9"` // the one key that may enrol, as Key; "" for any
	// Key is the hex SHA-256 of the enrolled key's SubjectPublicKeyInfo
	Key         string    `json:"key,omitempty"`
	Certificate []byte    `json:"certificate,omitempty"`
	Enrolled    time.Time `json:"enrolled,omitzero"`
	Alarm       string    `json:"alarm,omitempty"`
	// Protocol is the version that the enrolled agent speaks; 0 in a document of ingot 4176809, whose agents speak 1.
	Protocol  int                  `json:"protocol,omitempty"`
	Facts     *inventory.Facts     `json:"facts,omitempty"`
	Job       *job                 `json:"job,omitempty"`
	PhoneHome *inventory.PhoneHome `json:"phoneHome,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// job is the memory of an assignment; the body of the job holds secrets and is not kept.
type job struct {
	ID      string   `json:"id"`
	Attempt int      `json:"attempt"`
	Kind    string   `json:"kind"`
	Images  []string `json:"images,omitempty"` // sha256 of the images that the agent may fetch
	// Plain is set where the agent writes an image itself: it looks at the image before it asks for leave.
	Plain  bool               `json:"plain,omitempty"`
	Blobs  []string           `json:"blobs,omitempty"` // sha256 of the plug-ins and inputs that the agent may fetch
	Run    string             `json:"run,omitempty"`   // id of the run of a JobRun
	State  inventory.JobState `json:"state"`
	Since  time.Time          `json:"since"`
	Result *result            `json:"result,omitempty"`
	// Install is the name of the job's first install step; "" without an install step.
	Install string `json:"install,omitempty"`
	// Operation is the operation that has the job as a step. "" stands for no operation, or for the operation with the
	// job's own id.
	Operation string `json:"operation,omitempty" minReader:"2"`
	// Begun is set before the agent learns that it has leave to write, and for a step after a writing step. In a job of
	// protocol 1, Begun is set when an install step is seen to have begun.
	Begun bool `json:"begun,omitempty"`
	// Over is set when no agent works on a withdrawn job: the agent posted a result, the agent does not have the job,
	// or no agent ever had the job.
	Over bool `json:"over,omitempty"`
	// Left is what the ended step left on its disks.
	Left []inventory.SeenDisk `json:"left,omitempty"`
	// Why is the reason of the withdrawal.
	Why string `json:"why,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// result is the agent's report of the end of an attempt.
type result struct {
	wire.Result
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// hasEnded reports whether no agent shall go on with the job.
func (j *job) hasEnded() bool {
	return j.State == inventory.JobSucceeded || j.State == inventory.JobFailed || j.State == inventory.JobWithdrawn
}

// operationID is the id of the job's operation.
func (j *job) operationID() string { return cmp.Or(j.Operation, j.ID) }

// whyEnded says why no agent shall go on with the job.
func (j *job) whyEnded() string { return cmp.Or(j.Why, "the job has ended") }

// asWithdrawn is a copy of the job after the withdrawal.
func (j *job) asWithdrawn(why string, now time.Time) *job {
	next := *j
	next.Over = j.State == inventory.JobAssigned
	next.State, next.Since, next.Why = inventory.JobWithdrawn, now, why
	return &next
}

// checkOutstanding refuses a report about another job or attempt than the outstanding attempt. A job that the hub does
// not know, as after the loss of the journal, may be assigned again at any moment: the agent shall go on and try again.
func (d *document) checkOutstanding(id string, attempt int) error {
	switch {
	case d.Job.isAttempt(id, attempt):
		return nil
	case d.Job == nil:
		return statusError{http.StatusServiceUnavailable, "no job of this boot is known yet"}
	default:
		return statusError{http.StatusGone, "not the outstanding attempt"}
	}
}

// isAttempt reports whether j is this attempt of this job.
func (j *job) isAttempt(id string, attempt int) bool {
	return j != nil && j.ID == id && j.Attempt == attempt
}

// entry is the state of one host in memory.
type entry struct {
	mu            sync.Mutex
	loaded        bool
	saved         []byte
	doc           document
	body          *wire.Job // of doc.Job; nil from a restart to the next Assign
	agentLacksJob bool      // the agent said since the restart that doc.Job is not known to the agent
	agentRuns     string    // the job that the agent said to work on, while doc.Job is nil
	hasPolled     bool      // since the restart
	lastCall      time.Time
	progress      wire.Progress // of doc.Job
	question      *question     // of doc.Job; nil before a question
	asking        int           // messages with a question that wait for an answer
	changed       chan struct{} // closed at the next change
}

func (h *Hub) findEntry(host string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[host]
	if e == nil {
		e = &entry{changed: make(chan struct{})}
		h.entries[host] = e
	}
	return e
}

// viewEntry calls look with the host's entry, locked and loaded.
func (h *Hub) viewEntry(ctx context.Context, host string, look func(*entry) error) error {
	e := h.findEntry(host)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := h.loadDocument(ctx, host, e); err != nil {
		return err
	}
	return look(e)
}

// editDocument changes the host's document, and saves the change before anybody sees the change. An error of change
// leaves the document as before.
func (h *Hub) editDocument(ctx context.Context, host string, change func(*entry, *document) error) error {
	return h.viewEntry(ctx, host, func(e *entry) error {
		next, body := e.doc, e.body
		if err := change(e, &next); err != nil {
			return err
		}
		data, err := format.Marshal(next)
		if err != nil {
			return fmt.Errorf("encode the agent document of %s: %w", host, err)
		}
		same := bytes.Equal(data, e.saved)
		if !same {
			ctx, cancel := context.WithTimeout(ctx, storeTimeout)
			defer cancel()
			if err := h.config.Store.Save(ctx, host, data); err != nil {
				return fmt.Errorf("save the agent document of %s: %w", host, err)
			}
		}
		e.doc, e.saved = next, data
		if !same || e.body != body {
			e.wake()
		}
		return nil
	})
}

func (h *Hub) loadDocument(ctx context.Context, host string, e *entry) error {
	if e.loaded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	data, err := h.config.Store.Load(ctx, host)
	if err != nil {
		return fmt.Errorf("load the agent document of %s: %w", host, err)
	}
	doc, err := decodeDocument(data)
	if err != nil {
		return fmt.Errorf("agent document of %s: %w", host, err)
	}
	e.doc, e.saved, e.loaded = doc, data, true
	if doc.Key != "" {
		e.lastCall = h.config.Now() // agents could not call during the daemon's absence: silence counts from now
	}
	return nil
}

func decodeDocument(data []byte) (document, error) {
	doc := document{Version: documentVersion}
	if data == nil {
		return doc, nil
	}
	doc.Version = 0
	if err := format.Unmarshal(data, &doc); err != nil {
		return document{}, fmt.Errorf("not readable: %w", err)
	}
	if doc.Version != documentVersion {
		return document{}, fmt.Errorf("its version is %d, not %d: install the ingot that wrote it", doc.Version,
			documentVersion)
	}
	if j := doc.Job; j != nil && !j.checkKnown() {
		return document{},
			fmt.Errorf("job %q in state %q is not known: install the ingot that wrote it, or a newer one", j.Kind,
				j.State)
	}
	return doc, nil
}

// checkKnown refuses a job that a newer ingot gave the agent: the daemon cannot tell what the machine does now.
func (j *job) checkKnown() bool {
	states := []inventory.JobState{inventory.JobAssigned, inventory.JobRunning, inventory.JobSucceeded,
		inventory.JobFailed, inventory.JobWithdrawn}
	return slices.Contains(wire.JobKinds, j.Kind) && slices.Contains(states, j.State)
}
