package daemon_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/profiles"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// shaped is a simulated machine behind the BMC of a profile.
type shaped struct {
	profiles.Profile
	machine lab.Machine
	server  *replay.Server
}

// shape puts a profile's BMC in front of each machine of the rack, and into the fleet.
func (w *world) shape(t *testing.T, all []profiles.Profile) (machines map[string]shaped) {
	t.Helper()
	machines = map[string]shaped{}
	for i, p := range all {
		m := w.rack.Description().Machines[i]
		server, err := p.NewServer(profiles.Identity{Serial: m.Serial, UUID: fmt.Sprintf("4c4c4544-0000-4000-8000-%012x", i+1), MAC: m.MAC},
			replay.Options{Username: m.Username, Password: secret.New(m.Password), Machine: w.rack.Sim(m.Name)})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := ports.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := server.Serve(ctx, listener); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(func() { stop(); serving.Wait() })
		pin, err := server.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		file := "hosts/" + m.Name + ".yaml"
		w.edit(t, file, m.Address, "https://"+listener.Addr().String()+"/redfish/v1/Systems/1")
		w.edit(t, file, m.Fingerprint, pin)
		if p.Declares != "" {
			w.edit(t, file, m.Serial, p.Declares)
		}
		machines[m.Name] = shaped{p, m, server}
	}
	w.push(t, "the BMCs of the profiles")
	return machines
}

// TestEveryProfileIsInstalled has a daemon take simulated machines behind the BMCs of all profiles from a commit to the
// phone call: check, inspect, boot, install. Where a profile says that no install is possible, the machine is left off
// with the reason.
func TestEveryProfileIsInstalled(t *testing.T) {
	t.Parallel()
	all, err := profiles.All()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, len(all))
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", fmt.Sprintf("publishEvery: 50ms\nlimits: {installs: %d}", len(all)))
	w.edit(t, "../ingot.yaml", "listen:\n", "listen:\n  mediaTLS: 127.0.0.1:"+port+"\n")
	w.edit(t, "../ingot.yaml", "advertise:\n", "advertise:\n  mediaTLS: https://127.0.0.1:"+port+"\n")
	w.edit(t, "../ingot.yaml", "publishEvery:", "deadlines: {start: 1s, medium: 30s}\npublishEvery:")
	machines := w.shape(t, all)
	for name, m := range machines {
		if m.Boots > 1 {
			w.rack.Sim(name).HangAt(&sim.Hang{Once: true}) // the first boot uses a Once up and reads nothing
		}
	}
	w.start(t)
	w.await(t, len(all), "Active, or refused for the profile's reason", func(h daemon.HostView) bool {
		m := machines[h.Metadata.Name]
		if m.installs() {
			return active(h)
		}
		return h.Phase == plan.Waiting && h.Hold != nil && h.Hold.Reason == change.BMCRefused && strings.Contains(h.Hold.Message, m.Error)
	})
	for name, m := range machines {
		t.Run(m.Name, func(t *testing.T) {
			if !m.installs() {
				m.isOff(t)
				return
			}
			counts := w.rack.Sim(name).Counts()
			if counts.Installs != 1 || counts.Begun != 1 {
				t.Errorf("%d installs, %d begun, want one", counts.Installs, counts.Begun)
			}
			m.fewRequests(t)
			m.endsClean(t)
		})
	}
}

// installs reports whether the daemon can install the machine: its media are served over HTTP and HTTPS.
func (m shaped) installs() bool { return m.Error == "" || m.HTTPS }

// isOff checks that a machine that cannot be installed was not started.
func (m shaped) isOff(t *testing.T) {
	t.Helper()
	for _, line := range m.server.Log().Story() {
		if strings.HasPrefix(line, "start") {
			t.Errorf("it was started:\n%s", strings.Join(m.server.Log().Story(), "\n"))
		}
	}
}

// fewRequests counts the requests of the whole install. The readings of a wait are counted apart: those while the machine
// was on, and each reading of a path that was read twice since the last write, once by a look and once by its effect.
// How many looks a wait for the journal or the status branch takes depends on how busy this machine is; the readings of
// one look and its effect are counted exactly in boot/redfish.
func (m shaped) fewRequests(t *testing.T) {
	t.Helper()
	counted, waits := 0, 0
	read := map[string]int{} // by path, since the last write
	var lines []string
	for _, r := range m.server.Requests() {
		lines = append(lines, fmt.Sprintf("%t %s %s", r.On, r.Method, r.Path))
		if r.Method != http.MethodGet {
			clear(read)
			counted++
			continue
		}
		if read[r.Path]++; r.On || read[r.Path] > 2 {
			waits++
		} else {
			counted++
		}
	}
	t.Logf("%d requests, and %d readings of waits", counted, waits)
	if most := max(m.Requests, profiles.MostRequests); counted > most {
		t.Errorf("%d requests, want at most %d:\n%s", counted, most, strings.Join(lines, "\n"))
	}
}

// endsClean checks that the drives are empty and that the firmware follows its own order.
func (m shaped) endsClean(t *testing.T) {
	t.Helper()
	story := m.server.Log().Story()
	if !slices.Contains(story, "start cd") || !slices.Contains(story, "start disk") {
		t.Errorf("it was not started from the medium, then from the disk:\n%s", strings.Join(story, "\n"))
	}
	if counts := m.server.Log().Counts(); counts.CDStarts != max(m.Boots, 1) || counts.Ejects < counts.Inserts {
		t.Errorf("%d starts from the medium, %d media inserted, %d ejected:\n%s", counts.CDStarts, counts.Inserts, counts.Ejects,
			strings.Join(story, "\n"))
	}
	c, err := redfish.Open(redfish.Config{Address: m.server.URL(), Username: m.machine.Username, Password: secret.New(m.machine.Password),
		TLS: redfish.TLS{FirstUse: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	report, err := c.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if over := report.System.Override; over.Target == "Cd" && over.Enabled != "Disabled" {
		t.Errorf("the override still names the medium: %+v", over)
	}
}
