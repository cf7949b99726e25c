package plan_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// TestAnotherSpellingOfTheButaneFile changes nothing but comments of the Butane file, which changes the inputs: nothing is
// written, also where an earlier ingot installed the system and kept no digest of the config. Another config is a change.
func TestAnotherSpellingOfTheButaneFile(t *testing.T) {
	t.Parallel()
	spelled := func(inputs, config string) *inventory.Workload {
		w := workload(inputs, schemas.Reinstall)
		w.Config, w.Parts = config, map[string]string{"butane": inputs, "image": "i"}
		return w
	}
	for name, earlier := range map[string]bool{"installed by this ingot": false, "installed by an earlier one": true} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.desired.Workload, m.desired.Reinstallable = spelled("aaaaaaaaaaaaaaaa", "c1"), true
		m.settle(t)
		if m.record.Installed == nil || m.record.Installed.Config != "c1" {
			t.Fatalf("record = %+v, want an install with its config", m.record)
		}
		disk := m.disk
		if earlier {
			m.record.Installed.Config = ""
			m.settle(t)
			if m.record.Installed.Config != "c1" {
				t.Fatalf("record = %+v, want the config recorded", m.record)
			}
		}
		boots := m.boots
		m.commit(func(d *inventory.Desired) { d.Workload = spelled("bbbbbbbbbbbbbbbb", "c1") })
		m.settle(t)
		if p := m.look(nowhere); p.Phase != plan.Active || m.disk != disk || m.boots != boots {
			t.Errorf("%s: %+v, disk %s after %d effects, want nothing done", name, p, m.disk, m.boots-boots)
		}
		m.commit(func(d *inventory.Desired) { d.Workload = spelled("cccccccccccccccc", "c2") })
		m.settle(t)
		if m.record.Installed == nil || m.record.Installed.Config != "c2" || m.disk == disk {
			t.Errorf("%s: record = %+v, want the other config installed", name, m.record)
		}
	}
}
