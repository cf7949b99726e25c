package reconcile_test

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// inJournal gives the journal's records. The caller holds the lock.
func (o *owned) inJournal() map[inventory.MachineID]inventory.Record {
	records := map[inventory.MachineID]inventory.Record{}
	for id, e := range o.records {
		records[id] = e.Record
	}
	return records
}

// onPages gives the records of the status pages. The caller holds the lock.
func (o *owned) onPages() map[inventory.MachineID]inventory.Record {
	records := map[inventory.MachineID]inventory.Record{}
	for file, page := range o.branch {
		if document, err := status.Page(file, page); err == nil && status.IsHost(file) {
			records[status.IDOf(file)] = document.Record()
		}
	}
	return records
}

// reported is what tells the machine of a record, as its agent reported it.
func reported(r inventory.Record) (keys []string) {
	if r.Facts == nil {
		return nil
	}
	system := r.Facts.System
	keys = []string{"serial " + inventory.SerialKey(system.Serial), "UUID " + inventory.UUIDKey(system.UUID)}
	for _, nic := range r.Facts.NICs {
		address, _ := inventory.MACKey(nic.MAC)
		keys = append(keys, "MAC "+address)
	}
	return slices.DeleteFunc(keys, func(k string) bool { return k[len(k)-1] == ' ' })
}

// shown is what tells the machine of a record, as its BMC showed it. The system's address tells a machine of which
// nothing else is known, unless the fleet says that this host's machine is elsewhere. The caller holds the lock.
func (o *owned) shown(r inventory.Record) (keys []string) {
	if r.BMC == nil {
		return nil
	}
	d, asked := o.fleet.Hosts[r.ID]
	if isLed := asked && d.BMC.Address == r.BMC.Address; isOnlyShown(r) && !isLed {
		return nil
	}
	keys = []string{"serial " + inventory.SerialKey(r.BMC.Serial), "UUID " + inventory.UUIDKey(r.BMC.UUID)}
	keys = slices.DeleteFunc(keys, func(k string) bool { return k[len(k)-1] == ' ' })
	if here := !asked || d.BMC.Address == r.BMC.Address; here && len(keys) == 0 && r.Facts == nil {
		keys = append(keys, "system "+r.BMC.Address)
	}
	return keys
}

// judge says which machines are owned by two ids: as reported in the journal and on the pages together, and as shown in
// the journal. A page lags behind, and what was only shown is forgotten when the fleet gives the id to another machine.
// A host that was only shown a machine, and has never booted it, owns the machine as long as no other host does: that
// host is held. The caller holds the lock.
func (o *owned) judge(when string, journal, pages map[inventory.MachineID]inventory.Record) {
	owners, shown := map[string][]inventory.MachineID{}, map[string][]inventory.MachineID{}
	own := func(owners map[string][]inventory.MachineID, id inventory.MachineID, keys []string) {
		for _, k := range keys {
			if !slices.Contains(owners[k], id) {
				owners[k] = append(owners[k], id)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(journal)) {
		own(owners, id, reported(journal[id]))
		if isOnlyShown(journal[id]) {
			own(shown, id, o.shown(journal[id]))
		} else {
			own(owners, id, o.shown(journal[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(pages)) {
		own(owners, id, reported(pages[id]))
	}
	for key, ids := range shown {
		if len(owners[key]) == 0 {
			owners[key] = ids
		}
	}
	for key, ids := range owners {
		if len(ids) > 1 {
			o.blame("%s: the machine with %s is owned by %v", when, key, ids)
		}
	}
}

// remember says which machines were forgotten, or are another host's since, and keeps whose they are. The caller holds
// the lock.
func (o *owned) remember(when string) {
	now := map[string]inventory.MachineID{}
	for id, record := range o.inJournal() {
		for _, key := range reported(record) {
			now[key] = id
		}
	}
	for key, id := range o.owners {
		if now[key] != id {
			o.blame("%s: the machine with %s, which was %s, is owned by %q", when, key, id, now[key])
		}
	}
	maps.Copy(o.owners, now)
}
