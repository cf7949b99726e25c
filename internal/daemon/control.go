package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon/control"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// View is the state of the fleet and of every host, as the daemon tells it to the command line and to the page.
type View struct {
	Commit   string           `json:"commit"` // accepted; "" before the first accepted commit since the start
	Title    string           `json:"title,omitempty"`
	Refused  string           `json:"refused,omitempty"` // the newest commit, if it is refused
	Findings []string         `json:"findings,omitempty"`
	Source   string           `json:"source,omitempty"`  // why the fleet cannot be read
	Publish  string           `json:"publish,omitempty"` // why the status branch cannot be pushed
	Another  string           `json:"another,omitempty"` // why nothing is done: a different daemon runs this fleet
	Daemon   *status.Daemon   `json:"daemon,omitempty"`  // that runs the fleet; null before its first push
	Frozen   string           `json:"frozen,omitempty"`  // why nothing is erased
	Paused   string           `json:"paused,omitempty"`  // why no operation begins
	Rings    []admit.Progress `json:"rings,omitempty"`
	// Runs are the Workloads with spec.run.
	Runs    []status.RunProgress `json:"runs,omitempty"`
	Commits []status.Commit      `json:"commits,omitempty"` // accepted, the newest first
	Acts    []status.Act         `json:"acts,omitempty"`    // of operators, the newest first
	Hosts   []HostView           `json:"hosts"`
}

// HostView is a host's document with the values that change too fast for the document.
type HostView struct {
	status.Document
	Image    Progress  `json:"image,omitzero"` // fetch into the mirror
	Write    Progress  `json:"write,omitzero"` // write by the running job
	Step     string    `json:"step,omitempty"`
	Power    string    `json:"power,omitempty"`
	Trouble  string    `json:"trouble,omitempty"` // error of the last effect
	Looked   time.Time `json:"looked,omitzero"`
	Pushed   bool      `json:"pushed"` // the document is on the status branch
	NextDo   act.Kind  `json:"nextDo,omitempty"`
	NextWhy  string    `json:"nextWhy,omitempty"`
	Enrolled bool      `json:"enrolled"` // the agent of the current boot is enrolled
}

// Progress counts bytes.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Event is a line of the event stream: a host's new view, or new output of the host's running job.
type Event struct {
	At   time.Time           `json:"at"`
	Host *HostView           `json:"host,omitempty"`
	Name string              `json:"name,omitempty"` // of Job's host
	ID   inventory.MachineID `json:"id,omitempty"`   // of Job's host
	Job  *wire.Progress      `json:"job,omitempty"`
	// Fleet is set when the state of the whole fleet changed; Fleet.Hosts is empty.
	Fleet *View `json:"fleet,omitempty"`
	// All marks the end of the first complete state.
	All bool `json:"all,omitempty"`
}

// HostOf gives the name and the id of the event's host; both are "" for an event about the whole fleet.
func (e Event) HostOf() (name string, id inventory.MachineID) {
	if e.Host != nil {
		return e.Host.Metadata.Name, e.Host.Metadata.Host()
	}
	return e.Name, cmp.Or(e.ID, inventory.MachineID(e.Name))
}

// MeansHost reports whether a word on the command line means a host: the host's name, or id: and the host's id.
func MeansHost(word, name string, id inventory.MachineID) bool {
	if said, is := strings.CutPrefix(word, "id:"); is {
		return said == string(id)
	}
	return word == name
}

// serveHTTP answers requests until ctx ends. Long answers (images, events) have no write deadline; request heads have
// one.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: control.ConnContext}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

func (d *Daemon) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/view", d.answerView)
	mux.HandleFunc("GET /v1/events", d.streamEvents)
	d.addHostRoutes(mux)
	d.addResultRoutes(mux)
	d.logs.AddRoutes(mux, d.loop.FindHost)
	d.addDiscoveryRoutes(mux)
	mux.HandleFunc("POST /v1/refresh", func(w http.ResponseWriter, _ *http.Request) {
		d.loop.RefreshSource()
		w.WriteHeader(http.StatusNoContent)
	})
	// An operator allows the trunk to be traced to a different commit, after the history was rewritten or the signers
	// were lost.
	mux.HandleFunc("POST /v1/repin/{commit}", func(w http.ResponseWriter, r *http.Request) {
		commit := r.PathValue("commit")
		d.performAct(w, r,
			fmt.Sprintf("re-pinned the trunk to %s, from %s", commit, cmp.Or(d.repo.AcceptedCommit(), "no commit")),
			func() error { return d.repo.RepinTrunk(r.Context(), commit) })
	})
	// An operator accepts the present object of a tag that was moved or deleted.
	mux.HandleFunc("POST /v1/repin-tag/{tag...}", func(w http.ResponseWriter, r *http.Request) {
		tag := r.PathValue("tag")
		d.performAct(w, r, "re-pinned tag "+tag, func() error { return d.repo.RepinTag(tag) })
	})
	// An operator has a host tried again that was given up, or that is waited for in vain.
	mux.HandleFunc("POST /v1/retry/{host}", d.actOnHost("retry of host ",
		func(_ context.Context, id inventory.MachineID) error { return d.loop.RetryHost(id) }))
	// An operator has a host go on whose step is on hold, or a workload that was stopped because its installs failed.
	mux.HandleFunc("POST /v1/resume/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		d.performAct(w, r, "resumed "+name, func() error { return d.resume(r.Context(), name) })
	})
	// An operator has a workload start no more runs of its batch.
	mux.HandleFunc("POST /v1/cancel/{workload}", func(w http.ResponseWriter, r *http.Request) {
		workload, now := r.PathValue("workload"), r.FormValue("now") == "true"
		d.performAct(w, r, "cancelled the runs of "+workload, func() error { return d.loop.CancelRuns(r.Context(), workload, now) })
	})
	// An operator has what is known of a machine dropped.
	mux.HandleFunc("POST /v1/forget/{host}", d.actOnHost("forgot host ", d.loop.ForgetHost))
	return control.AllowOnly([]int{0, os.Geteuid()}, mux)
}

// resume ends the hold of a step of the host with the name, or lets the workload with the name go on.
func (d *Daemon) resume(ctx context.Context, name string) error {
	id, _ := d.loop.FindHost(name)
	view, known := d.loop.ViewHost(id)
	if known && view.Plan.Hold != nil && view.Plan.Hold.Reason == change.OnHold {
		return d.loop.RetryHost(id)
	}
	return d.loop.ResumeWorkload(ctx, name)
}

// actOnHost performs an operator's act on the host that the path names: by name, or by id: and the id.
func (d *Daemon) actOnHost(what string, do func(context.Context, inventory.MachineID) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host := r.PathValue("host")
		d.performAct(w, r, what+host, func() error {
			id, known := d.loop.FindHost(host)
			if !known {
				return fmt.Errorf("there is no host %s: `ingot status` lists them", host)
			}
			return do(r.Context(), id)
		})
	}
}

// performAct does what an operator asks for. The act is in the audit log before it happens, and on the status branch
// afterwards.
func (d *Daemon) performAct(w http.ResponseWriter, r *http.Request, what string, do func() error) {
	caller, _ := control.CallerOf(r.Context()) // AllowOnly let only known callers in
	act := status.Act{At: time.Now().UTC().Truncate(time.Second), By: caller.String(), What: what}
	if err := d.audit.WriteAct(act); err != nil {
		http.Error(w, err.Error()+": nothing is done that is not in it", http.StatusInternalServerError)
		return
	}
	if err := do(); err != nil {
		d.log.Warn("an operator's call was refused", "by", act.By, "what", what, "error", err)
		act.What = "refused: " + what
		_ = d.audit.WriteAct(act) // the request itself is in the log already
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.log.Warn("operator", "by", act.By, "what", what)
	d.loop.RecordAct(act)
	d.loop.RefreshSource()
	w.WriteHeader(http.StatusNoContent)
}

// answerView answers with the whole state. Unlike a stream, the answer has a write deadline.
func (d *Daemon) answerView(w http.ResponseWriter, _ *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) // not every writer has deadlines
	writeJSON(w, d.currentView())
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the reader went away
}

func (d *Daemon) currentView() View {
	lv := d.loop.View()
	v := newFleetView(lv)
	for _, h := range lv.Hosts {
		v.Hosts = append(v.Hosts, newHostView(h))
	}
	return v
}

func newFleetView(lv reconcile.View) View {
	v := View{Commit: lv.Commit, Title: lv.Title, Refused: lv.Refused, Source: lv.Source, Publish: lv.Publish,
		Another: lv.Another, Daemon: lv.Fleet.Daemon,
		Frozen: lv.Fleet.Frozen, Paused: lv.Fleet.Paused, Rings: lv.Fleet.Rings, Runs: lv.Fleet.Runs, Commits: lv.Fleet.Commits,
		Acts: lv.Fleet.Acts}
	for _, finding := range lv.Findings {
		v.Findings = append(v.Findings, finding.String())
	}
	return v
}

func newHostView(h reconcile.HostView) HostView {
	v := HostView{Document: h.Document, Looked: h.Looked, Pushed: h.Pushed, Power: string(h.Observed.BMC.Power)}
	if v.Metadata.Name == "" {
		v.Metadata = status.NewMetadata(h.Name, h.ID, nil)
	}
	if i := h.Observed.Image; i.State == inventory.ImageFetching {
		v.Image = Progress{i.Done, i.Total}
	}
	if j := h.Observed.Agent.Job; j.State == inventory.JobRunning {
		v.Write, v.Step = Progress{int64(j.Done), int64(j.Total)}, j.Step
	}
	if h.Outcome.Result == act.Retry || h.Outcome.Result == act.Stalled {
		v.Trouble = h.Outcome.Why
	}
	if h.Plan.Action != nil {
		v.NextDo, v.NextWhy = h.Plan.Action.Kind, h.Plan.Action.Reason
	}
	if b := h.Observed.Record.Boot; b != nil {
		v.Enrolled = h.Observed.Agent.Boot == b.ID
	}
	return v
}
