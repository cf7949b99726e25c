// Package standing finds hosts of a fleet with a machine that is known under another id, so that no machine is ever two
// hosts. Call Settle for a whole fleet; a caller with changing records makes an Index with New, calls Move for every
// change, and Of for every look. Do not decide by names: only keys of the machine count. The package is pure.
package standing

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// key is one fact that tells machines apart, as kind and value in one spelling.
type key [2]string

// Kinds of keys.
const (
	serial = "serial"
	uuid   = "UUID"
	mac    = "MAC"
	system = "BMC system"
)

// Index knows the ids of machines. It is not safe for concurrent use.
type Index struct {
	known map[inventory.MachineID]knownMachine
	ids   map[key][]inventory.MachineID // sorted; nearly always one
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
	x := &Index{known: map[inventory.MachineID]knownMachine{}, ids: map[key][]inventory.MachineID{}}
	for id, record := range records {
		x.Move(record, fleet.Hosts[id])
	}
	return x
}

// Move updates what is known of a machine, and what the fleet asks of the machine. Others are records that the journal
// may have in place of the given one, as after a write without an answer: each of them counts for other hosts.
func (x *Index) Move(record inventory.Record, d inventory.Desired, others ...inventory.Record) {
	before, asked := x.known[record.ID], d.BMC != nil
	owns := !isOnlyShown(record) || asked && !recordedElsewhere(record, d)
	if before.facts == record.Facts && before.pin == record.BMC && before.epoch == record.Epoch &&
		before.declares.isOf(d) && before.declaresBMC == asked && before.owns == owns && len(before.records) <= 1 && len(others) == 0 {
		return // nearly always
	}
	now := knownMachine{facts: record.Facts, pin: record.BMC, seen: x.seenKeys(record), epoch: record.Epoch,
		declares: x.readDeclaration(d, record.ID), declaresBMC: asked, owns: owns}
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
	for _, k := range slices.Concat(before.records...) {
		x.removeID(k, record.ID)
	}
	for _, k := range slices.Concat(now.records...) {
		x.addID(k, record.ID)
	}
}

func (x *Index) addID(k key, id inventory.MachineID) {
	if at, there := slices.BinarySearch(x.ids[k], id); !there {
		x.ids[k] = slices.Insert(x.ids[k], at, id)
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
func (x *Index) readDeclaration(d inventory.Desired, id inventory.MachineID) declaration {
	if known, there := x.known[id]; there && known.declares.keys != nil && known.declares.isOf(d) {
		return known.declares
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
func (x *Index) seenKeys(record inventory.Record) []key {
	if k, there := x.known[record.ID]; there && k.facts == record.Facts && k.pin == record.BMC {
		return k.seen
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
	declared, recorded, seen := x.readDeclaration(d, record.ID).keys, x.seenKeys(record), lookKeys(look)
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
			if id == d.ID || best.KnownAs != "" && cmp.Compare(x.known[id].epoch, x.known[best.KnownAs].epoch) <= 0 {
				continue
			}
			if x.known[id].countsFor(k, against, record, recorded) {
				best.KnownAs, best.By = id, k[0]+" "+k.spellValue(d.Identity.Serial, look.BMC.System.Serial)
			}
		}
	}
	if best.KnownAs == "" {
		best.Shows = x.findShown(d.ID, x.seenKeys(record), seen, look.Record.Stranger)
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
			if id != own && slices.ContainsFunc(x.known[id].records, isTheirs) {
				return id
			}
		}
	}
	return ""
}

// pinnedKeys is the keys of an identity.
func pinnedKeys(p inventory.Pinned) (keys []key) {
	if p.BMC != nil {
		keys = addKey(addKey(keys, serial, inventory.SerialKey(p.BMC.Serial)), uuid, inventory.UUIDKey(p.BMC.UUID))
	}
	if p.SMBIOS != nil {
		keys = addKey(addKey(keys, serial, inventory.SerialKey(p.SMBIOS.Serial)), uuid, inventory.UUIDKey(p.SMBIOS.UUID))
	}
	for _, address := range p.MACs {
		keys = addKey(keys, mac, address)
	}
	return keys
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
func (m knownMachine) countsFor(k key, against []key, own inventory.Record, recorded []key) bool {
	return slices.ContainsFunc(m.records, func(keys []key) bool {
		return slices.Contains(keys, k) && !keysContradict(against, keys) &&
			(m.epoch > own.Epoch || !shareKey(recorded, keys))
	})
}

// isSoftwareMAC reports whether a key is a MAC that software chose: many machines may have the same. A declared MAC
// counts all the same.
func (k key) isSoftwareMAC() bool {
	if k[0] != mac {
		return false
	}
	_, fromMaker := inventory.MACKey(k[1])
	return !fromMaker
}

// spellValue is the key's value, a serial in the spelling of one of the given texts.
func (k key) spellValue(serials ...string) string {
	for _, text := range serials {
		if k[0] == serial && inventory.SerialKey(text) == k[1] {
			return strings.TrimSpace(text)
		}
	}
	return k[1]
}

func declaredKeys(d inventory.Desired) (keys []key) {
	keys = addKey(addKey(keys, serial, inventory.SerialKey(d.Identity.Serial)), uuid, inventory.UUIDKey(d.Identity.UUID))
	for _, address := range d.Identity.MACs {
		address, _ = inventory.MACKey(address)
		keys = addKey(keys, mac, address)
	}
	return addKey(keys, system, systemKey(d.BMC))
}

// recordedKeys is what BMC and agents showed of a recorded machine. The BMC's address is no part of the machine.
func recordedKeys(record inventory.Record) (keys []key) {
	if pin := record.BMC; pin != nil {
		keys = addKey(addKey(keys, serial, inventory.SerialKey(pin.Serial)), uuid, inventory.UUIDKey(pin.UUID))
	}
	return addFacts(keys, record.Facts)
}

// lookKeys is what a look shows: the BMC, and the agent of the record's boot.
func lookKeys(look inventory.Observed) (keys []key) {
	keys = addKey(addKey(keys, serial, inventory.SerialKey(look.BMC.System.Serial)), uuid,
		inventory.UUIDKey(look.BMC.System.UUID))
	if b := look.Record.Boot; b != nil && look.Agent.Boot == b.ID {
		keys = addFacts(keys, look.Agent.Facts)
	}
	return keys
}

func addFacts(keys []key, facts *inventory.Facts) []key {
	if facts == nil {
		return keys
	}
	keys = addKey(addKey(keys, serial, inventory.SerialKey(facts.System.Serial)), uuid,
		inventory.UUIDKey(facts.System.UUID))
	for _, nic := range facts.NICs {
		if address, _ := inventory.MACKey(nic.MAC); !nic.IsBMCLink() {
			keys = addKey(keys, mac, address)
		}
	}
	return keys
}

// addKey adds a key with a value, once.
func addKey(keys []key, kind, value string) []key {
	if value == "" || slices.Contains(keys, key{kind, value}) {
		return keys
	}
	return append(keys, key{kind, value})
}

func systemKey(bmc *schemas.BMC) string {
	if bmc == nil {
		return ""
	}
	service, path := bmc.SplitAddress()
	if service == "" {
		return ""
	}
	return service + path
}

// keysContradict reports whether two sets of keys are of different machines: both sets have serials, UUIDs, MACs of
// makers, or any MACs, and none in common. All nodes of a chassis may report the chassis serial.
func keysContradict(a, b []key) bool {
	isMakerMAC := func(k key) bool { return k[0] == mac && !k.isSoftwareMAC() }
	for _, isKind := range []func(key) bool{isSerial, isUUID, isMakerMAC, isMAC} {
		both, common := compareKeys(a, b, isKind)
		switch {
		case both && !common:
			return true
		case common && !isKind(key{serial}) && !isKind(key{uuid}):
			return false // a network card in common
		}
	}
	return false
}

func isSerial(k key) bool { return k[0] == serial }
func isUUID(k key) bool   { return k[0] == uuid }
func isMAC(k key) bool    { return k[0] == mac }

// compareKeys reports whether both sets have keys of a kind, and whether the sets share a key.
func compareKeys(a, b []key, isKind func(key) bool) (both, common bool) {
	for _, k := range a {
		if !isKind(k) {
			continue
		}
		for _, other := range b {
			both = both || isKind(other)
			common = common || k == other
		}
	}
	return both, common
}

func shareKey(a, b []key) bool {
	return slices.ContainsFunc(a, func(k key) bool { return slices.Contains(b, k) })
}
