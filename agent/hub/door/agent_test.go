package door_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/hub/door"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/schemas"
)

// machine is the hardware of an agent. Do and PowerOff are not for waiting agents.
type machine struct {
	facts wire.Facts
	off   chan struct{}
}

func (m machine) Facts(context.Context) (wire.Facts, error) {
	return m.facts, errors.New("LLDP: one collector fails")
}

func (m machine) Do(context.Context, wire.Step, agent.Session) (*wire.BootEntry, error) {
	return nil, errors.New("no step is known")
}

func (m machine) CarryAccount(_ context.Context, order wire.AccountOrder) wire.AccountReport {
	return wire.AccountReport{ID: order.ID, Problem: wire.AccountNoBMC}
}

func (m machine) PowerOff(context.Context) error {
	m.off <- struct{}{}
	return nil
}

// startAgent runs a real agent from a discovery medium until the test ends.
func (r *rig) startAgent(m machine) {
	r.t.Helper()
	r.startAgentAt(m, time.Now)
}

// startAgentAt is startAgent with the agent's own clock.
func (r *rig) startAgentAt(m machine, now func() time.Time) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	boot := door.BootConfig(r.identity, pallet, []string{r.server.URL}, time.Now())
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler), Now: now,
			KeyFile: filepath.Join(r.t.TempDir(), "agent.key")})
	}()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Errorf("the agent ended with %v", err)
		}
	})
}

// await waits for a record that is as wanted.
func (r *rig) await(what string, wanted func(discovery.Record) bool) discovery.Record {
	r.t.Helper()
	deadline := time.After(time.Minute)
	for {
		list := r.records.List()
		if i := slices.IndexFunc(list, wanted); i >= 0 {
			return list[i]
		}
		select {
		case <-r.changed:
		case <-deadline:
			r.t.Fatalf("no record with %s; records are %+v", what, list)
		}
	}
}

// TestAnAgentRegistersAndWaits runs a real agent: its record has its facts and the failure of a collector.
func TestAnAgentRegistersAndWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startAgent(machine{facts: wire.Facts{System: wire.System{Serial: "SN1", UUID: uuidOf("SN1")}}})
	record := r.await("a registration", func(discovery.Record) bool { return true })
	full, err := r.records.Get(record.ID)
	if err != nil || full.Facts.System.Serial != "SN1" || !slices.Contains(full.Facts.Errors, "LLDP: one collector fails") {
		t.Errorf("the record is %+v, %v", full, err)
	}
	report, err := r.records.ReadInventory(record.ID)
	if err != nil || len(report) == 0 {
		t.Errorf("the inventory is %q, %v", report, err)
	}
	r.change(func() { r.now = noon.Add(time.Minute) })
	r.await("a word of the waiting agent", func(found discovery.Record) bool { return found.LastWord.After(noon) })
}

// TestAnAgentIsPoweredOff: the word comes over the agent's own session.
func TestAnAgentIsPoweredOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := machine{facts: wire.Facts{System: wire.System{Serial: "SN1", UUID: uuidOf("SN1")}}, off: make(chan struct{}, 8)}
	r.change(func() { r.answer = wire.Waited{PowerOff: true} })
	r.startAgent(m)
	select {
	case <-m.off:
	case <-time.After(time.Minute):
		t.Fatal("the agent was told to power off, and did not")
	}
}

// TestAnAgentBecomesTheHosts: an agent that is given a boot enrols in it, reports its hardware and asks for work.
func TestAnAgentBecomesTheHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startAgent(machine{facts: wire.Facts{System: wire.System{Serial: "SN1", UUID: uuidOf("SN1")}}})
	record := r.await("a registration", func(discovery.Record) bool { return true })
	host := string(record.ID.Machine())
	if err := r.hub.Expect(t.Context(), host, "b1", 1, record.Agent.Key); err != nil {
		t.Fatal(err)
	}
	r.change(func() {
		r.answer = wire.Waited{Boot: &wire.TakenOver{Host: host, Boot: "b1", Epoch: 1, Token: r.hub.BootToken(host, "b1", 1).Reveal()}}
	})
	deadline := time.After(time.Minute)
	for {
		state, err := r.hub.State(t.Context(), host)
		if err == nil && state.Facts != nil && state.Facts.System.Serial == "SN1" && !state.Quiet {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("the agent is %+v, %v", state, err)
		}
	}
}

// TestAnAgentWhoseBootWasClosedWaitsAgain: an agent that is given a boot which is closed before it enrols goes back to waiting,
// and takes the next boot.
func TestAnAgentWhoseBootWasClosedWaitsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var clock atomic.Int64 // minutes
	r.startAgentAt(machine{facts: wire.Facts{System: wire.System{Serial: "SN1", UUID: uuidOf("SN1")}}},
		func() time.Time { return noon.Add(time.Duration(clock.Add(1)) * time.Minute) })
	record := r.await("a registration", func(discovery.Record) bool { return true })
	host := string(record.ID.Machine())
	closed, next := wire.Waited{Boot: &wire.TakenOver{Host: host, Boot: "b1", Epoch: 1, Token: r.hub.BootToken(host, "b1", 1).Reveal()}},
		wire.Waited{Boot: &wire.TakenOver{Host: host, Boot: "b2", Epoch: 2, Token: r.hub.BootToken(host, "b2", 2).Reveal()}}
	r.change(func() { r.answer = closed })
	r.change(func() { r.now = noon.Add(time.Hour) })
	r.await("another registration", func(found discovery.Record) bool { return found.LastWord.After(noon) })
	if err := r.hub.Expect(t.Context(), host, "b2", 2, record.Agent.Key); err != nil {
		t.Fatal(err)
	}
	r.change(func() { r.answer = next })
	deadline := time.After(2 * time.Minute)
	for {
		if state, err := r.hub.State(t.Context(), host); err == nil && state.Boot == "b2" && state.Facts != nil {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatal("the agent did not enrol in the next boot")
		}
	}
}

// TestAnAgentRegistersOnceTheFleetHasItsKey: an agent without an answer asks on.
func TestAnAgentRegistersOnceTheFleetHasItsKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.change(func() { r.blind = true })
	r.startAgent(machine{facts: wire.Facts{System: wire.System{Serial: "SN1", UUID: uuidOf("SN1")}}})
	r.change(func() { r.blind, r.keys = false, []schemas.EnrolmentKey{pallet} })
	r.await("a registration", func(discovery.Record) bool { return true })
}
