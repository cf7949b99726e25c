package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Commits of the fleet that rolling writes about.
const (
	firstCommit  = "1111111111111111111111111111111111111111"
	secondCommit = "2222222222222222222222222222222222222222"
)

// rolling: commits an empty fleet and the status branch of another one in the middle of a rollout: a host of every phase that people ask about.
func rolling(ts *testscript.TestScript, _ bool, _ []string) {
	commit(ts, false, []string{"the fleet"})
	fleet, documents := halfway()
	files := map[string][]byte{status.FleetPath: fleet.Encode(), status.BoardPath: status.Board(fleet, documents)}
	for _, d := range documents {
		files[status.Path(d.Metadata.Host())] = d.Encode()
	}
	dir := filepath.Join(ts.Getenv("WORK"), ".status")
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, content, 0o644))
	}
	statusBranch(ts, dir)
	ts.Check(os.RemoveAll(dir))
}

// halfway is a fleet in the middle of a rollout.
func halfway() (status.Fleet, []status.Document) {
	documents := []status.Document{
		hostIn("canary-1", "canary", func(d *status.Document) { d.Phase, d.Installed = plan.Active, installedFrom(secondCommit, "D1") }),
		hostIn("canary-2", "canary", func(d *status.Document) {
			d.Phase, d.Error = plan.Failed, "install: coreos-installer: exit status 1: the script failed"
			d.LastOperation = &inventory.Operation{ID: "o2", Kind: inventory.Install, Stage: inventory.Ended, Workload: "web", Commit: secondCommit, Outcome: inventory.Quarantined}
			d.Conditions = []status.Condition{{Type: status.Installed, Status: "False", Since: "2026-01-02T03:04:05Z"}, {Type: status.Reachable, Status: "True", Since: "2026-01-01T00:00:00Z"}}
		}),
		hostIn("prod-1", "prod", func(d *status.Document) {
			d.Phase, d.Waits, d.Installed = plan.Held, "a person", installedFrom(firstCommit, "D3")
			d.Hold = &status.Hold{Reason: change.NeedsConsent, Message: "this would erase disk D3 (\x1b[31mour install of web\x1b[0m): it needs consent", Consent: []string{"D3/9f3ac41be7705d12"}}
		}),
		hostIn("prod-2", "prod", func(d *status.Document) {
			d.Phase, d.Waits, d.Installed = plan.Pending, "ring prod comes after ring canary, which has not completed v2", installedFrom(firstCommit, "D4")
		}),
		hostIn("spare-1", "", func(d *status.Document) {
			d.Phase, d.Waits, d.Due = plan.Installing, "the agent to write the image", "2026-01-02T04:04:05Z"
			d.Operation = &inventory.Operation{ID: "o5", Kind: inventory.Install, Stage: inventory.Working, Workload: "web", Commit: secondCommit, Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank}}}
		}),
	}
	fleet := status.NewFleet(status.Fleet{
		Commit: secondCommit, Title: "a newer image", Refused: "3333333333333333333333333333333333333333",
		Rings: []admit.Progress{
			{Name: "canary", Tag: "v2", Commit: secondCommit, Hosts: 2, Done: 1, Failed: []string{"canary-2"}, Paused: "canary-2 failed: release something that mends it, or see to the machine"},
			{Name: "prod", Tag: "v1", Commit: firstCommit, Hosts: 2, Held: []string{"prod-1"}, Waiting: 1},
		},
		Commits: []status.Commit{{Commit: secondCommit, Title: "a newer image"}, {Commit: firstCommit, Title: "first"}},
	}, []schemas.Finding{{Position: schemas.Position{File: "hosts/x.yaml", Line: 3, Col: 5}, Severity: schemas.Error, Message: "there is no such field here"}}, documents)
	return fleet, documents
}

// fakeDaemon: writes ingot.yaml, and answers on the control socket that it names with what rolling has on the status branch, then with an installation that
// goes on until the host is Active.
func fakeDaemon(ts *testscript.TestScript, _ bool, _ []string) {
	config := "fleet: {url: fleet.git}\nstateDir: state\nidentityDir: identity\nramdisk: r.iso\nlisten: {agents: '127.0.0.1:1', media: '127.0.0.1:2', socket: s.sock}\n" +
		"advertise: {agents: ['https://127.0.0.1:1'], media: 'http://127.0.0.1:2'}\n"
	ts.Check(os.WriteFile(ts.MkAbs("ingot.yaml"), []byte(config), 0o600))
	fleet, documents := halfway()
	view := daemon.View{Commit: fleet.Commit, Title: fleet.Title, Refused: fleet.Refused, Findings: fleet.Findings, Rings: fleet.Rings, Commits: fleet.Commits}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := []daemon.Event{{At: at, Fleet: &view}}
	for _, d := range documents {
		h := daemon.HostView{Document: d, Pushed: true}
		view.Hosts = append(view.Hosts, h)
		events = append(events, daemon.Event{At: at, Host: &h})
	}
	done := hostIn("spare-1", "", func(d *status.Document) { d.Phase, d.Installed = plan.Active, installedFrom(secondCommit, "D5") })
	events[0].Fleet = &daemon.View{Commit: fleet.Commit, Title: fleet.Title, Rings: fleet.Rings}
	events = append(events, daemon.Event{At: at, All: true}, daemon.Event{At: at, Name: "spare-1", Job: &wire.Progress{Done: 5e8, Total: 1e9}}, daemon.Event{At: at, Host: &daemon.HostView{Document: done, Pushed: true}})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/view", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(view) })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) {
		for _, e := range events {
			_ = json.NewEncoder(w).Encode(e)
		}
	})
	mux.HandleFunc("POST /v1/forget/id:prod-1", func(w http.ResponseWriter,
		_ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /v1/forget/spare-1", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w,
			"host spare-1 is not forgotten: operation op-1 may be writing: wait for its end, or ask for other inputs in the fleet", http.StatusBadRequest)
	})
	mux.HandleFunc("GET /v1/hosts/spare-1/story", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(daemon.HostHistory{Serial: consoles.Serial{State: consoles.Reads, Text: "It is read since 2026-01-02T03:04:05Z."}})
	})
	mux.HandleFunc("GET /v1/hosts/spare-1/why", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(whySpare(at))
	})
	mux.HandleFunc("GET /v1/hosts/spare-1/console", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "GNU GRUB\nspare-1 login:") })
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", ts.MkAbs("s.sock"))
	ts.Check(err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}}
	server.Start()
	ts.Defer(server.Close)
}

// whySpare is a machine whose firmware refuses the boot loader.
func whySpare(at time.Time) daemon.Why {
	return daemon.Why{
		Name: "spare-1", Phase: plan.Inspecting, From: daemon.FromDaemon,
		Answer: cause.Answer{Cause: "LoaderRefused", Why: "Secure Boot refuses the ramdisk's boot loader: \x1b[2JBdsDxe: Access Denied.", Do: "Enrol the CA."},
		Evidence: []cause.Evidence{{Of: cause.OfPower, At: at, Text: "the BMC says On"}, {Of: cause.OfMedium, At: at, Text: "shim: read (900000 bytes)"}, {Of: cause.OfMedium, Text: "GRUB: not read (1200000 bytes)"},
			{Of: cause.OfConsole, At: at, Text: "known text: BdsDxe: Access Denied"}},
	}
}

func hostIn(name, ring string, change func(*status.Document)) status.Document {
	d := status.Document{
		APIVersion: schemas.APIVersion, Kind: status.KindHostStatus, Metadata: status.Metadata{Name: name}, Commit: secondCommit, File: "hosts/" + name + ".yaml",
		Workload: "web", Ring: ring, Epoch: 1, Hardware: &inventory.Facts{
			Epoch: 1, System: inventory.System{Manufacturer: "Maker", Product: "M1", Serial: "SN-" + name},
			Disks: []inventory.Disk{{Name: "sda", Serial: "D-" + name, Size: 1 << 40, Content: inventory.Content{Signature: "aaaaaaaaaaaaaaaa", Summary: "gpt: root ext4"}}},
		},
	}
	change(&d)
	return d
}

func installedFrom(commit, disk string) *inventory.Installed {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &inventory.Installed{ID: "0123456789abcdef01234567", Workload: "web", Commit: commit, Disk: inventory.DiskID{Serial: disk}, At: at, PhoneHome: at}
}
