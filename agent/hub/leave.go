package hub

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/gitmetal/ingot/agent/hub/reported"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// Limits of a question for leave.
const (
	maxQuestion = 512 << 10 // bytes: the disks of one install
	maxNonce    = 64        // length of a nonce
	// askSilence is the time without a message after which a question is forgotten. An agent that cannot reach the
	// daemon pauses for less.
	askSilence = 45 * time.Second
)

// question is what an agent asks leave for. The hub keeps the question in memory: after a restart the agent asks again.
type question struct {
	inventory.Question
	number uint64    // of the newest message with the question
	last   time.Time // time of the newest message
	given  time.Time // when leave was given; zero before
	taken  bool      // a message took the leave to the agent
}

// isOver reports whether leave was given and cannot be taken any more: the next message is a new question.
func (q *question) isOver(now time.Time) bool {
	return q.taken || !q.given.IsZero() && now.Sub(q.given) >= wire.LeaveValid
}

// openQuestion is what the agent asks and waits for; nil while the agent asks nothing, and after leave was given.
func (e *entry) openQuestion(now time.Time) *inventory.Question {
	q := e.question
	silent := q != nil && e.asking == 0 && now.Sub(q.last) >= askSilence
	if q == nil || silent || !q.given.IsZero() {
		return nil
	}
	return &q.Question
}

// Leave is the daemon's yes to a question of an agent.
type Leave struct {
	Job     string
	Attempt int
	Nonce   string
	Asked   time.Time // Question.At
}

// GiveLeave lets an agent write that asks for leave; the caller has recorded before that the attempt has begun. The
// answer counts for the question alone, goes to one message of the agent, and lapses after wire.LeaveValid. ErrStale
// means that nobody asks the question any more: nothing is written before another question and another leave.
func (h *Hub) GiveLeave(ctx context.Context, host string, l Leave) error {
	asks := func(e *entry) error {
		q, j := e.question, e.doc.Job
		if !j.isAttempt(l.Job, l.Attempt) || j.hasEnded() || q == nil || q.Nonce != l.Nonce || !q.At.Equal(l.Asked) ||
			q.isOver(h.config.Now()) {
			return fmt.Errorf("give leave for job %s to %s: nobody asks: %w", l.Job, host, ErrStale)
		}
		return nil
	}
	err := h.editDocument(ctx, host, func(e *entry, doc *document) error {
		if err := asks(e); err != nil {
			return err
		}
		begun := *doc.Job
		begun.Begun = true
		doc.Job = &begun
		return nil
	})
	if err != nil {
		return err
	}
	return h.viewEntry(ctx, host, func(e *entry) error {
		if err := asks(e); err != nil {
			return err
		}
		e.question.given = h.config.Now()
		e.wake()
		h.config.Count(CountGiven)
		return nil
	})
}

// serveLeave answers an agent that asks whether it may write: 200 for leave, 202 while nothing is decided, 410 with the
// reason for a no.
func (h *Hub) serveLeave(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.LeaveQuestion
	if err := decodeBody(w, r, maxQuestion, &m); err != nil {
		return err
	}
	if m.Nonce == "" || len(m.Nonce) > maxNonce || len(m.Disks) == 0 {
		return statusError{http.StatusBadRequest, "a question without a nonce or disks"}
	}
	refusal, err := h.noteQuestion(r.Context(), p, r.PathValue("job"), m)
	switch {
	case err != nil:
		return err
	case refusal != "":
		http.Error(w, refusal, http.StatusGone)
		return nil
	}
	defer h.endQuestion(p.host)
	timer := time.NewTimer(wire.LeaveWait)
	defer timer.Stop()
	for {
		given, refusal, changed := h.takeLeave(p.host, r.PathValue("job"), m)
		switch {
		case given:
			w.WriteHeader(http.StatusOK)
			return nil
		case refusal != "":
			http.Error(w, refusal, http.StatusGone)
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			w.WriteHeader(http.StatusAccepted)
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// noteQuestion keeps an agent's question, and tells the loop of a new one. A refusal is why the job has ended.
func (h *Hub) noteQuestion(ctx context.Context, p peer, id string, m wire.LeaveQuestion) (refusal string, err error) {
	isNew := false
	err = h.viewEntry(ctx, p.host, func(e *entry) error {
		if err := e.doc.checkPeer(p); err != nil {
			return err
		}
		if err := h.checkOutstanding(p.host, e.doc, id, m.Attempt); err != nil {
			return err
		}
		now, j := h.config.Now(), e.doc.Job
		switch e.lastCall = now; {
		case j.hasEnded():
			refusal = j.whyEnded()
			return nil
		case !wire.WritesSystem(j.Kind) && j.Kind != wire.JobWriteStep:
			return statusError{http.StatusBadRequest, "the job writes nothing"}
		case j.State != inventory.JobRunning:
			return statusError{http.StatusServiceUnavailable, "the job is not known to run yet"}
		}
		isNew, err = e.keepQuestion(m, now)
		return err
	})
	if isNew {
		h.config.Count(CountAsked)
		h.config.Notify(p.host)
	}
	return refusal, err
}

// keepQuestion keeps a question until its answer. A question of another process, or with other disks, is a new one, and
// so is the next question of a process that leave was given to: that process did not write.
func (e *entry) keepQuestion(m wire.LeaveQuestion, now time.Time) (isNew bool, err error) {
	q, disks := e.question, reported.Disks(m.Disks)
	if q != nil && q.Nonce == m.Nonce && m.Number <= q.number {
		return false, statusError{http.StatusConflict, "a later question of this agent is known"}
	}
	same := q != nil && q.Nonce == m.Nonce && !q.isOver(now) && reflect.DeepEqual(q.Disks, disks)
	next := question{Question: inventory.Question{Nonce: m.Nonce, At: now, Disks: disks}}
	if same {
		next = *q
	}
	next.number, next.last = m.Number, now
	e.question, e.asking = &next, e.asking+1
	e.wake() // a message before this one waits in vain
	return !same, nil
}

// endQuestion records that a message waits no more.
func (h *Hub) endQuestion(host string) {
	e := h.findEntry(host)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asking--
}

// takeLeave takes the answer to the question of a message: leave that was given and not taken by another message, or
// why the job was taken back. Without an answer, changed ends at the next change.
func (h *Hub) takeLeave(host, id string, m wire.LeaveQuestion) (given bool, refusal string, changed <-chan struct{}) {
	e := h.findEntry(host)
	e.mu.Lock()
	defer e.mu.Unlock()
	q, j := e.question, e.doc.Job
	switch {
	case !j.isAttempt(id, m.Attempt) || j.hasEnded():
		return false, j.whyEnded(), nil
	case q == nil || q.Nonce != m.Nonce || q.number != m.Number || q.given.IsZero() || q.isOver(h.config.Now()):
		return false, "", e.changed
	}
	q.taken = true
	return true, "", nil
}

// wake wakes the calls that wait for a change of the entry.
func (e *entry) wake() {
	close(e.changed)
	e.changed = make(chan struct{})
}
