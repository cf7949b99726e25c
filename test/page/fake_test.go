//go:build e2e

package page_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/internal/daemon/timeline"
	"github.com/gitmetal/ingot/internal/page"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// script is a daemon that tells what a test has it tell.
type script struct {
	url    string
	mu     sync.Mutex
	story  daemon.HostHistory // mu guards it once it is told
	fleet  daemon.View
	hosts  []daemon.HostView
	events chan daemon.Event
	away   chan struct{} // closed when it ends
	end    func()
}

// tells changes the serial console.
func (s *script) tells(serial consoles.Serial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story.Serial = serial
}

// serve begins to tell.
func (s *script) serve(t *testing.T) *script {
	t.Helper()
	s.events, s.away = make(chan daemon.Event), make(chan struct{})
	api := http.NewServeMux()
	api.HandleFunc("GET /v1/events", s.stream)
	api.HandleFunc("GET /v1/hosts/{host}/story", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.story)
	})
	server := httptest.NewServer(page.NewHandler(api))
	s.end = sync.OnceFunc(func() {
		close(s.away)
		server.Close()
	})
	t.Cleanup(s.end)
	s.url = server.URL + "/"
	return s
}

func (s *script) stream(w http.ResponseWriter, r *http.Request) {
	encoder := json.NewEncoder(w)
	_ = encoder.Encode(daemon.Event{Fleet: &s.fleet}) // the browser went away
	for i := range s.hosts {
		_ = encoder.Encode(daemon.Event{Host: &s.hosts[i]})
	}
	_ = encoder.Encode(daemon.Event{All: true})
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case e := <-s.events:
			_ = encoder.Encode(e)
		case <-r.Context().Done():
			return
		case <-s.away:
			return
		}
	}
}

func hostIn(phase plan.Phase, name string) daemon.HostView {
	d := status.Document{Metadata: status.Metadata{Name: name, Labels: map[string]string{"rack": "r1"}}, Phase: phase, Commit: second, File: "hosts/" + name + ".yaml", Workload: "web"}
	if phase == plan.Active || phase == plan.Held {
		d.Installed = &inventory.Installed{ID: "o", Workload: "web", Commit: first, Disk: inventory.DiskID{WWN: "5000c500a1b2c3d4"}, At: noon, PhoneHome: noon}
	}
	return daemon.HostView{Document: d, Power: "On"}
}

const (
	first  = "1111111111111111111111111111111111111111"
	second = "2222222222222222222222222222222222222222"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// serialConsole is one that is read, with long lines.
func serialConsole() consoles.Serial {
	s := consoles.Serial{State: consoles.Reads, Text: "It is read since 2026-01-02T12:00:00Z.", Lines: []string{"[2026-01-02T12:00:00Z] ingot: read from here on: what came before is not known", "GNU GRUB  version 2.06", "  Booting `Fedora CoreOS 41 (ostree:0)'"}}
	for i := range 60 {
		s.Lines = append(s.Lines, fmt.Sprintf("[%11.6f] systemd[1]: Started sshd-keygen@ed25519.service - OpenSSH ed25519 Server Key Generation and a line that is long.", float64(i)/7))
	}
	s.Lines = append(s.Lines, "", "web-03 login:")
	return s
}

// rollout is a fleet in which much goes on.
func rolling() *script {
	held := hostIn(plan.Held, "web-03")
	held.Hold = &status.Hold{Reason: change.NeedsConsent, Message: "this would erase disk 5000c500a1b2c3d4 (our install of web from commit 1111111111): it needs consent; and two must sign tag v2, which jo alone signed",
		Consent: []string{"5000c500a1b2c3d4/9f3ac41be7705d12"}, Countersign: change.Countersign("v2")}
	held.Ring = "prod"
	failed := hostIn(plan.Failed, "canary-2")
	failed.Error, failed.Ring = "install: coreos-installer: exit status 1: couldn't write /dev/sda: Input/output error: replace the disk, or release something else", "canary"
	failed.LastOperation = &inventory.Operation{Kind: inventory.Install, Commit: second, Outcome: inventory.Quarantined}
	installing := hostIn(plan.Installing, "web-04")
	installing.Operation, installing.Write, installing.NextWhy = &inventory.Operation{Commit: second}, daemon.Progress{Done: 700e6, Total: 1600e6}, "the agent writes the image"
	pending := hostIn(plan.Pending, "web-05")
	pending.Waits, pending.Ring = "ring prod comes after ring canary, which has not completed v2", "prod"
	hosts := []daemon.HostView{held, failed, installing, pending}
	for i := range 40 {
		hosts = append(hosts, hostIn(plan.Active, fmt.Sprintf("db-%02d", i+1)))
	}
	steps := []timeline.Step{}
	for i, phase := range []plan.Phase{plan.Waiting, plan.Inspecting, plan.Installing, plan.Starting, plan.Active, plan.Held} {
		steps = append(steps, timeline.Step{At: noon.Add(time.Duration(i) * time.Minute), Phase: string(phase), Text: "this is what it did then, in a sentence of some length: 5000c500a1b2c3d4"})
	}
	return &script{
		hosts: hosts, story: daemon.HostHistory{
			Timeline: timeline.Timeline{Steps: steps, Console: []string{"Read disk 1.0 GiB/1.6 GiB (62%)", "Install complete."}}, Serial: serialConsole()},
		fleet: daemon.View{
			Commit: second, Title: "web: a newer image", Refused: "3333333333333333333333333333333333333333", Findings: []string{`hosts/x.yaml:3:5: error: there is no field "wrokload" here: did you mean workload?`},
			Acts:    []status.Act{{At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), By: "jo (uid 1000)", What: "re-pinned tag v2"}},
			Commits: []status.Commit{{Commit: second, Title: "web: a newer image"}, {Commit: first, Title: "first"}},
			Rings: []admit.Progress{
				{Name: "canary", Tag: "v2", Commit: second, Hosts: 2, Done: 1, Failed: []string{"canary-2"}, Paused: "canary-2 failed: release something that mends it, or see to the machine"},
				{Name: "prod", Tag: "v1", Commit: first, Hosts: 42, Done: 40, Held: []string{"web-03"}, Waiting: 1},
			},
		},
	}
}
