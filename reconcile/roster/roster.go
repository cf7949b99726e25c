// Package roster says which hosts there are, and what the fleet asks of each. Pure.
package roster

import "github.com/gitmetal/ingot/inventory"

// Known is what is known of a host.
type Known struct {
	Record  inventory.Record
	Lost    bool // nothing can be told of it, which is not the same as a new host
	Written bool // the journal has its record
}

// Place is what the fleet asks of a host.
type Place struct {
	Desired  inventory.Desired
	Orphaned bool               // the fleet does not name it any more: it stays known, hands off
	Heir     *inventory.Desired // what is asked of its machine under another name, which it gets when it is at rest; nil: it keeps its name
	Reserved bool               // the heir of another host gets its name: nothing may be begun under it
}

// Of gives every host its place: those that are known, and those that the fleet names. A machine that gets another name keeps the old one for now, and is
// not in the roster by the new, unless something has that name already.
func Of(fleet inventory.Fleet, known map[string]Known) map[string]Place {
	records, lost := map[string]inventory.Record{}, map[string]bool{}
	for name, k := range known {
		if lost[name] = k.Lost; !k.Lost {
			records[name] = k.Record
		}
	}
	moves := inventory.Successions(fleet.Hosts, records)
	places, heirs := map[string]Place{}, map[string]bool{}
	for name := range known {
		_, named := fleet.Hosts[name]
		becomes, moves := moves[name]
		switch {
		case moves:
			heir := fleet.Hosts[becomes]
			desired := heir
			desired.Name, desired.Former, desired.Becomes = name, "", becomes
			places[name], heirs[becomes] = Place{Desired: desired, Heir: &heir}, true
		case !named:
			places[name] = Place{Desired: inventory.Desired{Name: name, Commit: fleet.Commit}, Orphaned: true}
		}
	}
	serials, contests := inventory.Serials(inventory.Strays(fleet.Hosts, records, moves)), inventory.Contests(fleet.Hosts, records, lost)
	for name, desired := range fleet.Hosts {
		k, isKnown := known[name]
		if _, moving := moves[name]; moving || heirs[name] && !isKnown {
			continue // its machine, or the name, comes later
		}
		desired.Contest = contests[name]
		if !heirs[name] && (desired.Contest == "" || desired.Contest != desired.Former) && !desired.Waits(fleet.Hosts, func(former string) bool { _, is := known[former]; return is }) {
			desired.Former = ""
		}
		if !k.Written && k.Record.Fresh() || k.Record.OfAnother(desired.Identity) {
			desired.KnownAs = serials.Of(desired)
		}
		places[name] = Place{Desired: desired, Reserved: heirs[name]}
	}
	return places
}
