package hub

import (
	"fmt"
	"net/http"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/runs"
)

// findRun is the id of the run of a job; "" for a job without one.
func findRun(j wire.Job) string {
	for _, step := range j.Steps {
		if step.Execution != nil {
			return step.Execution.Run
		}
	}
	return ""
}

// beginRun names the run of a job in the store of results, before any agent gets the job.
func (h *Hub) beginRun(host, boot string, next wire.Job) error {
	for _, step := range next.Steps {
		if step.Execution == nil || h.config.Results == nil {
			continue
		}
		e := step.Execution
		run := runs.Run{ID: e.Run, Workload: e.Workload, Batch: e.Batch, Item: e.Item, Attempt: e.Attempt, Machine: host, Boot: boot}
		limits := runs.Limits{Files: e.Results.Files, MaxSize: e.Results.MaxSize, MaxFiles: e.Results.MaxFiles, Required: e.Results.Required}
		if err := h.config.Results.Begin(run, limits); err != nil {
			return fmt.Errorf("assign run %s to %s: %w", e.Run, host, err)
		}
	}
	return nil
}

// giveUpRun ends the run of a job that is taken back. What comes of the run later does not count.
func (h *Hub) giveUpRun(j *job, why string) error {
	if j == nil || j.Run == "" || j.hasEnded() || h.config.Results == nil {
		return nil
	}
	if err := h.config.Results.GiveUp(j.Run, why); err != nil {
		return fmt.Errorf("give up run %s: %w", j.Run, err)
	}
	return nil
}

// listInputs lists the inputs of the run of a job.
func listInputs(j wire.Job) (inputs []wire.Input) {
	for _, step := range j.Steps {
		if step.Execution != nil {
			inputs = append(inputs, step.Execution.Inputs...)
		}
	}
	return inputs
}

// serveJobFile takes a file of the run of the host's outstanding job.
func (h *Hub) serveJobFile(w http.ResponseWriter, r *http.Request, p peer) error {
	j, err := h.findOpenJob(r, p)
	if err != nil {
		return err
	}
	if j.Run == "" || h.config.Results == nil {
		return statusError{http.StatusNotFound, "the job leaves no results"}
	}
	h.config.Results.ServeFile(w, r, j.Run, r.PathValue("name"))
	return nil
}

// serveLog takes a text about the host's outstanding job.
func (h *Hub) serveLog(w http.ResponseWriter, r *http.Request, p peer) error {
	j, err := h.findOpenJob(r, p)
	if err != nil {
		return err
	}
	if h.config.Logs == nil {
		return statusError{http.StatusNotFound, "no logs are kept"}
	}
	h.config.Logs.ServeLog(w, r, LogOf{Host: p.host, Job: j.ID, Name: r.PathValue("name")})
	return nil
}

// findOpenJob gives the host's outstanding job, or an error that says why the agent may not send files of it.
func (h *Hub) findOpenJob(r *http.Request, p peer) (found job, err error) {
	err = h.viewEntry(r.Context(), p.host, func(e *entry) error {
		j := e.doc.Job
		switch {
		case j == nil || j.ID != r.PathValue("job"):
			return statusError{http.StatusGone, "not the outstanding job"}
		case j.hasEnded():
			return statusError{http.StatusGone, j.whyEnded()}
		}
		found = *j
		return nil
	})
	return found, err
}

// finishRun ends the run of an outstanding job in the store of results, before the document says that the job has
// ended. A job that was taken back ends no run: its result came too late.
func (h *Hub) finishRun(r *http.Request, p peer, m wire.Result) error {
	if m.Executed == nil || h.config.Results == nil {
		return nil
	}
	run := ""
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		if j := e.doc.Job; j.isAttempt(r.PathValue("job"), m.Attempt) && !j.hasEnded() {
			run = j.Run
		}
		return e.doc.checkPeer(p)
	})
	if err != nil || run == "" || run != m.Executed.Run {
		return err
	}
	ended := readExecuted(h.cleanExecuted(m.Executed))
	ended.Error = cutHead(h.config.Mask(m.Error), maxError)
	for _, file := range m.Executed.Files {
		ended.Files = append(ended.Files, runs.File{Name: file.Name, Size: file.Size, SHA256: file.SHA256})
	}
	if err := h.config.Results.Finish(run, *ended); err != nil {
		return fmt.Errorf("end run %s of %s: %w", run, p.host, err)
	}
	return nil
}

// cleanExecuted is the end of a run as the document keeps it: the files are in the manifest in the store of results.
func (h *Hub) cleanExecuted(said *wire.Executed) *wire.Executed {
	if said == nil {
		return nil
	}
	return &wire.Executed{Run: cutHead(said.Run, maxName), Exit: said.Exit, Began: said.Began, Ended: said.Ended,
		Output: cutHead(h.config.Mask(said.Output), runs.MaxOutput)}
}

// readExecuted gives the end of a run in the words of the inventory.
func readExecuted(said *wire.Executed) *runs.Ended {
	if said == nil {
		return nil
	}
	return &runs.Ended{Exit: said.Exit, Output: said.Output, Began: said.Began, Ended: said.Ended}
}
