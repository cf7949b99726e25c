package review

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// side is one of the two fleets that are compared, with what is known of the machines: package standing says who is
// who, package change what is asked of a machine, package admit what stands against that because of the others.
type side struct {
	inventory.Fleet
	records map[inventory.MachineID]inventory.Record
	index   *standing.Index
	view    *admit.View
}

// sideOf gives one side. Records of machines that the fleet does not name count too: these may see a disk of another
// machine.
func sideOf(fleet inventory.Fleet, records map[inventory.MachineID]inventory.Record) side {
	s := side{fleet, records, standing.New(fleet, records), admit.New()}
	s.view.SetFleet(admit.Fleet{Rings: fleet.Rings, Paused: fleet.Settings.Paused, Places: fleet.Settings.Installs})
	for id, d := range s.Hosts {
		s.view.SetMachine(id, admit.DescribeMachine(d, records[id], admit.Live{}))
	}
	for id, record := range records {
		if _, named := s.Hosts[id]; !named {
			s.view.SetMachine(id, admit.DescribeMachine(inventory.Desired{ID: id, Name: string(id)}, record, admit.Live{}))
		}
	}
	return s
}

// record is what is known of a host.
func (s side) record(id inventory.MachineID) inventory.Record {
	record := s.records[id]
	record.ID = id
	return record
}

// standingOf says who a host's machine is known as.
func (s side) standingOf(id inventory.MachineID) inventory.Standing {
	return s.index.Of(s.Hosts[id], s.record(id), inventory.Observed{})
}

// decide says what a host is asked to be, and holds it where only a person ends what stands against that.
func (s side) decide(id inventory.MachineID) change.Change {
	c := change.Decide(s.Hosts[id], s.standingOf(id), s.record(id))
	if c.Hold != nil || !c.Reboots {
		return c
	}
	answer := s.view.AskPersons(id, admit.Question{Step: admit.Begin, Erases: c.Erases, Disk: c.Disk})
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

// stopped says what stops an installation that is due, at whatever time; "" when nothing does that a clone can see.
func (s side) stopped(d inventory.Desired) string {
	rings := s.view.RingsBefore(d.Ring)
	for _, reason := range admit.Reasons {
		for _, ring := range rings {
			if why := stopsIn(reason, ring, d); why != "" && s.view.CanStop(reason, ring) {
				return why
			}
		}
	}
	return ""
}

// stopsIn says what a reason that stands in a ring means for a host of the ring, or of a later one; "" when it begins
// in its turn.
func stopsIn(reason admit.Reason, ring string, d inventory.Desired) string {
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
	case admit.Frozen, admit.DiskShared: // these hold the host
		return ""
	case admit.RingFailed, admit.RingAfter, admit.Canaries, admit.Unavailable, admit.Places:
		return ""
	default:
		panic("review: unknown reason " + string(reason))
	}
}

// eased is what a change takes out of the way of every host, and of every host of a ring, by the ring's name; "" is
// for hosts in none.
type eased map[string][]string

// compareSides compares what stands against the machines of two fleets because of the others. A ring waits for what
// stops it, and for what stops the rings that come before it.
func compareSides(base, head side) eased {
	all := easedIn("", base.view, head.view)
	if !reflect.DeepEqual(base.Settings.ImageHosts, head.Settings.ImageHosts) {
		all = append(all, "the hosts that images may be fetched from changed")
	}
	own := map[string][]string{}
	for name := range base.Rings {
		own[name] = easedIn(name, base.view, head.view)
	}
	e := eased{"": all}
	for name := range head.Rings {
		e[name] = slices.Clone(all)
		for _, ring := range head.view.RingsBefore(name) {
			e[name] = append(e[name], own[ring]...)
		}
	}
	return e
}

// easedIn says what stands less against the machines of a ring, or, for "", against all of them.
func easedIn(ring string, base, head *admit.View) (all []string) {
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
		case admit.Places:
			all = append(all, "the fleet's limit of installations at a time changed")
		default:
			panic("review: unknown reason " + string(reason))
		}
	}
	if freed := admit.FreedMachines(ring, base, head); len(freed) > 0 {
		all = append(all, "ring "+ring+" waits no more for "+few(freed))
	}
	return all
}

// few names some hosts.
func few(hosts []string) string {
	const most = 3
	if len(hosts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:most], ", "), len(hosts)-most)
	}
	return strings.Join(hosts, ", ")
}

// lifted says what a change takes out of the way of an installation that was due before: what the daemon goes by when
// it looks at the machine, which a clone cannot see, and what stood against the machine because of others.
func (e eased) lifted(before, after inventory.Desired) (all []string) {
	for _, what := range []struct {
		changed bool
		say     string
	}{
		{
			before.Consent.Takeover != after.Consent.Takeover && after.Consent.Takeover != "",
			"spec.consent.takeover is given: the machine is powered off although it is found running",
		},
		{!reflect.DeepEqual(unwatched(before.BMC), unwatched(after.BMC)), "spec.bmc changed"},
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

// unwatched is a BMC without what the daemon reads of its console, which is in nobody's way.
func unwatched(b *schemas.BMC) schemas.BMC {
	if b == nil {
		return schemas.BMC{}
	}
	plain := *b
	plain.Console = nil
	return plain
}

// unowned reports whether nothing says that a daemon ever started a machine: if it runs, nobody here knows what.
func unowned(d inventory.Desired, rec inventory.Record) bool {
	return d.Consent.Takeover == "" && rec.Adopted == "" && !change.Started(rec)
}
