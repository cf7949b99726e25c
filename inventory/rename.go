package inventory

import (
	"maps"
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
	free := map[string]bool{} // by former name: the row of names that begins with it ends with one that nobody has
	for former := range moves {
		var row []string
		ends := false
		for at := former; !ends; at = moves[at] {
			name, moving := moves[at]
			if known, walked := free[at]; walked || !moving {
				ends = known // or the row bites its tail, or its last name stays taken
				break
			}
			row, free[at], ends = append(row, at), false, records[name].Fresh()
		}
		for _, at := range row {
			free[at] = ends
		}
	}
	maps.DeleteFunc(moves, func(former, _ string) bool { return !free[former] })
	return moves
}

// leaves reports whether the machine of a record is the one that a host says it was, and not the one that has the record's name in the fleet.
func leaves(record Record, d Desired, hosts map[string]Desired) bool {
	namesake, named := hosts[d.Former]
	return !named || record.claimed(d.Identity, namesake.Identity) == ofHeir
}

// claim is whose a record is, when one host says that it had its name, and another one has it now.
type claim int

const (
	ofNamesake claim = iota // of the host that has the name
	ofHeir                  // of the one that had it
	unclear                 // nobody can tell
)

// claimed needs the serials of all three to tell.
func (r Record) claimed(had, has schemas.Identity) claim {
	switch {
	case r.Fresh():
		return ofNamesake
	case r.Facts == nil, Placeholder(r.Facts.System.Serial), Placeholder(has.Serial):
		return unclear
	case !r.OfAnother(has):
		return ofNamesake
	case Placeholder(had.Serial):
		return unclear
	case r.OfAnother(had):
		return ofNamesake // it is of a third machine, which the plan will say
	default:
		return ofHeir
	}
}

// Contests gives the hosts of which nobody can tell whose record they go on from, each with the other: nothing is known of the one, which says that it had
// the other's name. Lost are names of which something is known, but not what.
func Contests(hosts map[string]Desired, records map[string]Record, lost map[string]bool) map[string]string {
	contests := map[string]string{}
	for name, d := range hosts {
		namesake, named := hosts[d.Former]
		if !named || d.Former == name || lost[name] || !records[name].Fresh() {
			continue
		}
		if lost[d.Former] || records[d.Former].claimed(d.Identity, namesake.Identity) == unclear {
			contests[name], contests[d.Former] = d.Former, name
		}
	}
	return contests
}

// Waits reports whether a host that nothing is known of waits for what is known under its former name, which no other host has.
func (d Desired) Waits(hosts map[string]Desired, known func(host string) bool) bool {
	_, named := hosts[d.Former]
	return d.Former != "" && !named && known(d.Former)
}

// BySerial are names of hosts by the serial of their machine.
type BySerial map[string]string

// Strays are the records of machines that the fleet does not call by the name of their record any more, and that do not move to another one: the name is
// nobody's, or it declares another serial.
func Strays(hosts map[string]Desired, records map[string]Record, moves map[string]string) map[string]Record {
	strays := map[string]Record{}
	for name, record := range records {
		d, named := hosts[name]
		if _, moving := moves[name]; !moving && (!named || record.OfAnother(d.Identity)) {
			strays[name] = record
		}
	}
	return strays
}

// Serials gives the names by which stray machines are known; of several for one serial, the first.
func Serials(strays map[string]Record) BySerial {
	names := BySerial{}
	for name, record := range strays {
		if record.Facts == nil {
			continue
		}
		serial := oneCase(record.Facts.System.Serial)
		if other, there := names[serial]; !there || name < other {
			names[serial] = name
		}
	}
	return names
}

// Of gives the name under which the machine of a host, of which nothing is known under its own, may be known: the fleet must confirm it with
// metadata.formerly. "" for none.
func (s BySerial) Of(d Desired) string {
	if Placeholder(d.Identity.Serial) {
		return ""
	}
	return s[oneCase(d.Identity.Serial)]
}

func oneCase(serial string) string { return strings.ToLower(strings.TrimSpace(serial)) }

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
// name since is its own. A page may still speak of what had to end before the rename: of an operation that this record knows, or of the same machine's
// boot into the ramdisk.
func (r Record) TookOver(old Record) bool {
	if !slices.Contains(r.Formerly, old.Host) || old.Epoch > r.Epoch {
		return false
	}
	serials := old.Facts != nil && r.Facts != nil && !Placeholder(old.Facts.System.Serial) && !Placeholder(r.Facts.System.Serial)
	switch {
	case serials && !old.Facts.Same(r.Facts):
		return false
	case old.Operation != nil:
		return r.Knows(old.Operation.ID)
	case serials:
		return true
	case !old.AtRest():
		return false
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
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil && r.Boot == nil && r.Adopted == "" && r.Unknown == ""
}
