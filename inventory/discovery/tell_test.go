package discovery_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

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
