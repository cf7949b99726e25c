package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
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
			if h.Plan.Phase == plan.Held && h.Plan.Hold.Reason == plan.DiskShared && strings.Contains(h.Plan.Hold.Message, "is seen by host") {
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
