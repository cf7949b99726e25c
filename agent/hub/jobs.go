package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// Sizes of what is kept; the journal's values are bounded too.
const (
	maxFacts  = 512 << 10 // bytes of JSON
	maxError  = 1 << 10
	maxOutput = 4 << 10
)

// serveFacts keeps the machine as this boot's agent sees the hardware.
func (h *Hub) serveFacts(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Facts
	if err := decodeBody(w, r, maxFacts, &m); err != nil {
		return err
	}
	facts := readFacts(m)
	facts.At, facts.Epoch = h.config.Now(), p.epoch
	err := h.editDocument(r.Context(), p.host, func(_ *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		doc.Facts = &facts
		return nil
	})
	return h.answerAccepted(w, p, err)
}

// answerAccepted answers 204 and wakes the loop, or gives the error back.
func (h *Hub) answerAccepted(w http.ResponseWriter, p peer, err error) error {
	if err != nil {
		return err
	}
	h.config.Notify(p.host)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveNextJob holds the call open until there is a job that is new to the agent, at most wire.PollWait.
func (h *Hub) serveNextJob(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Poll
	if err := decodeBody(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	timer := time.NewTimer(wire.PollWait)
	defer timer.Stop()
	for {
		next, changed, err := h.handOutJob(r.Context(), p, m)
		var again <-chan time.Time
		if errors.Is(err, errLeaveUnknown) {
			again, err = time.After(leavePause), nil
		}
		if err != nil {
			return err
		}
		if next != nil {
			return sendJob(w, *next)
		}
		select {
		case <-changed:
		case <-again:
		case <-timer.C:
			w.WriteHeader(http.StatusNoContent)
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// errLeaveUnknown says that the answer about a job's leave is not known yet.
var errLeaveUnknown = errors.New("nobody can tell whether it may begin")

// leavePause is the time between two questions for leave.
const leavePause = time.Second

// handOutJob gives the agent's next job, or a channel to wait for. The document names the agent as the job's holder
// before the agent gets the job. An agent without a job gets the outstanding job again: the answer may have been lost,
// or the agent began anew.
func (h *Hub) handOutJob(ctx context.Context, p peer, poll wire.Poll) (next *wire.Job, changed <-chan struct{},
	err error) {
	moved := false
	if err := h.viewEntry(ctx, p.host, func(e *entry) error {
		changed = e.changed
		return nil
	}); err != nil {
		return nil, nil, err
	}
	err = h.editDocument(ctx, p.host, func(e *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		if doc.Facts == nil {
			return statusError{http.StatusPreconditionRequired, "the facts of this boot are not known (any more)"}
		}
		e.lastCall = h.config.Now()
		if runs := poll.Running; !e.hasPolled || doc.Job == nil && runs != e.agentRuns {
			e.hasPolled, e.agentRuns, moved = true, runs, true
		}
		before := doc.Job
		next, err = h.chooseJob(p.host, e, doc, poll)
		moved = moved || doc.Job != before
		lacks := err == nil && next == nil && poll.Running == "" && doc.Job != nil && !doc.Job.hasEnded()
		if lacks != e.agentLacksJob { // the daemon died during the hand-out of the job
			e.agentLacksJob = lacks
			moved = true
		}
		return err
	})
	if err == nil && moved {
		h.config.Notify(p.host)
	}
	return next, changed, err
}

// chooseJob decides which job a polling agent gets, and writes the decision into the document.
func (h *Hub) chooseJob(host string, e *entry, doc *document, poll wire.Poll) (*wire.Job, error) {
	if doc.Job == nil {
		return nil, nil
	}
	j := *doc.Job
	// The answer with the job was lost, or the agent began anew.
	if j.State == inventory.JobWithdrawn && !j.Over && poll.Running == "" {
		j.Over, j.Again = true, true
		doc.Job = &j
	}
	if j.hasEnded() {
		return nil, nil
	}
	if poll.Running == j.ID {
		// The agent had the job before this document began, and the leave of that time is not known.
		if j.State == inventory.JobAssigned {
			j.State, j.Since, j.Asks, j.Again = inventory.JobRunning, h.config.Now(), poll.Asks, true
			j.Begun = j.Begun || !j.isScript()
			doc.Job = &j
		}
		return nil, nil
	}
	if e.body == nil {
		return nil, nil
	}
	switch refusal, err := h.askLeave(host, j); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errLeaveUnknown, err)
	case refusal != "":
		doc.Job, e.body = j.asWithdrawn(refusal, h.config.Now()), nil
		return nil, nil
	case j.State == inventory.JobAssigned:
		j.State, j.Since, j.Asks = inventory.JobRunning, h.config.Now(), poll.Asks
	default:
		j.Again, j.Asks = true, j.Asks && poll.Asks
	}
	doc.Job = &j
	return e.body, nil
}

// askLeave asks whether a job may be handed out. A job that has begun, and a job without an operation, needs no leave.
func (h *Hub) askLeave(host string, j job) (refusal string, err error) {
	if !j.needsLeave() {
		return "", nil
	}
	return h.config.Leave(host, j.operationID())
}

// allowStep answers an agent that reports progress, or asks whether the next step may begin: 204 for a nil error. A job
// whose step may not begin is withdrawn. Begun is saved before the agent learns that an install step may begin. An
// install step that writes already has begun, whatever the document says; an install step that asks has not begun,
// whatever an earlier answer was.
func (h *Hub) allowStep(ctx context.Context, p peer, id string, m wire.Progress) error {
	gone, moved := false, false
	err := h.editDocument(ctx, p.host, func(e *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		if err := h.checkOutstanding(p.host, *doc, id, m.Attempt); err != nil {
			return err
		}
		j := *doc.Job
		installs := j.Install != "" && m.Step == j.Install
		nothingToAllow := !j.needsLeave() && (!installs || !m.Asks)
		writesAlready := installs && !m.Asks && (m.Done != 0 || m.Total != 0)
		if gone = j.hasEnded(); gone || nothingToAllow {
			return nil
		}
		if !writesAlready {
			refusal, err := h.config.Leave(p.host, j.operationID())
			if err != nil {
				return statusError{http.StatusServiceUnavailable, err.Error()}
			}
			if gone = refusal != ""; gone {
				doc.Job, e.body, moved = j.asWithdrawn(refusal, h.config.Now()), nil, true
				return nil
			}
			if !installs {
				return nil
			}
		}
		j.Begun = true
		doc.Job, moved = &j, true
		return nil
	})
	if err == nil && moved {
		h.config.Notify(p.host)
	}
	if err == nil && gone {
		return statusError{http.StatusGone, "the job has ended"}
	}
	return err
}

// serveProgress takes a report for people and for the loop's patience; with the report an agent also asks whether the
// next step may begin. The report is not stored.
func (h *Hub) serveProgress(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Progress
	if err := decodeBody(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	id := r.PathValue("job")
	if err := h.allowStep(r.Context(), p, id, m); err != nil {
		return err
	}
	moved := false
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		moved = e.progress.Step != m.Step
		e.progress = wire.Progress{Attempt: m.Attempt, Step: m.Step, Done: m.Done, Total: m.Total}
		return nil
	})
	if err != nil {
		return err
	}
	if moved {
		h.config.Notify(p.host)
	}
	h.publishEvent(Event{Host: p.host, Job: id, Progress: m})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveResult ends the outstanding attempt. The first result stands: a repeated result of an ended attempt is
// acknowledged and dropped. The result of a withdrawn attempt says that the agent works on the job no more; a withdrawn
// attempt that succeeded has written.
func (h *Hub) serveResult(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Result
	if err := decodeBody(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	id := r.PathValue("job")
	err := h.editDocument(r.Context(), p.host, func(_ *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		if err := h.checkOutstanding(p.host, *doc, id, m.Attempt); err != nil {
			return err
		}
		ended := *doc.Job
		if ended.State != inventory.JobWithdrawn && ended.hasEnded() || ended.Result != nil {
			return nil
		}
		ended.Over, ended.Since, ended.Result = true, h.config.Now(), clipResult(m)
		switch {
		case m.OK:
			ended.State = inventory.JobSucceeded
		case ended.State != inventory.JobWithdrawn:
			ended.State = inventory.JobFailed
		}
		doc.Job = &ended
		return nil
	})
	return h.answerAccepted(w, p, err)
}

func clipResult(m wire.Result) *result {
	m.Error = m.Error[:min(len(m.Error), maxError)]
	m.Output = m.Output[max(0, len(m.Output)-maxOutput):]
	return &result{Result: m}
}

// serveImage serves only the images of the host's outstanding job.
func (h *Hub) serveImage(w http.ResponseWriter, r *http.Request, p peer) error {
	digest := r.PathValue("sha256")
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		if e.doc.Job == nil || e.doc.Job.hasEnded() || !slices.Contains(e.doc.Job.Images, digest) {
			return statusError{http.StatusNotFound, "an image that no job of this host names"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	image, _, err := h.config.Images.Open(digest)
	if err != nil {
		return fmt.Errorf("open image %s: %w", digest, err)
	}
	defer image.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+digest+`"`)
	http.ServeContent(w, r, "", time.Time{}, image)
	return nil
}

// recordPhoneHome keeps the newest call of an installed system; a call of an older epoch changes nothing.
func (h *Hub) recordPhoneHome(ctx context.Context, m wire.PhoneHome) error {
	return h.editDocument(ctx, m.Host, func(_ *entry, doc *document) error {
		old := doc.PhoneHome
		switch {
		case old != nil && m.Epoch < old.Epoch:
			return statusError{http.StatusNotFound, "phone-home of an older epoch"}
		case old != nil && old.Install == m.Install && old.Epoch == m.Epoch:
			return nil
		}
		doc.PhoneHome = &inventory.PhoneHome{Install: m.Install, Epoch: m.Epoch,
			Commit: m.Commit[:min(len(m.Commit), 64)], At: h.config.Now()}
		h.config.Log.Info("installed system phoned home", "host", m.Host, "install", m.Install, "commit",
			doc.PhoneHome.Commit)
		return nil
	})
}

// checkOutstanding refuses an agent's report about another job or attempt than the outstanding attempt. Such a report
// is late: the report changes nothing, and is counted in the log.
func (h *Hub) checkOutstanding(host string, doc document, id string, attempt int) error {
	err := doc.checkOutstanding(id, attempt)
	if doc.Job != nil && err != nil {
		h.config.Log.Info("an agent's word about another step or attempt came late", "host", host, "job", id,
			"attempt", attempt, "outstanding", doc.Job.ID, "late", h.lateWords.Add(1))
	}
	return err
}
