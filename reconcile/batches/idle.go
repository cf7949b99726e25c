package batches

import (
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Order says what the Workloads want of a machine. Call it once for each look at the machine: Idle names the machine
// again only when the answer changes.
func (v *View) Order(id inventory.MachineID, now time.Time) runs.Order {
	o := v.order(string(id), now)
	if o.Next == nil {
		delete(v.told, string(id))
	} else {
		v.told[string(id)] = *o.Next
	}
	return o
}

// Idle gives the claimed machines whose next run the last Order did not name, at most as many as may boot. A machine that
// was told, and cannot begin yet, is looked at when that look said.
func (v *View) Idle(now time.Time) (ids []inventory.MachineID) {
	v.choose(now)
	if v.quiet {
		return nil
	}
	left := v.fleet.Boots - v.booting()
	if left <= 0 {
		return nil
	}
	due := v.withItems()
	for _, id := range slices.Sorted(maps.Keys(v.holder)) {
		if len(ids) >= left {
			break
		}
		m := v.machines[id]
		_, reserved := v.reserved[id]
		if !due[v.holder[id]] || reserved || m.Record.Run != nil {
			continue
		}
		told, known := v.told[id]
		if next := v.orderIdle(id, m).Next; next != nil && (!known || *next != told) {
			ids = append(ids, inventory.MachineID(id))
		}
	}
	v.quiet = len(ids) == 0
	return ids
}

// withItems are the Workloads with an item that is due and that no machine works on.
func (v *View) withItems() map[string]bool {
	due := map[string]bool{}
	for name := range v.choices {
		if b := v.states[name].Batch; b != nil && !b.IsOver() {
			running := v.running(name, b.ID)
			t := b.Tally(running)
			due[name] = t.Waiting > 0 && len(running)+t.Succeeded < b.Completions
		}
	}
	return due
}
