package review

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// side is one of the two compared fleets with the records of the machines. Package standing says which machine a host
// is, package change what the fleet asks of the machine, package admit what the other machines hold against the change.
type side struct {
	inventory.Fleet
	records  map[inventory.MachineID]inventory.Record
	index    *standing.Index
	view     *admit.View
	accounts rotation.Accounts
	now      time.Time
}

// newSide makes one side. Records of machines outside the fleet count too: such a machine may report the disk of
// another machine.
func newSide(fleet inventory.Fleet, is Known) side {
	records := is.Records
	s := side{fleet, records, standing.New(fleet, records), admit.New(len(records)), rotation.ListAccounts(fleet), is.Now}
	label, limit := fleet.Settings.Domain()
	s.view.SetFleet(admit.Fleet{Rings: fleet.Rings, Paused: fleet.Settings.Paused, Places: fleet.Settings.Installs,
		ErasesPerHour: fleet.Settings.ErasesPerHour, DomainLabel: label, DomainLimit: limit})
	for id, d := range s.Hosts {
		s.view.SetMachine(id, admit.DescribeMachine(d, records[id], admit.Live{}, label))
	}
	for id, record := range records {
		if _, named := s.Hosts[id]; !named {
			s.view.SetMachine(id,
				admit.DescribeMachine(inventory.Desired{ID: id, Name: string(id)}, record, admit.Live{}, label))
		}
	}
	return s
}

// hostRecord gives the record of a host; empty when unknown.
func (s side) hostRecord(id inventory.MachineID) inventory.Record {
	record := s.records[id]
	record.ID = id
	return record
}

// hostStanding says which machine a host is known as.
func (s side) hostStanding(id inventory.MachineID) inventory.Standing {
	return s.index.Of(s.Hosts[id], s.hostRecord(id), inventory.Observed{})
}

// decideHost decides what a host is asked to become, and holds the change where only a person can remove the obstacle.
func (s side) decideHost(id inventory.MachineID) change.Change {
	c := change.Decide(s.Hosts[id], s.hostStanding(id), s.hostRecord(id))
	if c.Hold != nil || !c.Reboots {
		return c
	}
	answer := s.view.AskPersons(id, admit.Question{Step: admit.Begin, Erases: c.Erases, Disk: c.Root.ID,
		Others: admit.ListOthers(listOthers(c))})
	switch answer.Reason {
	case "":
	case admit.Frozen:
		c.Hold = &change.Hold{Reason: change.Frozen, Message: answer.Why}
	case admit.DiskShared:
		c.Hold = &change.Hold{Reason: change.DiskShared, Message: answer.Why}
	default:
		panic("review: unknown reason " + string(answer.Reason))
	}
	return c
}

// listOthers are the disks besides the root disk that a change writes to.
func listOthers(c change.Change) (disks []inventory.DiskID) {
	for _, other := range c.Others {
		disks = append(disks, other.ID)
	}
	return disks
}

// whyStopped says what stops a due installation at every time; "" when a clone shows no stop.
func (s side) whyStopped(d inventory.Desired) string {
	rings := s.view.RingsBefore(d.Ring)
	for _, reason := range admit.Reasons {
		for _, ring := range rings {
			if why := stopMessage(reason, ring, d); why != "" && s.view.CanStop(reason, ring) {
				return why
			}
		}
	}
	return ""
}

// stopMessage says what a reason in a ring means for a host of the ring or of a later ring; "" when the host begins in
// its turn.
func stopMessage(reason admit.Reason, ring string, d inventory.Desired) string {
	switch reason {
	case admit.FleetPaused:
		return "the fleet is paused: nothing begins before spec.paused in " + schemas.FleetFile + " is taken back"
	case admit.RingPaused:
		return "ring " + ring + " is paused: nothing begins before its spec.paused is taken back"
	case admit.Window:
		if ring == d.Ring {
			return "it begins in a window of ring " + ring
		}
		return ""
	case admit.Frozen, admit.DiskShared: // decideHost holds the host for these reasons
		return ""
	case admit.RingFailed, admit.WorkloadFailed, admit.RingAfter, admit.Canaries, admit.Unavailable, admit.ManyErases,
		admit.DomainBusy, admit.Places:
		return ""
	default:
		panic("review: unknown reason " + string(reason))
	}
}

// easedReasons lists by ring the obstacles that a change removes from every host of the ring; "" is for hosts without
// a ring.
type easedReasons map[string][]string

// compareSides lists the obstacles that a change removes. A ring waits for its own obstacles and for the obstacles of
// earlier rings.
func compareSides(base, head side) easedReasons {
	all := easedInRing("", base.view, head.view)
	if !reflect.DeepEqual(base.Settings.ImageHosts, head.Settings.ImageHosts) {
		all = append(all, "the hosts that images may be fetched from changed")
	}
	own := map[string][]string{}
	for name := range base.Rings {
		own[name] = easedInRing(name, base.view, head.view)
	}
	e := easedReasons{"": all}
	for name := range head.Rings {
		e[name] = slices.Clone(all)
		for _, ring := range head.view.RingsBefore(name) {
			e[name] = append(e[name], own[ring]...)
		}
	}
	return e
}

// easedInRing lists the obstacles that a change removes in a ring, or, for "", in the whole fleet.
func easedInRing(ring string, base, head *admit.View) (all []string) {
	for _, reason := range admit.Reasons {
		if !admit.IsEased(reason, ring, base, head) {
			continue
		}
		switch reason {
		case admit.Frozen:
			all = append(all, "the release of ring "+ring+" can be trusted again")
		case admit.FleetPaused:
			all = append(all, "the fleet is not paused any more")
		case admit.RingPaused:
			all = append(all, "ring "+ring+" is not paused any more")
		case admit.RingFailed:
			all = append(all, "how many hosts of ring "+ring+" may fail changed")
		case admit.RingAfter:
			all = append(all, "the rings that come before ring "+ring+" changed")
		case admit.Canaries:
			all = append(all, "the canaries of ring "+ring+" changed")
		case admit.Window:
			all = append(all, "the windows of ring "+ring+" changed")
		case admit.Unavailable:
			all = append(all, "how many hosts of ring "+ring+" may be down changed")
		case admit.ManyErases:
			all = append(all, "the fleet's limit of erases within an hour changed")
		case admit.DomainBusy:
			all = append(all, "the fleet's limit of installations in one failure domain changed")
		case admit.Places:
			all = append(all, "the fleet's limit of installations at a time changed")
		default:
			panic("review: unknown reason " + string(reason))
		}
	}
	if freed := admit.FreedMachines(ring, base, head); len(freed) > 0 {
		all = append(all, "ring "+ring+" waits no more for "+nameSome(freed, 3))
	}
	return all
}

// nameSome names the first hosts of a list, at most so many, and counts the rest.
func nameSome(hosts []string, most int) string {
	if len(hosts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:most], ", "), len(hosts)-most)
	}
	return strings.Join(hosts, ", ")
}

// listLifted lists what a change removes from the way of an installation that was due before: obstacles that the
// daemon meets at the machine, which a clone cannot see, and obstacles through other machines.
func (e easedReasons) listLifted(before, after inventory.Desired) (all []string) {
	for _, what := range []struct {
		changed bool
		say     string
	}{
		{
			before.Consent.Takeover != after.Consent.Takeover && after.Consent.Takeover != "",
			"spec.consent.takeover is given: the machine is powered off although it is found running",
		},
		{!reflect.DeepEqual(withoutConsole(before.BMC), withoutConsole(after.BMC)), "spec.bmc changed"},
		{!reflect.DeepEqual(before.Identity, after.Identity), "spec.identity changed"},
		{!reflect.DeepEqual(before.Boot, after.Boot), "spec.boot changed"},
		{!reflect.DeepEqual(before.Network, after.Network), "spec.network changed"},
		{before.Ring != after.Ring, "it was in " + cmp.Or(strings.TrimSuffix("ring "+before.Ring, "ring "), "no ring")},
		{!before.Canary && after.Canary, "it is a canary of its ring now"},
	} {
		if what.changed {
			all = append(all, what.say)
		}
	}
	if before.Ring != after.Ring {
		return append(all, e[""]...)
	}
	return append(all, e[after.Ring]...)
}

// withoutConsole drops the console settings of a BMC, which hold nothing up.
func withoutConsole(b *schemas.BMC) schemas.BMC {
	if b == nil {
		return schemas.BMC{}
	}
	plain := *b
	plain.Console = nil
	return plain
}

// consoleOf gives the console settings of a BMC; nil without.
func consoleOf(b *schemas.BMC) *schemas.BMCConsole {
	if b == nil {
		return nil
	}
	return b.Console
}

// isUnowned reports whether no record says that a daemon ever started the machine: a running system may be anybody's.
func isUnowned(d inventory.Desired, rec inventory.Record) bool {
	return d.Consent.Takeover == "" && rec.Adopted == "" && !change.Started(rec)
}
