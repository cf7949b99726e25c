package reconcile_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// TestPinsArePublished: what the BMC shows of a machine is on its page after the first look, even though nothing is done
// to the machine, and what the agent reports after its look.
func TestPinsArePublished(t *testing.T) {
	const uuid, card = "4c4c4544-0035-5810-8032-b1c04f4a4d33", "04:32:01:aa:bb:c0"
	bmc := &inventory.BMCIdentity{Address: "https://10.0.0.1/redfish/v1/Systems/host-0000", Serial: serial("host-0000")}
	for name, test := range map[string]struct {
		power inventory.PowerState
		want  inventory.Pinned
	}{
		"found running": {inventory.PoweredOn, inventory.Pinned{BMC: bmc}},
		"installed": {inventory.PoweredOff, inventory.Pinned{BMC: bmc,
			SMBIOS: &inventory.SMBIOSIdentity{Serial: serial("host-0000"), UUID: uuid}, MACs: []string{card}}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				m := w.machines["host-0000"]
				m.power, m.uuid, m.mac = test.power, uuid, card
				d := w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				d.end(t)
				page, err := status.Parse(w.branch[status.Path("host-0000")])
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, page.Pinned); diff != "" {
					t.Errorf("pins on the page (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestSwappedBladesAreTakenOverByNobody: each of two machines in service is behind the other one's BMC. Neither host gets
// the machine of the other, whatever a takeover says; once the blades are back, nothing has changed.
func TestSwappedBladesAreTakenOverByNobody(t *testing.T) {
	for name, declares := range map[string]func(d *inventory.Desired){
		"named by serials":      func(*inventory.Desired) {},
		"named by their BMCs":   func(d *inventory.Desired) { d.Identity = schemas.Identity{} },
		"a takeover of the set": func(d *inventory.Desired) { d.Identity, d.Consent.Takeover = schemas.Identity{}, "set" },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				d := w.daemon(t, reconcile.Limits{})
				after(time.Hour)
				a, b := w.machines["host-0000"], w.machines["host-0001"]
				swap := func() { a.serial, b.serial = b.serial, a.serial }
				swap()
				hosts := []inventory.Desired{desired("host-0000"), desired("host-0001")}
				for i := range hosts {
					declares(&hosts[i])
					shown := inventory.BMCState{System: inventory.System{Serial: w.machines[hosts[i].ID].serial}}
					if hosts[i].Consent.Takeover != "" {
						hosts[i].Consent.Takeover = w.records[hosts[i].ID].Record.TakeoverConsent(
							shown.ShownIdentity(hosts[i].BMC.Address))
					}
				}
				w.commit("2", hosts...)
				d.RefreshSource()
				after(3 * time.Hour)
				for _, id := range []inventory.MachineID{"host-0000", "host-0001"} {
					h, _ := d.ViewHost(id)
					if hold := h.Plan.Hold; hold == nil || hold.Reason != change.IdentityMismatch || hold.Takeover != "" {
						t.Errorf("%s: %s, hold %+v, want it held, and no takeover offered", id, h.Plan.Phase, hold)
					}
				}
				swap()
				after(time.Hour)
				phases := d.phases()
				d.end(t)
				if phases[plan.Active] != 2 || a.installs != 1 || b.installs != 1 || a.boots != 1 || b.boots != 1 {
					t.Errorf("phases %v, installs %d and %d, boots %d and %d; want both Active as before", phases,
						a.installs, b.installs, a.boots, b.boots)
				}
			})
		})
	}
}
