// Package standing says which hosts of a fleet have a machine that is known under another id, so that no machine is ever two hosts. The daemon's loop keeps an
// Index as its records change; the plan of a pull request makes one with New. Pure.
package standing

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// key is one thing that tells a machine from others, in its one spelling: the kind and the value.
type key [2]string

// Kinds of keys.
const (
	serial = "serial"
	uuid   = "UUID"
	mac    = "MAC"
	system = "BMC system"
)

// Index is under which ids machines are known. It is not safe for concurrent use.
type Index struct {
	known map[inventory.MachineID]known
	ids   map[key]map[inventory.MachineID]bool
}

// known is what the record of an id says of its machine. Facts and pins are never changed in place: the same ones say the same.
type known struct {
	facts *inventory.Facts
	pin   *inventory.BMCIdentity
	seen  []key // what they show
	keys  []key // with where its BMC is
	epoch inventory.Epoch
	asked bool // the fleet says where its BMC is
}

// New indexes what is known.
func New(fleet inventory.Fleet, records map[inventory.MachineID]inventory.Record) *Index {
	x := &Index{known: map[inventory.MachineID]known{}, ids: map[key]map[inventory.MachineID]bool{}}
	for id, record := range records {
		x.Move(record, fleet.Hosts[id])
	}
	return x
}

// Move says what is known of a machine now, and what the fleet asks of it.
func (x *Index) Move(record inventory.Record, d inventory.Desired) {
	before, asked := x.known[record.ID], d.BMC != nil
	if before.facts == record.Facts && before.pin == record.BMC && before.epoch == record.Epoch && before.asked == asked {
		return // nearly always
	}
	now := known{facts: record.Facts, pin: record.BMC, seen: x.seen(record), epoch: record.Epoch, asked: asked}
	now.keys = now.seen
	if pin := record.BMC; pin != nil && !asked {
		now.keys = add(slices.Clip(now.keys), system, systemOf(&schemas.BMC{Address: pin.Address}))
	}
	x.known[record.ID] = now
	if slices.Equal(before.keys, now.keys) {
		return
	}
	for _, k := range before.keys {
		if delete(x.ids[k], record.ID); len(x.ids[k]) == 0 {
			delete(x.ids, k)
		}
	}
	for _, k := range now.keys {
		if x.ids[k] == nil {
			x.ids[k] = map[inventory.MachineID]bool{}
		}
		x.ids[k][record.ID] = true
	}
}

// seen is seenOf, as far as it is known already.
func (x *Index) seen(record inventory.Record) []key {
	if k, there := x.known[record.ID]; there && k.facts == record.Facts && k.pin == record.BMC {
		return k.seen
	}
	return seenOf(record)
}

// Of says whether the machine of a host is known under another id. What a look sees counts too, unless that contradicts what is expected: then the BMC speaks
// for a stranger, which the planner says. A serial, UUID or MAC that is declared or seen, and not in the host's own record,
// speaks for itself: the host's record may well be of another machine.
//
//	the host's own record          is known under another id when another record shares a serial, UUID, MAC or BMC system, and contradicts nothing
//	is not of that machine         yes
//	is of it, and has fewer boots  yes: what is known under the other id is newer
//	is of it                       no
func (x *Index) Of(d inventory.Desired, record inventory.Record, look inventory.Observed) inventory.Standing {
	declared, own, seen := declaredOf(d), x.seen(record), lookOf(look)
	if record.OfAnother(d.Identity) != "" || movedOn(record, d) {
		own = nil
	}
	expected, there := slices.Concat(declared, own), declared
	if !contradict(expected, seen) {
		expected, there = append(expected, seen...), slices.Concat(declared, seen)
	}
	var best inventory.Standing
	for i, k := range expected {
		ids := x.ids[k]
		if len(ids) == 0 || len(ids) == 1 && ids[d.ID] || i >= len(declared) && k.local() {
			continue
		}
		against := expected
		if k[0] != system && !slices.Contains(own, k) {
			against = there
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			if id == d.ID || best.KnownAs != "" && cmp.Compare(x.known[id].epoch, x.known[best.KnownAs].epoch) <= 0 {
				continue
			}
			if other := x.known[id]; !contradict(against, other.keys) && other.owns(record, own) {
				best = inventory.Standing{KnownAs: id, By: k[0] + " " + k.spelled(d.Identity.Serial, look.BMC.System.Serial)}
			}
		}
	}
	return best
}

// movedOn reports whether all that is known of a machine is what another BMC address showed: nothing was found out about it there, and the planner forgets that.
func movedOn(record inventory.Record, d inventory.Desired) bool {
	return record.Facts == nil && record.BMC != nil && d.BMC != nil && record.BMC.Address != d.BMC.Address
}

// Settle gives a fleet whose hosts say who their machines are known as.
func Settle(fleet inventory.Fleet, records map[inventory.MachineID]inventory.Record) inventory.Fleet {
	x, hosts := New(fleet, records), make(map[inventory.MachineID]inventory.Desired, len(fleet.Hosts))
	for id, d := range fleet.Hosts {
		record := records[id]
		record.ID = id
		d.Standing = x.Of(d, record, inventory.Observed{})
		hosts[id] = d
	}
	fleet.Hosts = hosts
	return fleet
}

// owns reports whether the other record is the one that counts for a machine, and not the host's own.
func (k known) owns(record inventory.Record, own []key) bool {
	if !share(own, k.keys) {
		return true
	}
	return k.epoch > record.Epoch
}

// local reports whether a key is a MAC that software chose: many machines may have the same one. One that a host declares counts.
func (k key) local() bool {
	_, given := inventory.MACKey(k[1])
	return k[0] == mac && !given
}

// spelled is the key's value, a serial as one of some texts writes it.
func (k key) spelled(serials ...string) string {
	for _, text := range serials {
		if k[0] == serial && inventory.SerialKey(text) == k[1] {
			return strings.TrimSpace(text)
		}
	}
	return k[1]
}

func declaredOf(d inventory.Desired) (keys []key) {
	keys = add(keys, serial, inventory.SerialKey(d.Identity.Serial))
	for _, address := range d.Identity.MACs {
		address, _ = inventory.MACKey(address)
		keys = add(keys, mac, address)
	}
	return add(keys, system, systemOf(d.BMC))
}

// seenOf is what the BMC and the agents showed of a recorded machine. Where the BMC is, is not part of the machine.
func seenOf(record inventory.Record) (keys []key) {
	if pin := record.BMC; pin != nil {
		keys = add(add(keys, serial, inventory.SerialKey(pin.Serial)), uuid, inventory.UUIDKey(pin.UUID))
	}
	return addFacts(keys, record.Facts)
}

// lookOf is what a look shows: the BMC, and the agent of the record's boot.
func lookOf(look inventory.Observed) (keys []key) {
	keys = add(add(keys, serial, inventory.SerialKey(look.BMC.System.Serial)), uuid, inventory.UUIDKey(look.BMC.System.UUID))
	if b := look.Record.Boot; b != nil && look.Agent.Boot == b.ID {
		keys = addFacts(keys, look.Agent.Facts)
	}
	return keys
}

func addFacts(keys []key, facts *inventory.Facts) []key {
	if facts == nil {
		return keys
	}
	keys = add(add(keys, serial, inventory.SerialKey(facts.System.Serial)), uuid, inventory.UUIDKey(facts.System.UUID))
	for _, nic := range facts.NICs {
		if address, _ := inventory.MACKey(nic.MAC); !nic.ToBMC() {
			keys = add(keys, mac, address)
		}
	}
	return keys
}

// add adds a key that says something, once.
func add(keys []key, kind, value string) []key {
	if value == "" || slices.Contains(keys, key{kind, value}) {
		return keys
	}
	return append(keys, key{kind, value})
}

func systemOf(bmc *schemas.BMC) string {
	if bmc == nil {
		return ""
	}
	service, path := bmc.System()
	if service == "" {
		return ""
	}
	return service + path
}

// contradict reports whether two sets of keys are of different machines: both have serials, UUIDs, MACs that makers gave, or MACs at all, and not one of them in
// common. Nodes of a chassis may all report its serial.
func contradict(a, b []key) bool {
	given := func(k key) bool { return k[0] == mac && !k.local() }
	for _, which := range []func(key) bool{isSerial, isUUID, given, isMAC} {
		both, common := compare(a, b, which)
		switch {
		case both && !common:
			return true
		case common && !which(key{serial}) && !which(key{uuid}):
			return false // a card in common
		}
	}
	return false
}

func isSerial(k key) bool { return k[0] == serial }
func isUUID(k key) bool   { return k[0] == uuid }
func isMAC(k key) bool    { return k[0] == mac }

// compare reports whether both sets have keys of a kind, and one in common.
func compare(a, b []key, which func(key) bool) (both, common bool) {
	for _, k := range a {
		if !which(k) {
			continue
		}
		for _, other := range b {
			both = both || which(other)
			common = common || k == other
		}
	}
	return both, common
}

func share(a, b []key) bool {
	return slices.ContainsFunc(a, func(k key) bool { return slices.Contains(b, k) })
}
