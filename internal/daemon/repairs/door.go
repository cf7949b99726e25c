package repairs

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/reconcile/view"
)

// compareDoor finds what machines at the door ask for: of hosts whose mark a disk there bears, and of hosts without a BMC
// that a machine there is in conflict with. Hosts that are asked about for the first time, or not any more, are looked at
// in this pass.
func (k *Keeper) compareDoor(hosts []view.HostView) {
	byGUID, byHost := map[string][]discovery.ID{}, map[inventory.MachineID][]discovery.ID{}
	for id, m := range k.marks {
		for _, guid := range m.guids {
			byGUID[guid] = append(byGUID[guid], id)
		}
		for _, host := range m.hosts {
			byHost[host] = append(byHost[host], id)
		}
	}
	found := map[inventory.MachineID]*repair.Repair{}
	for _, host := range hosts {
		installed := host.Observed.Record.Installed
		var at []discovery.ID
		switch {
		case host.Orphaned:
			continue
		case host.Desired.BMC == nil:
			at = byHost[host.ID]
		case installed != nil && installed.Mark != "":
			at = byGUID[installed.Mark]
		}
		for _, id := range slices.Sorted(slices.Values(at)) {
			r, err := k.records.Get(id)
			if err != nil || r.Facts == nil {
				continue
			}
			machine := repair.AtDoor{Identity: r.Identity, Addresses: r.Addresses, Disks: r.Facts.Disks}
			if asked := repair.LookAtDoor(host.Desired, host.Observed, machine); asked != nil {
				found[host.ID] = repair.Join(found[host.ID], asked)
			}
		}
	}
	k.door = found
	k.all = k.all.Add(-allEvery) // a look at every host follows
}

// listKnown are the hosts of the fleet that a record is in conflict with, sorted.
func listKnown(r discovery.Record) (hosts []inventory.MachineID) {
	for _, c := range r.Conflicts {
		if c.Kind == discovery.KnownMachine && !slices.Contains(hosts, c.Host) {
			hosts = append(hosts, c.Host)
		}
	}
	slices.Sort(hosts)
	return hosts
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
