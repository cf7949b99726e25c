package hub

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/hub/imagefile"
	"github.com/gitmetal/ingot/agent/hub/reported"
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
	facts := reported.Facts(m)
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

// handOutJob gives the agent's next job, or a channel to wait for. The document names the agent as the job's holder
// before the agent gets the job. An agent without a job gets the outstanding job again: the answer may have been lost,
// or the agent began anew. An agent that is still at another job gets none: the end of an attempt that was taken back
// costs the next attempt nothing.
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
		next = h.chooseJob(e, doc, poll)
		moved = moved || doc.Job != before
		lacks := next == nil && poll.Running == "" && doc.Job != nil && !doc.Job.hasEnded()
		if lacks != e.agentLacksJob { // the daemon died during the hand-out of the job
			e.agentLacksJob = lacks
			moved = true
		}
		return nil
	})
	if err == nil && moved {
		h.config.Notify(p.host)
	}
	return next, changed, err
}

// chooseJob decides which job a polling agent gets, and writes the decision into the document.
func (h *Hub) chooseJob(e *entry, doc *document, poll wire.Poll) *wire.Job {
	if doc.Job == nil {
		return nil
	}
	j := *doc.Job
	// The answer with the job was lost, or the agent began anew.
	if j.State == inventory.JobWithdrawn && !j.Over && poll.Running == "" {
		j.Over = true
		doc.Job = &j
	}
	runsAlready := poll.Running == j.ID
	assigned := j.State == inventory.JobAssigned
	switch {
	case j.hasEnded(), runsAlready && !assigned, !runsAlready && e.body == nil:
		return nil
	case !runsAlready && poll.Running != "": // the agent runs one job at a time, and polls anew at the end of the job
		return nil
	case runsAlready: // the agent had the job before this document began
		j.State, j.Since = inventory.JobRunning, h.config.Now()
		j.Begun = j.Begun || wire.IsOfProtocol1(j.Kind) && j.Install != ""
		doc.Job = &j
		return nil
	case assigned:
		j.State, j.Since = inventory.JobRunning, h.config.Now()
		doc.Job = &j
	}
	return e.body
}

// allowStep answers an agent that reports progress: an error when the job was taken back. An install step of protocol 1
// that is reached has begun.
func (h *Hub) allowStep(ctx context.Context, p peer, id string, m wire.Progress) error {
	gone, moved := "", false
	err := h.editDocument(ctx, p.host, func(_ *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		if err := h.checkOutstanding(p.host, *doc, id, m.Attempt); err != nil {
			return err
		}
		j := *doc.Job
		if j.hasEnded() {
			gone = j.whyEnded()
			return nil
		}
		if installs := j.Install != "" && m.Step == j.Install; installs && wire.IsOfProtocol1(j.Kind) && !j.Begun {
			j.Begun = true
			doc.Job, moved = &j, true
		}
		return nil
	})
	if err == nil && moved {
		h.config.Notify(p.host)
	}
	if err == nil && gone != "" {
		return statusError{http.StatusGone, gone}
	}
	return err
}

// serveProgress takes a report for people and for the loop's patience. The report is not stored.
func (h *Hub) serveProgress(w http.ResponseWriter, r *http.Request, p peer) error {
	var m wire.Progress
	if err := decodeBody(w, r, wire.MaxBody, &m); err != nil {
		return err
	}
	m = h.cleanProgress(m)
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
	if err := h.finishRun(r, p, m); err != nil {
		return err
	}
	id := r.PathValue("job")
	err := h.editDocument(r.Context(), p.host, func(e *entry, doc *document) error {
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
		e.question = nil
		ended.Left = describeLeft(m.Disks)
		ended.Over, ended.Since, ended.Result = true, h.config.Now(), h.cleanResult(m)
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

// describeLeft describes the disks of an ended step.
func describeLeft(disks []wire.Disk) (left []inventory.SeenDisk) {
	for _, disk := range reported.Disks(disks) {
		left = append(left, inventory.DescribeSeen(disk))
	}
	return left
}

// isPlain reports whether the agent writes an image of the job itself.
func isPlain(job wire.Job) bool {
	return slices.ContainsFunc(job.Steps, func(s wire.Step) bool { return s.Install != nil && s.Install.Plain })
}

// serveImage serves only the images of the host's outstanding job, and only to an attempt that has begun. An agent that
// writes the image itself looks at it before it asks for leave.
func (h *Hub) serveImage(w http.ResponseWriter, r *http.Request, p peer) error {
	digest, begun := r.PathValue("sha256"), false
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		j := e.doc.Job
		if j == nil || j.hasEnded() || !slices.Contains(j.Images, digest) {
			return statusError{http.StatusNotFound, "an image that no job of this host names"}
		}
		begun = j.Begun || wire.IsOfProtocol1(j.Kind)
		if !begun && !j.Plain {
			return statusError{http.StatusNotFound, "nothing may be written yet: no leave was given"}
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
	return imagefile.File{Content: image, SHA256: digest, Begun: begun}.Serve(w, r)
}

// recordPhoneHome keeps the first call after the newest start of an installed system; a call of an older epoch or
// attempt changes nothing. A call that names no boot of the kernel may be of another start.
func (h *Hub) recordPhoneHome(ctx context.Context, m wire.PhoneHome) error {
	return h.editDocument(ctx, m.Host, func(_ *entry, doc *document) error {
		old, machine := doc.PhoneHome, strings.ToLower(cutText(m.Machine))
		switch {
		case old != nil && m.Epoch < old.Epoch:
			return statusError{http.StatusNotFound, "phone-home of an older epoch"}
		case old != nil && m.Epoch == old.Epoch && m.Install == old.Install && m.Attempt < old.Attempt:
			return statusError{http.StatusNotFound, "phone-home of an older attempt"}
		case old != nil && old.Install == m.Install && old.Epoch == m.Epoch && old.Attempt == m.Attempt &&
			old.BootID == m.BootID && m.BootID != "" && old.Machine == machine:
			return nil
		}
		doc.PhoneHome = &inventory.PhoneHome{Install: m.Install, Epoch: m.Epoch, Attempt: m.Attempt,
			Commit: cutText(m.Commit), At: h.config.Now(), BootID: cutText(m.BootID), Machine: machine, Disk: strings.ToLower(cutText(m.Disk)),
			Filesystems: m.Filesystems}
		h.config.Log.Info("installed system phoned home", "host", m.Host, "install", m.Install, "commit",
			doc.PhoneHome.Commit)
		return nil
	})
}

// cutText bounds a short text of an installed system.
func cutText(text string) string { return text[:min(len(text), 64)] }

// checkOutstanding refuses an agent's report about another job or attempt than the outstanding attempt. Such a report
// is late: the report changes nothing, and is counted in the log.
func (h *Hub) checkOutstanding(host string, doc document, id string, attempt int) error {
	err := doc.checkOutstanding(id, attempt)
	if doc.Job != nil && err != nil {
		h.config.Log.Info("an agent's word about another step or attempt came late", "host", host, "job", id,
			"attempt", attempt, "outstanding", doc.Job.ID, "late", h.lateWords.Add(1))
		h.config.Count(CountLate)
	}
	return err
}
