// Package repair decides what becomes of a known machine that comes back with another disk, board, network card or BMC:
// which fields of the machine's Host file are proposed anew, or why a person must look first. A host whose file names no BMC
// gets the address of the BMC in the same way. The package is pure.
//
// Call Look with a host and what was observed of it, or LookAtDoor with a machine at the discovery door, and take the
// Repair; Decide is the table behind both. A repair is a proposal and nothing else: it gives no machine to a host, and
// never writes a consent.
package repair

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
)

// Part says what was seen of one part of a known machine.
type Part string

// What may be seen of a part.
const (
	Unseen Part = ""       // nothing says anything of the part
	Same   Part = "Same"   // the part is the known one
	Marked Part = "Marked" // of the root disk: it bears the mark of the host's install
	Other  Part = "Other"  // another part is in its place
)

// Source is where the parts were seen.
type Source string

// Sources.
const (
	// OwnBoot is a boot that the daemon started through the host's BMC, or the answer of that BMC.
	OwnBoot Source = "OwnBoot"
	// MarkedDisk is a machine at the discovery door with a disk that bears our mark.
	MarkedDisk Source = "MarkedDisk"
	// Door is a machine at the discovery door: everything is its own word.
	Door Source = "Door"
)

// Evidence is what was seen of a known machine.
type Evidence struct {
	Source Source
	BMC    Part // the BMC's own identity: its certificate, or its address
	Board  Part // serial and UUID
	Disk   Part // the root disk
	Cards  Part // the built-in network cards
}

// Kind is what a repair changes.
type Kind string

// Kinds of repair.
const (
	None     Kind = ""
	RootDisk Kind = "rootDisk" // spec.rootDisk names the new disk
	Identity Kind = "identity" // spec.identity names the new board or card; the takeover is left to a person
	BMC      Kind = "bmc"      // spec.bmc.tls names the new certificate
	Address  Kind = "address"  // spec.bmc.address of a host whose file names no BMC; no part of the table of Decide
	Held     Kind = "held"     // a person must look: nothing is proposed
)

// Decide decides what is proposed for a known machine. The first row that fits decides:
//
//	seen by                           BMC       board  root disk       cards  proposal
//	the discovery door alone          any       any    any             any    none: a new machine with a doubt
//	anything                          two of the three are other       any    held
//	the host's BMC                    other     any    any             same   bmc
//	our own boot, or a marked disk    not other other  marked          any    identity
//	our own boot                      same      same   other           same   rootDisk
//	our own boot                      same      same   not other       other  identity
//	anything                          a part is other                         held
//	anything                          no part is other                        none
//
// Cards that were not seen count as the same: a board brings its own.
func Decide(e Evidence) Kind {
	changed := 0
	for _, part := range []Part{e.BMC, e.Board, e.Disk} {
		if part == Other {
			changed++
		}
	}
	ours, sameCards := e.Source == OwnBoot, e.Cards != Other
	switch {
	case e.Source != OwnBoot && e.Source != MarkedDisk:
		return None
	case changed > 1:
		return Held
	case ours && e.BMC == Other && sameCards:
		return BMC
	case e.BMC != Other && e.Board == Other && e.Disk == Marked:
		return Identity
	case ours && e.BMC == Same && e.Board == Same && e.Disk == Other && sameCards:
		return RootDisk
	case ours && e.BMC == Same && e.Board == Same && e.Disk != Other && !sameCards:
		return Identity
	case changed > 0 || !sameCards:
		return Held
	default:
		return None
	}
}

// Change is one field of a Host file that a repair sets.
type Change struct {
	Field string   `json:"field"`         // spec.rootDisk.wwn
	Was   string   `json:"was,omitempty"` // for people; "" for a field that the file did not have
	Now   []string `json:"now"`           // one text, or the items of a list
	// List says that the field is a list, also with one item.
	List bool `json:"list,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Same reports whether two changes say the same.
func (c Change) Same(o Change) bool {
	return c.Field == o.Field && c.Was == o.Was && slices.Equal(c.Now, o.Now) && c.List == o.List
}

// Repair is what is proposed for a known machine.
type Repair struct {
	Host inventory.MachineID `json:"host"`
	Kind Kind                `json:"kind"`
	// Changes are the fields that the proposal sets; none where the kind is Held.
	Changes []Change `json:"changes,omitempty"`
	// Says are sentences for the reviewer: what was seen, what the merge erases, what is left to a person. Values of
	// machines stand in them as they were said.
	Says []string `json:"says"`
	// Ended says that nothing of the machine is other any more: an open proposal is taken back.
	Ended bool `json:"ended,omitempty"`
	// alone says that the board alone is other, and that nobody looked at the disks behind it.
	alone bool
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// IsOpen reports whether the repair proposes something.
func (r *Repair) IsOpen() bool { return r != nil && !r.Ended && r.Kind != Held && len(r.Changes) > 0 }

// Next is the repair of a host after a look, given the repair before; nil for none before or now. A look that could not
// see everything, such as a look after the agent went away, leaves an open repair as it is.
func Next(before, now *Repair, whole bool) *Repair {
	switch {
	case before == nil:
		return now
	case !whole && before.IsOpen():
		return before
	case now == nil:
		ended := *before
		ended.Ended = true
		return &ended
	default:
		return now
	}
}

// Choose is the repair of a host that a look at the host and a machine at the discovery door ask for. A door that shows
// more other parts than the look holds the repair; a look that cannot go on is helped by a marked disk at the door.
func Choose(look, door *Repair) *Repair {
	switch {
	case look == nil || door != nil && door.Kind == Held:
		return door
	case door != nil && look.Kind == Held && look.alone:
		return door
	default:
		return look
	}
}

// Same reports whether two repairs say the same.
func (r *Repair) Same(o *Repair) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Host == o.Host && r.Kind == o.Kind && r.Ended == o.Ended &&
		slices.Equal(r.Says, o.Says) && slices.EqualFunc(r.Changes, o.Changes, Change.Same)
}
