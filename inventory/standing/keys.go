package standing

import (
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
	return addFacts(keys, agentFacts(look))
}

// agentFacts are what the agent of the record's boot reports; nil without a report.
func agentFacts(look inventory.Observed) *inventory.Facts {
	if b := look.Record.Boot; b != nil && look.Agent.Boot == b.ID {
		return look.Agent.Facts
	}
	return nil
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
