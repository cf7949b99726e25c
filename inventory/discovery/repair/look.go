package repair

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
)

// Seen is a look at a host, with what earlier looks remember of its disks.
type Seen struct {
	Desired  inventory.Desired
	Observed inventory.Observed
	// Before are labels of disks that an earlier look found in the machine; nil where nobody remembers.
	Before []string
}

// Look is the repair that a look at a host asks for; nil for none. whole says that the look saw every part: a part that was
// not seen ends no repair.
func Look(s Seen) (r *Repair, whole bool) {
	d, o := s.Desired, s.Observed
	if d.BMC == nil {
		return nil, false // no look sees the machine
	}
	facts, fresh := findFacts(o)
	known := o.Record.Identity()
	shown, isStranger := inventory.IdentityOf(facts), !fresh && o.Record.Stranger != nil
	if isStranger { // the agent that saw it is gone, and its disks with it
		shown, facts = o.Record.Stranger.Pinned, nil
	}
	e := Evidence{Source: OwnBoot, BMC: Same, Board: compareBoard(known, shown), Disk: compareDisk(d, o.Record, facts),
		Cards: compareCards(d, o.Record, listCards(facts, shown))}
	if o.BMC.Certificate != "" {
		e.BMC = Other
	}
	if answer := (inventory.Pinned{BMC: o.BMC.ShownIdentity("").BMC}); o.BMC.Reach == inventory.Reached && !fresh &&
		compareBoard(known, answer) == Other { // what was booted before was booted on the board before
		e.Board, e.Disk, e.Cards = Other, Unseen, Unseen
	}
	if o.Record.Untouched() {
		return nil, true // nothing is known that could come back
	}
	answered := o.BMC.Reach != inventory.NotAsked && o.BMC.Reach != inventory.Unreachable &&
		o.BMC.Reach != inventory.SecretUnusable
	r = &Repair{Host: d.ID, Kind: Decide(e), alone: e.Board == Other && e.Disk == Unseen && e.BMC != Other}
	whole = answered && (e.Board != Other || e.Disk != Unseen) && (!isStranger || e.Cards != Unseen)
	switch r.Kind {
	case None:
		return nil, whole
	case Held:
		r.Says = describeHeld(e)
	case BMC:
		r.changeBMC(d, o.BMC.Certificate)
	case RootDisk:
		r.changeRootDisk(s, *facts)
		whole = whole && (r.Kind == RootDisk || s.Before != nil)
	case Identity:
		r.changeIdentity(d, e, machine{shown, listCards(facts, shown)})
	default:
		panic("repair: unknown kind " + string(r.Kind))
	}
	if r.Kind != Held && len(r.Changes) == 0 {
		return nil, whole // the file says it already: what is left, such as a takeover, says the host's hold
	}
	return r, whole
}

// AtDoor is a machine that registered at the discovery door.
type AtDoor struct {
	Identity  inventory.Pinned
	Addresses []string // of its BMC, as found in-band
	Disks     []inventory.Disk
}

// LookAtDoor is the repair that a machine at the discovery door asks for in place of a host's; nil for none. Only a disk
// that bears the mark of the host's install speaks for the machine. A host whose file names no BMC gets the address of the
// BMC.
func LookAtDoor(d inventory.Desired, o inventory.Observed, m AtDoor) *Repair {
	if d.BMC == nil {
		return proposeAddress(d, m)
	}
	rec := o.Record
	known := rec.Identity()
	facts := &inventory.Facts{Disks: m.Disks}
	e := Evidence{Source: Door, BMC: compareAddresses(d, m.Addresses), Board: compareBoard(known, m.Identity),
		Disk: compareDisk(d, rec, facts)}
	if e.Disk == Marked {
		e.Source = MarkedDisk
	}
	if o.BMC.Certificate != "" {
		e.BMC = Other
	}
	r := &Repair{Host: d.ID, Kind: Decide(e)}
	switch r.Kind {
	case Identity:
		r.changeIdentity(d, e, machine{m.Identity, m.Identity.MACs})
		r.Says = append(r.Says, "the machine registered at the discovery door: every value but the mark is the word of whoever "+
			"has an enrolment key")
	case Held:
		r.Says = describeHeld(e)
		return r
	default:
		return nil
	}
	if len(r.Changes) == 0 {
		return nil
	}
	return r
}

// findFacts gives what an agent reported in a boot of the daemon's, and whether the boot is the present one.
func findFacts(o inventory.Observed) (facts *inventory.Facts, fresh bool) {
	boot, seen := o.Record.Boot, o.Agent.Facts
	if boot != nil && seen != nil && boot.Target == inventory.FromRamdisk && o.Agent.Boot == boot.ID && seen.Epoch == boot.Epoch {
		return seen, true
	}
	return o.Record.Facts, false
}

// compareBoard compares serial and UUID.
func compareBoard(known, shown inventory.Pinned) Part {
	known.MACs, shown.MACs = nil, nil
	switch field, _, _ := known.Contradicts(shown); {
	case field != "":
		return Other
	case known.Shares(shown):
		return Same
	default:
		return Unseen
	}
}

// compareDisk looks for the disk of the installed system. A file that names a disk of the machine needs no repair.
func compareDisk(d inventory.Desired, rec inventory.Record, facts *inventory.Facts) Part {
	if rec.Installed == nil || facts == nil || len(facts.Disks) == 0 || d.RootDisk == nil {
		return Unseen
	}
	for _, disk := range inventory.IdentifyDisks(facts.Disks) {
		if disk.Is(rec.Installed.Disk) && rec.Installed.WhyNotOn(disk) == "" {
			return Marked
		}
		if disk.Is(rec.Installed.Disk) {
			return Same
		}
	}
	if _, err := pick.RootDisk(d, facts.Disks); err == nil {
		return Same
	}
	return Other
}

// compareCards compares the network cards: a declared one that the machine had is gone, or none that is pinned is there.
func compareCards(d inventory.Desired, rec inventory.Record, seen []string) Part {
	known := rec.Identity().MACs
	if len(seen) == 0 {
		return Unseen
	}
	has := func(mac string) bool { return slices.Contains(seen, mac) }
	for _, declared := range d.Identity.MACs {
		key, _ := inventory.MACKey(declared)
		had := slices.Contains(known, key) || rec.Facts != nil && rec.Facts.HasMAC(declared)
		if had && !has(key) {
			return Other
		}
	}
	if len(known) > 0 && !slices.ContainsFunc(known, has) {
		return Other
	}
	return Same
}

// listCards are the addresses of a machine's network cards that a file may declare: of those built in, and of those that
// declare nothing else; sorted.
func listCards(facts *inventory.Facts, shown inventory.Pinned) (macs []string) {
	if facts == nil {
		return shown.MACs
	}
	for _, nic := range facts.NICs {
		if key, _ := inventory.MACKey(nic.MAC); key != "" && !nic.IsBMCLink() {
			macs = append(macs, key)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}

// compareAddresses compares the address of the host's BMC with those that an agent found in-band.
func compareAddresses(d inventory.Desired, found []string) Part {
	if d.BMC == nil || len(found) == 0 {
		return Unseen
	}
	host := d.BMC.Address
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Hostname()
	}
	declared, err := netip.ParseAddr(host)
	if err != nil {
		return Unseen // a name: nobody resolves it here
	}
	for _, text := range found {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Unmap() == declared.Unmap() {
			return Same
		}
	}
	return Other
}

// describeHeld says why nothing is proposed.
func describeHeld(e Evidence) []string {
	var other []string
	for _, part := range []struct {
		name string
		is   Part
	}{{"the BMC", e.BMC}, {"the board", e.Board}, {"the root disk", e.Disk}, {"the network cards", e.Cards}} {
		if part.is == Other {
			other = append(other, part.name)
		}
	}
	text := "other than before: " + strings.Join(other, " and ") + ". "
	if len(other) == 1 {
		return []string{text + "What stayed does not show that it is the same machine: look at it, and change the file by hand"}
	}
	return []string{fmt.Sprintf("%sThat is another machine, or one that was repaired in more than one part: look at it, and change the "+
		"file by hand", text)}
}
