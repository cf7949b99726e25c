package inventory

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Successions says which machines get another name: the new one by the name that their record has. A machine is renamed when a host that nothing is
// known of says so in metadata.formerly, and the former name is not in the fleet any more, or is given to another machine, as the serials of both and
// of the record say. A name that another machine still has is free when that one gets another name too; names are not swapped.
func Successions(hosts map[string]Desired, records map[string]Record) map[string]string {
	moves := map[string]string{}
	for name, d := range hosts {
		record, known := records[d.Former]
		if d.Former == "" || d.Former == name || !known || !leaves(record, d, hosts) {
			continue
		}
		if other, claimed := moves[d.Former]; !claimed || name < other { // a commit with both is refused
			moves[d.Former] = name
		}
	}
	for former, name := range moves {
		seen := map[string]bool{former: true}
		for ; name != "" && !seen[name] && !records[name].Fresh(); name = moves[name] {
			seen[name] = true
		}
		if name == "" || seen[name] { // the end of the row is a name that stays taken
			for taken := range seen {
				delete(moves, taken)
			}
		}
	}
	return moves
}

// leaves reports whether the machine of a record is the one that a host says it was, and not the one that has the record's name in the fleet.
func leaves(record Record, d Desired, hosts map[string]Desired) bool {
	namesake, named := hosts[d.Former]
	if !named {
		return true
	}
	return record.OfAnother(namesake.Identity) && !Placeholder(d.Identity.Serial) && !record.OfAnother(d.Identity)
}

// Waits reports whether a host that nothing is known of waits for what is known under its former name, which no other host has.
func (d Desired) Waits(hosts map[string]Desired, known func(host string) bool) bool {
	_, named := hosts[d.Former]
	return d.Former != "" && !named && known(d.Former)
}

// Predecessor gives the name under which the machine of a host that nothing is known of may be known, by its serial, among the records of hosts that the
// fleet does not name any more: the fleet must confirm it with metadata.formerly. "" for none.
func Predecessor(d Desired, orphans map[string]Record) (name string) {
	serial := strings.TrimSpace(d.Identity.Serial)
	if Placeholder(serial) {
		return ""
	}
	for former, record := range orphans {
		if former == d.Name || record.Facts == nil || (name != "" && name < former) {
			continue
		}
		if strings.EqualFold(strings.TrimSpace(record.Facts.System.Serial), serial) {
			name = former
		}
	}
	return name
}

// maxFormerly is how many earlier names a record keeps.
const maxFormerly = 8

// Renamed is what is known of a machine, under a new name. Its epoch goes on.
func (r Record) Renamed(name string) Record {
	earlier := slices.DeleteFunc(append(slices.Clone(r.Formerly), r.Host), func(n string) bool { return n == name || n == "" })
	r.Host, r.Formerly = name, earlier[max(0, len(earlier)-maxFormerly):]
	return r
}

// AtRest reports whether nothing was begun under the machine's name that must end under it: an operation, or a boot into the ramdisk, whose tokens name the
// host.
func (r Record) AtRest() bool {
	return r.Operation == nil && (r.Boot == nil || r.Boot.Target != FromRamdisk)
}

// TookOver reports whether this record goes on from another one, which is left of the machine's former name. One that another machine made under that
// name since is its own.
func (r Record) TookOver(old Record) bool {
	if !slices.Contains(r.Formerly, old.Host) || !old.AtRest() || old.Epoch > r.Epoch {
		return false
	}
	switch {
	case old.Facts != nil && r.Facts != nil && !Placeholder(old.Facts.System.Serial) && !Placeholder(r.Facts.System.Serial):
		return old.Facts.Same(r.Facts)
	case old.Installed != nil && r.Installed != nil:
		return old.Installed.ID == r.Installed.ID
	default:
		return old.Fresh() && len(old.Spent) == 0
	}
}

// OfAnother reports whether what is known was seen on another machine than a host declares: the name was given to it since.
func (r Record) OfAnother(identity schemas.Identity) bool {
	if r.Facts == nil || Placeholder(identity.Serial) || Placeholder(r.Facts.System.Serial) {
		return false
	}
	return !strings.EqualFold(strings.TrimSpace(identity.Serial), strings.TrimSpace(r.Facts.System.Serial))
}

// Fresh reports whether nothing is known of a host under its name.
func (r Record) Fresh() bool {
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil && r.Boot == nil && r.Adopted == ""
}
