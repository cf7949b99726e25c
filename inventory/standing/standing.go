// Package standing finds hosts of a fleet with a machine that is known under another id, so that no machine is ever two
// hosts. Call Settle for a whole fleet; a caller with changing records makes an Index with New, calls Move for every
// change, and Of for every look. Do not decide by names: only keys of the machine count. The package is pure.
package standing

import (
	"cmp"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Index knows the ids of machines. It is not safe for concurrent use.
type Index struct {
	known map[inventory.MachineID]*knownMachine // never changed in place
	ids   map[key][]inventory.MachineID         // sorted; nearly always one
}

// knownMachine is what the record of an id says of a machine. Facts and pins are never changed in place: the same
// pointer means the same facts.
type knownMachine struct {
	facts       *inventory.Facts
	pin         *inventory.BMCIdentity
	seen        []key   // keys that BMC and agents showed
	records     [][]key // of each record that may count: its keys, with the key of the BMC's address
	epoch       inventory.Epoch
	declares    declaration
	declaresBMC bool // the fleet declares the BMC's address
	owns        bool // the record keeps its machine from other hosts
}

// declaration is what the fleet says of a machine, with the keys of it.
type declaration struct {
	address  string
	identity schemas.Identity
	keys     []key
}

// isOf reports whether the declaration is a host's.
func (c declaration) isOf(d inventory.Desired) bool {
	return (d.BMC == nil && c.address == "" || d.BMC != nil && d.BMC.Address == c.address) &&
		d.Identity.Serial == c.identity.Serial && d.Identity.UUID == c.identity.UUID &&
		slices.Equal(d.Identity.MACs, c.identity.MACs)
}

// New indexes records.
func New(fleet inventory.Fleet, records map[inventory.MachineID]inventory.Record) *Index {
	x := NewEmpty(len(records))
	for id, record := range records {
		x.Move(record, fleet.Hosts[id])
	}
	return x
}

// keysOfMachine is about how many keys a machine has: BMC's address, serial, UUID, MACs.
const keysOfMachine = 4

// NewEmpty makes an Index without records, with room for some.
func NewEmpty(room int) *Index {
	return &Index{known: make(map[inventory.MachineID]*knownMachine, room),
		ids: make(map[key][]inventory.MachineID, keysOfMachine*room)}
}

// Move updates what is known of a machine, and what the fleet asks of the machine. Others are records that the journal
// may have in place of the given one, as after a write without an answer: each of them counts for other hosts.
func (x *Index) Move(record inventory.Record, d inventory.Desired, others ...inventory.Record) {
	before, asked := x.find(record.ID), d.BMC != nil
	owns := !isOnlyShown(record) || asked && !recordedElsewhere(record, d)
	if before.facts == record.Facts && before.pin == record.BMC && before.epoch == record.Epoch &&
		before.declares.isOf(d) && before.declaresBMC == asked && before.owns == owns && len(before.records) <= 1 && len(others) == 0 {
		return // nearly always
	}
	now := &knownMachine{facts: record.Facts, pin: record.BMC, seen: before.seenKeys(record), epoch: record.Epoch,
		declares: before.readDeclaration(d), declaresBMC: asked, owns: owns}
	if owns {
		now.records = [][]key{withAddress(now.seen, record.BMC, asked)}
	}
	for _, other := range others {
		now.records = append(now.records, withAddress(recordedKeys(other), other.BMC, asked))
	}
	x.known[record.ID] = now
	if slices.EqualFunc(before.records, now.records, slices.Equal) {
		return
	}
	for _, keys := range before.records {
		for _, k := range keys {
			x.removeID(k, record.ID)
		}
	}
	for _, keys := range now.records {
		for _, k := range keys {
			x.addID(k, record.ID)
		}
	}
}

// find gives what is known of an id; empty for an unknown id.
func (x *Index) find(id inventory.MachineID) *knownMachine {
	if known := x.known[id]; known != nil {
		return known
	}
	return &knownMachine{}
}

func (x *Index) addID(k key, id inventory.MachineID) {
	ids := x.ids[k]
	if at, there := slices.BinarySearch(ids, id); !there {
		x.ids[k] = slices.Insert(ids, at, id)
	}
}

func (x *Index) removeID(k key, id inventory.MachineID) {
	at, there := slices.BinarySearch(x.ids[k], id)
	switch {
	case !there:
	case len(x.ids[k]) == 1:
		delete(x.ids, k)
	default:
		x.ids[k] = slices.Delete(x.ids[k], at, at+1)
	}
}

// readDeclaration is what the fleet says of a machine, from the Index where it says the same as before.
func (m *knownMachine) readDeclaration(d inventory.Desired) declaration {
	if m.declares.keys != nil && m.declares.isOf(d) {
		return m.declares
	}
	c := declaration{identity: d.Identity, keys: slices.Clip(declaredKeys(d))}
	if d.BMC != nil {
		c.address = d.BMC.Address
	}
	return c
}

// withAddress is the keys of a record with the one of its BMC's address, which tells nothing where the fleet declares
// an address.
func withAddress(keys []key, pin *inventory.BMCIdentity, declared bool) []key {
	if pin == nil || declared {
		return keys
	}
	return addKey(slices.Clip(keys), system, systemKey(&schemas.BMC{Address: pin.Address}))
}

// seenKeys is recordedKeys, from the Index where the record is unchanged.
func (m *knownMachine) seenKeys(record inventory.Record) []key {
	if m.facts == record.Facts && m.pin == record.BMC && (m.facts != nil || m.pin != nil) {
		return m.seen
	}
	return recordedKeys(record)
}

// Of says whether the machine of a host is known under another id. Keys of the current look count too, unless they
// contradict the expected keys: then the BMC shows a stranger, and the planner says so; the Standing has the id under
// which the stranger is known. A serial, UUID or MAC that the
// file declares or the look saw, and that the host's own record lacks, is compared without that record: the record may
// be of another machine.
//
// Another record counts when it shares a serial, UUID, MAC or BMC system with the host, and contradicts no key:
//
//	the host's own record                    the machine is known under the other id
//	is of another machine                    yes
//	is of the machine, and has fewer boots   yes: the other record is newer
//	is of the machine                        no
func (x *Index) Of(d inventory.Desired, record inventory.Record, look inventory.Observed) inventory.Standing {
	known := x.find(record.ID)
	declared, recorded := known.readDeclaration(d).keys, known.seenKeys(record)
	if x.hasNoOther(d.ID, declared, recorded) && x.showsNoOther(d.ID, record, look) {
		return inventory.Standing{} // nearly always: no other id has a key that could count below
	}
	return x.compare(d, record, look)
}

// hasNoOther reports whether no other id has one of the keys.
func (x *Index) hasNoOther(id inventory.MachineID, sets ...[]key) bool {
	for _, keys := range sets {
		for _, k := range keys {
			if ids := x.ids[k]; len(ids) > 1 || len(ids) == 1 && ids[0] != id {
				return false
			}
		}
	}
	return true
}

// showsNoOther reports whether no other id has a key that a look's BMC shows, beyond the keys of the record. False
// where the look has more than the BMC's word.
func (x *Index) showsNoOther(id inventory.MachineID, record inventory.Record, look inventory.Observed) bool {
	if look.Record.Stranger != nil || agentFacts(look) != nil {
		return false
	}
	shown, recorded := look.BMC.System, inventory.BMCIdentity{}
	if record.BMC != nil {
		recorded = *record.BMC
	}
	var keys []key
	if shown.Serial != recorded.Serial {
		keys = addKey(keys, serial, inventory.SerialKey(shown.Serial))
	}
	if shown.UUID != recorded.UUID {
		keys = addKey(keys, uuid, inventory.UUIDKey(shown.UUID))
	}
	return x.hasNoOther(id, keys)
}

// compare is Of by all keys.
func (x *Index) compare(d inventory.Desired, record inventory.Record, look inventory.Observed) inventory.Standing {
	known := x.find(record.ID)
	declared, recorded, seen := known.readDeclaration(d).keys, known.seenKeys(record), lookKeys(look)
	all := recorded
	if record.DescribesOtherMachine(d.Identity) != "" || recordedElsewhere(record, d) || isOnlyShown(record) {
		recorded = nil
	}
	expected, current := slices.Concat(declared, recorded), declared
	if !keysContradict(expected, seen) {
		expected, current = append(expected, seen...), slices.Concat(declared, seen)
	}
	var best inventory.Standing
	for i, k := range expected {
		ids := x.ids[k]
		if len(ids) == 0 || len(ids) == 1 && ids[0] == d.ID || i >= len(declared) && k.isSoftwareMAC() {
			continue
		}
		against := expected
		if k[0] != system && !slices.Contains(recorded, k) {
			against = current
		}
		for _, id := range ids {
			if id == d.ID || best.KnownAs != "" && cmp.Compare(x.find(id).epoch, x.find(best.KnownAs).epoch) <= 0 {
				continue
			}
			if x.find(id).countsFor(k, against, record, recorded) {
				best.KnownAs, best.By = id, k[0]+" "+k.spellValue(d.Identity.Serial, look.BMC.System.Serial)
			}
		}
	}
	if best.KnownAs == "" {
		best.Shows = x.findShown(d.ID, all, seen, look.Record.Stranger)
	}
	return best
}

// findShown finds the other id under which a machine is known that the look, or an agent before, saw, by a key that the
// host's own record lacks; "" when there is no other id.
func (x *Index) findShown(own inventory.MachineID, recorded, seen []key, before *inventory.Stranger) inventory.MachineID {
	if before != nil {
		seen = slices.Concat(seen, pinnedKeys(before.Pinned))
	}
	for _, k := range seen {
		if slices.Contains(recorded, k) || k.isSoftwareMAC() {
			continue
		}
		for _, id := range x.ids[k] {
			isTheirs := func(keys []key) bool { return slices.Contains(keys, k) && !keysContradict(seen, keys) }
			if id != own && slices.ContainsFunc(x.find(id).records, isTheirs) {
				return id
			}
		}
	}
	return ""
}

// isOnlyShown reports whether a record has nothing of a machine but what its BMC showed at a look. The machine is the
// host's as long as no other host has it, and the fleet leads the host to the BMC of that look.
func isOnlyShown(record inventory.Record) bool { return record.Untouched() && record.Epoch == 0 }

// recordedElsewhere reports whether a record knows its machine only by another BMC address than the fleet's. Nothing
// more was found out there, and the planner drops such a record.
func recordedElsewhere(record inventory.Record, d inventory.Desired) bool {
	return record.Facts == nil && record.BMC != nil && d.BMC != nil && record.BMC.Address != d.BMC.Address
}

// countsFor reports whether a machine's record with a key, and not the host's own, counts for a host's machine.
func (m *knownMachine) countsFor(k key, against []key, own inventory.Record, recorded []key) bool {
	return slices.ContainsFunc(m.records, func(keys []key) bool {
		return slices.Contains(keys, k) && !keysContradict(against, keys) &&
			(m.epoch > own.Epoch || !shareKey(recorded, keys))
	})
}
