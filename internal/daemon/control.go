package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/rollout"
	"github.com/gitmetal/ingot/reconcile/status"
)

// View is what the daemon tells its command line.
type View struct {
	Commit   string             `json:"commit"` // accepted; "" when none was since the start
	Title    string             `json:"title,omitempty"`
	Refused  string             `json:"refused,omitempty"` // the newest commit, when it is not accepted
	Findings []string           `json:"findings,omitempty"`
	Source   string             `json:"source,omitempty"`  // why the fleet cannot be read
	Publish  string             `json:"publish,omitempty"` // why the status branch cannot be pushed
	Frozen   string             `json:"frozen,omitempty"`  // why nothing is erased
	Paused   string             `json:"paused,omitempty"`  // why nothing begins anywhere
	Rings    []rollout.Progress `json:"rings,omitempty"`
	Commits  []status.Commit    `json:"commits,omitempty"` // accepted, the newest first
	Hosts    []HostView         `json:"hosts"`
}

// HostView is a host's document with what moves too fast for it.
type HostView struct {
	status.Document
	Image    Progress  `json:"image,omitzero"` // fetching into the mirror
	Write    Progress  `json:"write,omitzero"` // of the running job
	Step     string    `json:"step,omitempty"`
	Power    string    `json:"power,omitempty"`
	Trouble  string    `json:"trouble,omitempty"` // of the last effect
	Looked   time.Time `json:"looked,omitzero"`
	Pushed   bool      `json:"pushed"` // the document is on the status branch
	NextDo   plan.Kind `json:"nextDo,omitempty"`
	NextWhy  string    `json:"nextWhy,omitempty"`
	Enrolled bool      `json:"enrolled"` // the agent of the current boot is there
}

// Progress counts bytes.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Event is a line of the event stream: a host's new view, or the newest output of its running job.
type Event struct {
	At   time.Time      `json:"at"`
	Host *HostView      `json:"host,omitempty"`
	Name string         `json:"name,omitempty"` // of the host that Job is about
	Job  *wire.Progress `json:"job,omitempty"`
	// Fleet is set when something about the whole fleet changed; its Hosts are left out.
	Fleet *View `json:"fleet,omitempty"`
	// All says that everything there is was told: a host that was not is not known.
	All bool `json:"all,omitempty"`
}

// Of is the host that the event is about; "" when it is about the whole fleet.
func (e Event) Of() string {
	if e.Host != nil {
		return e.Host.Metadata.Name
	}
	return e.Name
}

// listenControl opens the control socket for its owner only. A socket that nobody answers on is one that was left behind.
func listenControl(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	var dialer net.Dialer
	if conn, err := dialer.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("control socket %s: another daemon answers on it", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, os.Chmod(path, 0o600)
}

// serve answers until ctx ends. Long answers (images, events) have no write deadline; heads must come quickly.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

func (d *Daemon) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/view", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.view()) })
	mux.HandleFunc("GET /v1/events", d.events)
	mux.HandleFunc("POST /v1/refresh", func(w http.ResponseWriter, _ *http.Request) {
		d.loop.Refresh()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /v1/repin/{commit}", d.repin)
	mux.HandleFunc("POST /v1/repin-tag/{tag...}", d.repinTag)
	return mux
}

// repin is the operator's word that the trunk may be traced to another commit, after its history was rewritten or its signers were lost.
func (d *Daemon) repin(w http.ResponseWriter, r *http.Request) {
	commit, before := r.PathValue("commit"), d.repo.Accepted()
	if err := d.repo.Repin(commit); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.log.Warn("operator re-pinned the trunk", "commit", commit, "before", before)
	d.loop.Refresh()
	w.WriteHeader(http.StatusNoContent)
}

// repinTag is the operator's word that a tag which was moved or deleted counts as it is now.
func (d *Daemon) repinTag(w http.ResponseWriter, r *http.Request) {
	tag := r.PathValue("tag")
	if err := d.repo.RepinTag(tag); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.log.Warn("operator re-pinned a tag", "tag", tag)
	d.loop.Refresh()
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the reader went away
}

func (d *Daemon) view() View {
	v := fleetView(d.loop.View())
	for _, h := range d.loop.View().Hosts {
		v.Hosts = append(v.Hosts, hostView(h))
	}
	return v
}

func fleetView(lv reconcile.View) View {
	v := View{Commit: lv.Commit, Title: lv.Title, Refused: lv.Refused, Source: lv.Source, Publish: lv.Publish,
		Frozen: lv.Fleet.Frozen, Paused: lv.Fleet.Paused, Rings: lv.Fleet.Rings, Commits: lv.Fleet.Commits}
	for _, finding := range lv.Findings {
		v.Findings = append(v.Findings, finding.String())
	}
	return v
}

func hostView(h reconcile.HostView) HostView {
	v := HostView{Document: h.Document, Looked: h.Looked, Pushed: h.Pushed, Power: string(h.Observed.BMC.Power)}
	if v.Metadata.Name == "" {
		v.Metadata.Name = h.Name
	}
	if i := h.Observed.Image; i.State == inventory.ImageFetching {
		v.Image = Progress{i.Done, i.Total}
	}
	if j := h.Observed.Agent.Job; j.State == inventory.JobRunning {
		v.Write, v.Step = Progress{int64(j.Done), int64(j.Total)}, j.Step
	}
	if h.Outcome.Result == plan.Retry || h.Outcome.Result == plan.Stalled {
		v.Trouble = h.Outcome.Why
	}
	if len(h.Plan.Actions) > 0 {
		v.NextDo, v.NextWhy = h.Plan.Actions[0].Kind, h.Plan.Actions[0].Reason
	}
	if b := h.Observed.Record.Boot; b != nil {
		v.Enrolled = h.Observed.Agent.Boot == b.ID
	}
	return v
}
