package hub

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// sendJob answers a poll with a job. The headers name the attempt for an agent that cannot read the body.
func sendJob(w http.ResponseWriter, job wire.Job) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(wire.HeaderJob, job.ID)
	w.Header().Set(wire.HeaderAttempt, strconv.Itoa(job.Attempt))
	return json.NewEncoder(w).Encode(referToConfig(job))
}

// referToConfig is a job in the form that is sent: a job that is too large for a message names its config, and the
// agent fetches the config.
func referToConfig(job wire.Job) wire.Job {
	size := 0
	for _, step := range job.Steps {
		if step.Install != nil {
			size += len(step.Install.Ignition)
		}
		if step.Script != nil {
			size += len(step.Script.Body)
		}
	}
	if !wire.WritesSystem(job.Kind) || size <= wire.MaxInline {
		return job
	}
	job.Steps = slices.Clone(job.Steps)
	for i, step := range job.Steps {
		if step.Install == nil {
			continue
		}
		install, sum := *step.Install, sha256.Sum256(step.Install.Ignition)
		install.Config = &wire.ConfigRef{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(install.Ignition))}
		install.Ignition = nil
		job.Steps[i].Install = &install
	}
	return job
}

// serveConfig serves the config of the host's outstanding job only. The config is in memory only: after a restart the
// config is unknown until the job is assigned again.
func (h *Hub) serveConfig(w http.ResponseWriter, r *http.Request, p peer) error {
	var config []byte
	id := r.PathValue("job")
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		if err := e.doc.checkPeer(p); err != nil {
			return err
		}
		if j := e.doc.Job; j != nil && j.ID == id && !j.hasEnded() {
			config = findConfig(e.body)
		} else if err := e.doc.checkOutstanding(id, 0); err != nil {
			return err
		}
		if config == nil {
			return statusError{http.StatusNotFound, "the config of this job is not known (any more)"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(config))
	return nil
}

// findConfig is the config of a job, nil without a config.
func findConfig(job *wire.Job) []byte {
	if job == nil {
		return nil
	}
	for _, step := range job.Steps {
		if step.Install != nil {
			return step.Install.Ignition
		}
	}
	return nil
}
