package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// RunResult is a run as `ingot results` shows it.
type RunResult struct {
	runs.Manifest
	Open bool     `json:"open,omitempty"` // the run has not ended: Files are those stored so far
	Lost []string `json:"lost,omitempty"` // files of the manifest that the store has no more
}

// ResultQuery says which runs are wanted.
type ResultQuery struct {
	Name  string    // of a workload or a host; "" for all
	Run   string    // id; "" for all
	Since time.Time // runs that ended at this time or later, and no open ones; zero for all
	Limit int       // of the newest runs; 0 for all
}

func (d *Daemon) addResultRoutes(api *http.ServeMux) {
	api.HandleFunc("GET /v1/results", d.answerResults)
	api.HandleFunc("GET /v1/results/files/{sha256}", d.answerResultFile)
}

// answerResults answers with one line of JSON for each run, the newest first, the open ones before.
func (d *Daemon) answerResults(w http.ResponseWriter, r *http.Request) {
	var q ResultQuery
	if text := r.URL.Query().Get("query"); json.Unmarshal([]byte(text), &q) != nil {
		http.Error(w, "the query is none", http.StatusBadRequest)
		return
	}
	control := http.NewResponseController(w)
	out := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	want := d.wantRun(q)
	if q.Since.IsZero() {
		for _, run := range d.results.ListOpen(want) {
			if out.Encode(RunResult{Manifest: runs.Manifest{Run: run.Run, Ended: runs.Ended{Bytes: run.Bytes}}, Open: true}) != nil {
				return // the reader went away
			}
		}
	}
	for i, run := range d.results.List(want) {
		if run.Ended.Before(q.Since) || q.Limit > 0 && i >= q.Limit {
			break
		}
		m, err := d.results.Manifest(run.ID)
		if err != nil {
			d.log.Error("a manifest cannot be read", "run", run.ID, "error", err)
			m = runs.Manifest{Run: run.Run, Ended: runs.Ended{Error: "its manifest cannot be read: see the daemon's log", Ended: run.Ended}}
		}
		shown := RunResult{Manifest: m}
		for _, file := range d.results.Lost(m) {
			shown.Lost = append(shown.Lost, file.Name)
		}
		_ = control.SetWriteDeadline(time.Now().Add(stall)) // not every writer has deadlines
		if out.Encode(shown) != nil {
			return // the reader went away
		}
	}
}

// wantRun says which runs a query wants. A name is a workload's, a host's, or the id of a machine that has left the fleet.
func (d *Daemon) wantRun(q ResultQuery) func(runs.Run) bool {
	id, known := inventory.MachineID(""), false
	if q.Name != "" {
		id, known = d.loop.FindHost(q.Name)
	}
	return func(run runs.Run) bool {
		if q.Run != "" && run.ID != q.Run {
			return false
		}
		named := run.Workload == q.Name || run.Machine == strings.TrimPrefix(q.Name, "id:")
		return q.Name == "" || named || known && run.Machine == string(id)
	}
}

// answerResultFile answers with the bytes of a file, in ranges.
func (d *Daemon) answerResultFile(w http.ResponseWriter, r *http.Request) {
	file, _, err := d.results.OpenBlob(r.PathValue("sha256"))
	switch {
	case errors.Is(err, results.ErrUnknown):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, file)
}

// maxManifest is the longest line of answerResults, in bytes.
const maxManifest = 16 << 20

// ReadResults gives the runs that a query wants to take, one after the other, until take gives an error.
func (c *Client) ReadResults(ctx context.Context, q ResultQuery, take func(RunResult) error) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	response, err := c.sendGet(ctx, "/v1/results?query="+url.QueryEscape(string(text)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusalError(response)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxManifest)
	for lines.Scan() {
		var run RunResult
		if err := json.Unmarshal(lines.Bytes(), &run); err != nil {
			return fmt.Errorf("read the daemon's answer: %w", err)
		}
		if err := take(run); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// OpenResult opens the bytes of a file by its digest. The caller closes it, and compares the digest.
func (c *Client) OpenResult(ctx context.Context, sha256 string) (io.ReadCloser, error) {
	response, err := c.sendGet(ctx, "/v1/results/files/"+url.PathEscape(sha256))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, refusalError(response)
	}
	return response.Body, nil
}
