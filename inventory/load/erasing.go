package load

import (
	"maps"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// EraseRules are the settings about erasing in a daemon's configuration; the fleet cannot change them.
type EraseRules struct {
	Reinstall  schemas.Scope // the hosts where spec.update: Reinstall stands for consent
	TwoSigners bool          // an erase needs two signers, counted on the tag of the host's ring
	// Counted are the signatures that a daemon counted, by ring; they count for the same tag objects. A caller with keys
	// has counted already, and passes none.
	Counted map[string]inventory.Signatures
}

// ApplyEraseRules gives a fleet under a daemon's rules. The given fleet stays as it is.
func ApplyEraseRules(fleet inventory.Fleet, rules EraseRules) inventory.Fleet {
	fleet.Reinstall, fleet.TwoSigners = rules.Reinstall, rules.TwoSigners
	if rules.TwoSigners {
		fleet.Rings = countSignatures(fleet.Rings, rules.Counted)
	}
	hosts := make(map[inventory.MachineID]inventory.Desired, len(fleet.Hosts))
	for id, d := range fleet.Hosts {
		d.Reinstallable = rules.Reinstall.SelectsHost(string(id), d.Labels)
		if rules.TwoSigners {
			signatures := fleet.Rings[d.Ring].Signatures
			d.Signatures = &signatures
		}
		hosts[id] = d
	}
	fleet.Hosts = hosts
	return fleet
}

// countSignatures gives the rings with the signatures that a daemon counted.
func countSignatures(rings map[string]inventory.Ring, counted map[string]inventory.Signatures) map[string]inventory.Ring {
	rings = maps.Clone(rings)
	for name, ring := range rings {
		if count := counted[name]; count.Object != "" && count.Object == ring.Signatures.Object {
			ring.Signatures = count
		}
		ring.Signatures.Tag = ring.Tag
		rings[name] = ring
	}
	return rings
}
