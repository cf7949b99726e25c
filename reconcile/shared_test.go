package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

func TestADiskThatTwoMachinesSeeIsNotWritten(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		for name, desired := range w.fleet.Hosts {
			w.machines[name].volume = "volume-1"
			desired.RootDisk = &schemas.DiskHints{Serial: "volume-1"}
			w.fleet.Hosts[name] = desired
		}
		d := w.daemon(t, reconcile.Limits{Installs: 1}) // one after the other: the first to look sees nobody else's report
		after(time.Hour)
		var held []inventory.MachineID
		for _, h := range d.View().Hosts {
			if h.Plan.Phase == plan.Held && h.Plan.Hold.Reason == change.DiskShared && strings.Contains(h.Plan.Hold.Message, "is seen by host") {
				held = append(held, h.Observed.Record.ID)
			}
		}
		d.end(t)
		installs := 0
		for _, m := range w.machines {
			installs += m.installs
		}
		if len(held) != 1 || installs != 1 {
			t.Errorf("held: %v, installs: %d; want the second machine held, and no second install", held, installs)
		}
		if record := w.records[held[0]].Record; record.Facts == nil || record.Operation != nil || record.Installed != nil {
			t.Errorf("the held machine's record is %+v, want facts and no operation", record)
		}
	})
}

// TestNodesOfOneChassisAreTwoMachines: they report the chassis' serial, and one disk.
func TestNodesOfOneChassisAreTwoMachines(t *testing.T) {
	for name, tell := range map[string]func(first, second *machine){
		"by their UUIDs": func(first, second *machine) {
			first.uuid, second.uuid = "4c4c4544-0035-5810-8032-b1c04f4a4d33", "4c4c4544-0035-5810-8032-b1c04f4a4d34"
		},
		"by their network cards": func(first, second *machine) { first.mac, second.mac = "04:32:01:aa:bb:c0", "04:32:01:aa:bb:c1" },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				for name, desired := range w.fleet.Hosts {
					w.machines[name].volume, w.machines[name].serial = "volume-1", "CHASSIS"
					desired.RootDisk, desired.Identity = &schemas.DiskHints{Serial: "volume-1"}, schemas.Identity{}
					w.fleet.Hosts[name] = desired
				}
				first, second := w.machines["host-0000"], w.machines["host-0001"]
				tell(first, second)
				d := w.daemon(t, reconcile.Limits{Installs: 1})
				after(time.Hour)
				phases := d.phases()
				d.end(t)
				if installs := first.installs + second.installs; installs != 1 || phases[plan.Held] != 1 || phases[plan.Active] != 1 {
					t.Errorf("installs: %d, phases: %v; want one install, and the other machine held", installs, phases)
				}
			})
		})
	}
}

// TestADiskOfAMachineWhoseRecordCannotBeReadIsNotWritten: of such a machine its page still says which disks it sees.
func TestADiskOfAMachineWhoseRecordCannotBeReadIsNotWritten(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		other := desired("host-0001")
		other.RootDisk, w.machines["host-0001"].volume = &schemas.DiskHints{Serial: "volume-1"}, "volume-1"
		w.fleet.Hosts["host-0001"] = other
		facts := &inventory.Facts{Disks: []inventory.Disk{{Name: "vda", Serial: "volume-1", Size: 1 << 34}}}
		known := inventory.Observed{Record: inventory.Record{ID: polled, Facts: facts}}
		page := status.Summarize(status.Document{}, status.Result{
			Desired: new(desired(polled)), Observed: &known, Plan: &plan.Plan{Phase: plan.Active},
		})
		w.branch[status.Path(polled)] = page.Encode()
		w.records[polled] = journal.Entry{Record: inventory.Record{ID: polled, Unreadable: "newer"}, Revision: 7}
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost("host-0001")
		d.end(t)
		if h.Plan.Hold == nil || h.Plan.Hold.Reason != change.DiskShared || w.machines["host-0001"].installs > 0 {
			t.Errorf("the other machine is %+v after %d installs", h.Plan, w.machines["host-0001"].installs)
		}
	})
}
