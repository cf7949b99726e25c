package hub

import (
	"context"
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
	maxData   = 64 << 10
)

// facts keeps the machine as this boot's agent sees it.
func (h *Hub) facts(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Facts
	if err := decode(w, r, maxFacts, &m); err != nil {
		return err
	}
	facts := factsFrom(m)
	facts.At, facts.Epoch = h.config.Now(), p.epoch
	err := h.edit(r.Context(), p.host, func(_ *entry, doc *document) error {
		if err := doc.admits(p); err != nil {
			return err
		}
		doc.Facts = &facts
		return nil
	})
	return h.accepted(w, p, err)
}

// accepted answers 204 and wakes the loop.
func (h *Hub) accepted(w http.ResponseWriter, p peer, err error) error {
	if err != nil {
		return err
	}
	h.config.Notify(p.host)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// nextJob holds the call open until there is a job that the agent does not have, at most wire.PollWait.
func (h *Hub) nextJob(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Poll
	if err := decode(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	timer := time.NewTimer(wire.PollWait)
	defer timer.Stop()
	for {
		next, changed, err := h.hand(r.Context(), p, m.Running)
		if err != nil {
			return err
		}
		if next != nil {
			return sendJob(w, *next)
		}
		select {
		case <-changed:
		case <-timer.C:
			w.WriteHeader(http.StatusNoContent)
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// hand gives the job the agent shall have next, or what to wait for. An agent without a job gets the outstanding one again, whether or
// not it was handed out before: the answer may have been lost.
func (h *Hub) hand(ctx context.Context, p peer, running string) (*wire.Job, <-chan struct{}, error) {
	var next *wire.Job
	var changed <-chan struct{}
	started := false
	err := h.with(ctx, p.host, func(e *entry) error {
		if err := e.doc.admits(p); err != nil {
			return err
		}
		if e.doc.Facts == nil {
			return statusError{http.StatusPreconditionRequired, "the facts of this boot are not known (any more)"}
		}
		e.seen, changed = h.config.Now(), e.changed
		j := e.doc.Job
		if j == nil || j.ended() {
			return nil
		}
		if running != j.ID {
			next = e.body
		}
		started = j.State == inventory.JobAssigned && (next != nil || running == j.ID)
		return nil
	})
	if err != nil || !started {
		return next, changed, err
	}
	err = h.start(ctx, p)
	if err == nil && next == nil {
		_, changed, err = h.hand(ctx, p, running) // the old channel told of our own change
	}
	return next, changed, err
}

// start notes that the agent has its job, before it gets it.
func (h *Hub) start(ctx context.Context, p peer) error {
	err := h.edit(ctx, p.host, func(_ *entry, doc *document) error {
		if err := doc.admits(p); err != nil {
			return err
		}
		if doc.Job == nil || doc.Job.State != inventory.JobAssigned {
			return nil
		}
		running := *doc.Job
		running.State, running.Since = inventory.JobRunning, h.config.Now()
		doc.Job = &running
		return nil
	})
	if err == nil {
		h.config.Notify(p.host)
	}
	return err
}

// progress is for people and for the loop's patience; it is never stored.
func (h *Hub) progress(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Progress
	if err := decode(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	id := r.PathValue("job")
	moved := false
	err := h.with(r.Context(), p.host, func(e *entry) error {
		if err := e.doc.admits(p); err != nil {
			return err
		}
		if err := e.doc.outstanding(id, m.Attempt); err != nil {
			return err
		}
		if e.doc.Job.ended() {
			return statusError{http.StatusGone, "the job has ended"}
		}
		moved = e.latest.Step != m.Step
		e.latest = wire.Progress{Attempt: m.Attempt, Step: m.Step, Done: m.Done, Total: m.Total}
		return nil
	})
	if err != nil {
		return err
	}
	if moved {
		h.config.Notify(p.host)
	}
	h.tell(Event{Host: p.host, Job: id, Progress: m})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// result ends the outstanding attempt. The first word stands: what is said again about an ended attempt is acknowledged and forgotten.
func (h *Hub) result(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Result
	if err := decode(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	id := r.PathValue("job")
	err := h.edit(r.Context(), p.host, func(_ *entry, doc *document) error {
		if err := doc.admits(p); err != nil {
			return err
		}
		if err := doc.outstanding(id, m.Attempt); err != nil {
			return err
		}
		if doc.Job.ended() {
			return nil
		}
		ended := *doc.Job
		ended.State, ended.Since, ended.Result = inventory.JobSucceeded, h.config.Now(), clip(m)
		if !m.OK {
			ended.State = inventory.JobFailed
		}
		doc.Job = &ended
		return nil
	})
	return h.accepted(w, p, err)
}

func clip(m wire.Result) *wire.Result {
	m.Error = m.Error[:min(len(m.Error), maxError)]
	m.Output = m.Output[max(0, len(m.Output)-maxOutput):]
	if len(m.Data) > maxData {
		m.Data = nil
	}
	return &m
}

// image serves what the host's outstanding job names, and nothing else.
func (h *Hub) image(w http.ResponseWriter, r *http.Request, p peer) error {
	digest := r.PathValue("sha256")
	err := h.with(r.Context(), p.host, func(e *entry) error {
		if e.doc.Job == nil || e.doc.Job.ended() || !slices.Contains(e.doc.Job.Images, digest) {
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

// arrived keeps the newest word of an installed system; that of an older epoch changes nothing. Nor does one that no record knows: a name may be another
// machine's since, whose epochs have nothing to do with those of the first.
func (h *Hub) arrived(ctx context.Context, m wire.PhoneHome) error {
	switch known, err := h.config.Awaits(m.Host, m.Install); {
	case err != nil:
		return err
	case !known:
		return statusError{http.StatusNotFound, "phone-home of an install that no record knows"}
	}
	return h.edit(ctx, m.Host, func(_ *entry, doc *document) error {
		old := doc.PhoneHome
		if old != nil && m.Epoch < old.Epoch {
			known, err := h.config.Awaits(m.Host, old.Install) // else that word came just before the name was given away
			if err != nil {
				return err
			}
			if known {
				return statusError{http.StatusNotFound, "phone-home of an older epoch"}
			}
		}
		if old != nil && old.Install == m.Install && old.Epoch == m.Epoch {
			return nil
		}
		doc.PhoneHome = &inventory.PhoneHome{Install: m.Install, Epoch: m.Epoch, Commit: m.Commit[:min(len(m.Commit), 64)], At: h.config.Now()}
		h.config.Log.Info("installed system phoned home", "host", m.Host, "install", m.Install, "commit", doc.PhoneHome.Commit)
		return nil
	})
}
