package repairs

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/reconcile/view"
)

// compareDoor finds what machines at the door ask for: of hosts whose mark a disk there bears. Hosts that are asked about
// for the first time, or not any more, are looked at in this pass.
func (k *Keeper) compareDoor(hosts []view.HostView) {
	byGUID := map[string][]discovery.ID{}
	for id, m := range k.marks {
		for _, guid := range m.guids {
			byGUID[guid] = append(byGUID[guid], id)
		}
	}
	found := map[inventory.MachineID]*repair.Repair{}
	for _, host := range hosts {
		installed := host.Observed.Record.Installed
		if installed == nil || installed.Mark == "" || host.Orphaned {
			continue
		}
		for _, id := range slices.Sorted(slices.Values(byGUID[installed.Mark])) {
			r, err := k.records.Get(id)
			if err != nil || r.Facts == nil {
				continue
			}
			machine := repair.AtDoor{Identity: r.Identity, Addresses: r.Addresses, Disks: r.Facts.Disks}
			if asked := repair.LookAtDoor(host.Desired, host.Observed, machine); asked != nil && found[host.ID] == nil {
				found[host.ID] = asked
			}
		}
	}
	k.door = found
	k.all = k.all.Add(-allEvery) // a look at every host follows
}

func hasSecondAgent(r discovery.Record) bool {
	return slices.ContainsFunc(r.Conflicts, func(c discovery.Conflict) bool { return c.Kind == discovery.SecondAgent })
}

// listGUIDs are the GUIDs of the valid partition tables of disks.
func listGUIDs(disks []inventory.Disk) (guids []string) {
	for _, disk := range disks {
		if t := disk.Table; t != nil && t.Kind == inventory.TableGPT && t.Valid && t.GUID != "" {
			guids = append(guids, t.GUID)
		}
	}
	return guids
}
