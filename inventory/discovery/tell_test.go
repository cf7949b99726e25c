package discovery_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// proved has the record's agent proved, and the host's boot opened for it.
func proved(r *discovery.Record, h *discovery.Host) {
	r.Proof = discovery.Proof{Kind: discovery.ByAccount, Agent: r.Agent.Key, System: h.Desired.BMC.Address}
	h.Record.Boot, h.Hold = &inventory.Boot{Agent: r.Agent.Key}, ""
}

// TestProvenAgent: the proof counts for the agent that waits now, at the BMC that the host has.
func TestProvenAgent(t *testing.T) {
	t.Parallel()
	const system = "https://10.0.0.13"
	r := record("aaaaaaaaaaaa", machine("SNA", uuidA))
	r.LastWord = start
	if got := r.ProvenAgent(system, start); got != "" {
		t.Errorf("without a proof: %q", got)
	}
	r.Proof = discovery.Proof{Kind: discovery.ByAccount, Agent: r.Agent.Key, System: system}
	for about, got := range map[string]string{
		"at another BMC":  r.ProvenAgent("https://10.0.0.14", start),
		"at no BMC":       r.ProvenAgent("", start),
		"silent for long": r.ProvenAgent(system, start.Add(discovery.LiveFor+1)),
	} {
		if got != "" {
			t.Errorf("%s: %q", about, got)
		}
	}
	if got := r.ProvenAgent(system, start.Add(discovery.LiveFor)); got != r.Agent.Key || got == "" {
		t.Errorf("proved: %q, the agent is %q", got, r.Agent.Key)
	}
	if id, is := discovery.RecordOf(r.ID.Machine()); id != r.ID || !is {
		t.Errorf("RecordOf() = %s, %t", id, is)
	}
	for _, other := range []inventory.MachineID{"", "web-1", "m-", "m-xyz", "m-aaaaaaaaaaaaa"} {
		if id, is := discovery.RecordOf(other); is {
			t.Errorf("RecordOf(%q) = %s", other, id)
		}
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	if discovery.FoundRunning != string(change.FoundRunning) {
		t.Fatalf("the hold is called %s", change.FoundRunning)
	}
	for name, test := range map[string]struct {
		change func(*discovery.Record, *discovery.Host)
		want   discovery.Told
	}{
		"found running":           {func(*discovery.Record, *discovery.Host) {}, discovery.ToPowerOff},
		"not merged":              {func(_ *discovery.Record, h *discovery.Host) { *h = discovery.Host{} }, discovery.ToWait},
		"the host of another":     {func(_ *discovery.Record, h *discovery.Host) { h.Desired.ID = "m-bbbbbbbbbbbb" }, discovery.ToWait},
		"found off":               {func(_ *discovery.Record, h *discovery.Host) { h.Hold = "" }, discovery.ToWait},
		"held for another reason": {func(_ *discovery.Record, h *discovery.Host) { h.Hold = string(change.IdentityMismatch) }, discovery.ToWait},
		"protected":               {func(_ *discovery.Record, h *discovery.Host) { h.Desired.Protect = true }, discovery.ToWait},
		"not managed":             {func(_ *discovery.Record, h *discovery.Host) { h.Desired.Lifecycle = schemas.Unmanaged }, discovery.ToWait},
		"no BMC":                  {func(_ *discovery.Record, h *discovery.Host) { h.Desired.BMC = nil }, discovery.ToWait},
		"being booted":            {func(_ *discovery.Record, h *discovery.Host) { h.Record.Boot = &inventory.Boot{} }, discovery.ToWait},
		"installed":               {func(_ *discovery.Record, h *discovery.Host) { h.Record.Installed = &inventory.Installed{} }, discovery.ToWait},
		"the boot is the agent's": {proved, discovery.ToTakeBoot},
		"proved, and looked at before the proof": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Record.Boot, h.Hold = nil, discovery.FoundRunning
		}, discovery.ToBeLookedAt},
		"proved, and did not come before": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Record.Boot, h.Record.Epoch, h.Hold = nil, 1, discovery.FoundRunning
		}, discovery.ToPowerOff},
		"the boot is another agent's": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Record.Boot.Agent = "B"
		}, discovery.ToWait},
		"the boot has a medium": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Record.Boot.Agent = ""
		}, discovery.ToWait},
		"the proof is of the agent before": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			r.Proof.Agent = "B"
		}, discovery.ToWait},
		"the proof is at another BMC": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Desired.BMC.Address = "https://10.0.0.14"
		}, discovery.ToWait},
		"the proved machine is protected since": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			h.Desired.Protect = true
		}, discovery.ToWait},
		"two agents, one proved": {func(r *discovery.Record, h *discovery.Host) {
			proved(r, h)
			r.Rival = &discovery.Agent{Key: "B"}
		}, discovery.ToWait},
		"in conflict": {func(r *discovery.Record, _ *discovery.Host) {
			r.Conflicts = []discovery.Conflict{{Kind: discovery.SecondAgent}}
		}, discovery.ToWait},
		"two agents": {func(r *discovery.Record, _ *discovery.Host) { r.Rival = &discovery.Agent{Key: "B"} }, discovery.ToWait},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record("aaaaaaaaaaaa", machine("SNA", uuidA))
			h := discovery.Host{Desired: inventory.Desired{ID: r.ID.Machine(), BMC: &schemas.BMC{Address: "https://10.0.0.13"},
				Lifecycle: schemas.Managed}, Hold: discovery.FoundRunning}
			test.change(&r, &h)
			if got := discovery.Tell(r, h); got != test.want {
				t.Errorf("Tell() = %s, want %s", got, test.want)
			}
		})
	}
}
