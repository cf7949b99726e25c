package accounts_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/hub/door"
	ipmiaccount "github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/lab/leaks"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
)

// stranger is the machine of a world, as its agent sees it.
type stranger struct{ *world }

func (s stranger) Facts(context.Context) (wire.Facts, error) {
	return wire.Facts{System: wire.System{Serial: "LAB0009", UUID: "6d3b0d7e-0000-4000-8000-000000000009"}, Memory: 1 << 30,
		BMC: &wire.BMC{Networks: []wire.BMCNetwork{{Channel: 8, Addresses: s.read().Addresses}}}}, nil
}

func (stranger) Do(context.Context, wire.Step, agent.Session) (*wire.BootEntry, error) {
	return nil, errors.New("a waiting agent was given a step")
}
func (stranger) PowerOff(context.Context) error { return nil }
func (s stranger) CarryAccount(ctx context.Context, order wire.AccountOrder) wire.AccountReport {
	return ipmiaccount.Carry(ctx, kcs{s.bmc.InBand()}, order)
}

// log is what everybody logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// site is a daemon's door with its records and its runner, in a directory.
type site struct {
	dir      string
	identity *hub.Identity
	records  *records.Store
	runner   *accounts.Runner
	verified chan discovery.ID
	log      *log
}

// openSite opens the door's parts for a world.
func openSite(t *testing.T, w *world) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), verified: make(chan discovery.ID, 1), log: &log{}}
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.identity, err = hub.CreateIdentity(filepath.Join(s.dir, "identity")); err != nil {
		t.Fatal(err)
	}
	s.records, err = records.Open(records.Config{Dir: filepath.Join(s.dir, "discovery"), Inventories: filepath.Join(s.dir, "inventory"),
		Log: logger, Notify: func(id discovery.ID) { s.runner.Wake(id) }})
	if err != nil {
		t.Fatal(err)
	}
	s.runner = accounts.Open(accounts.Config{Records: s.records, Branch: w, Sealer: w, BMC: w.service, Random: rand.Reader, Log: logger, Mask: w.masked.Mask,
		MayAct: func() error { return nil },
		Asked: func(r discovery.Record) bool {
			if r.Account.Holds() {
				select {
				case s.verified <- r.ID:
				default:
				}
			}
			return true
		}})
	return s
}

// serve serves the door, and runs the runner and an agent from a discovery medium, until the context ends.
func (s *site) serve(t *testing.T, ctx context.Context, w *world) (wait func()) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	key := schemas.EnrolmentKey{ID: "pallet", Until: time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)}
	d := door.New(door.Config{Identity: s.identity, Records: s.records, Log: logger,
		Keys:  func() ([]schemas.EnrolmentKey, bool) { return []schemas.EnrolmentKey{key}, true },
		Known: discovery.NewKnown, Account: s.runner.Answer})
	server := httptest.NewUnstartedServer(d.Before(http.NotFoundHandler()))
	var err error
	if server.TLS, err = s.identity.ServerTLS([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	var running sync.WaitGroup
	running.Go(func() { _ = s.runner.Run(ctx) })
	running.Go(func() {
		boot := door.BootConfig(s.identity, key, []string{server.URL}, time.Now())
		_ = agent.Run(ctx, agent.Config{Boot: boot, Machine: stranger{w}, Log: logger})
	})
	return func() { running.Wait(); server.Close() }
}

// TestAMachineAtTheDoorGetsAnAccount: the real agent registers over TLS, waits, and makes the account that the daemon then
// proves. Nothing but the answer to that agent has the password: no log, no file of the daemon, no argument, no environment.
func TestAMachineAtTheDoorGetsAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bmc.Faults{}, inband.Faults{RefuseLong: true})
	w.now = time.Now()
	s := openSite(t, w)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	wait := s.serve(t, ctx, w)
	var id discovery.ID
	select {
	case id = <-s.verified:
	case <-ctx.Done():
	}
	cancel()
	wait()
	record, err := s.records.Get(id)
	if err != nil || record.ProvenBy(record.Account.System) != discovery.ByAccount || record.Account.Form != account.Short {
		t.Fatalf("%+v, %v; log:\n%s", record, err, s.log.text.String())
	}
	password, err := w.Open(t.Context(), w.branch)
	if err != nil || !w.bmc.Login(record.Account.Name, password) {
		t.Fatalf("the branch's password does not work: %v", err)
	}
	for _, line := range w.bmc.Log().Story() {
		if !strings.HasPrefix(line, "in-band") {
			t.Errorf("the BMC was told: %s", line)
		}
	}
	places := s.places(t)
	places["the branch"] = []byte(w.branch)
	if leaks.Find(places["the log"], record.Account.Name) == "" {
		t.Error("the search finds nothing, not even the account's name")
	}
	for _, drawn := range w.drawn() {
		for place, data := range places {
			if how := leaks.Find(data, drawn); how != "" {
				t.Errorf("%s has a password, %s", place, how)
			}
		}
	}
}

// places are where a password could be found.
func (s *site) places(t *testing.T) map[string][]byte {
	t.Helper()
	places, err := leaks.ReadProcesses()
	if err != nil {
		t.Fatal(err)
	}
	files, err := leaks.ReadFiles(s.dir)
	if err != nil || len(places) < 2 || len(files) < 4 {
		t.Fatalf("%d places of processes and %d files are searched: %v", len(places), len(files), err)
	}
	maps.Copy(places, files)
	places["the log"] = s.log.text.Bytes()
	return places
}

// drawn are the passwords that were sealed.
func (w *world) drawn() (list []string) {
	for _, document := range w.sealedAll {
		if password, err := w.Open(w.t.Context(), document); err == nil {
			list = append(list, password.Reveal())
		}
	}
	if len(list) < 2 { // the BMC refused the first form
		w.t.Errorf("%d passwords were made, want 2 at least", len(list))
	}
	return list
}
