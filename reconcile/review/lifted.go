package review

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// ways are what a change takes out of the way of every host, and of every host of a ring, by the ring's name; "" is for those in none.
type ways map[string][]string

// around compares what two fleets say of all hosts and of rings. A ring waits for what stops it, and for what stops the rings that come before it.
func around(base, head inventory.Fleet) ways {
	var all list
	all.say(base.Settings.Paused && !head.Settings.Paused, "the fleet is not paused any more")
	all.say(base.Settings.Installs != head.Settings.Installs, "the fleet's limit of installations at a time changed")
	all.say(differ(base.Settings.ImageHosts, head.Settings.ImageHosts), "the hosts that images may be fetched from changed")
	own, freed := map[string]list{}, left(base, head)
	for name, is := range head.Rings {
		if was, had := base.Rings[name]; had {
			own[name] = relaxed(name, was.Spec, is.Spec, freed[name])
		}
	}
	w := ways{"": all}
	for name := range head.Rings {
		w[name] = slices.Clone(all)
		for _, ring := range earlier(head.Rings, name, map[string]bool{}) {
			w[name] = append(w[name], own[ring]...)
		}
	}
	return w
}

// relaxed says what a ring's hosts wait for no more.
func relaxed(ring string, was, is schemas.RingSpec, freed []string) list {
	var own list
	own.say(was.Paused && !is.Paused, "ring %s is not paused any more", ring)
	own.say(len(was.Windows) > 0 && differ(was.Windows, is.Windows), "the windows of ring %s changed", ring)
	own.say(len(was.After) > 0 && differ(was.After, is.After), "the rings that come before ring %s changed", ring)
	own.say(differ(was.Canaries, is.Canaries), "the canaries of ring %s changed", ring)
	own.say(was.MaxUnavailable != is.MaxUnavailable, "how many hosts of ring %s may be down changed", ring)
	own.say(was.Failures() < is.Failures(), "how many hosts of ring %s may fail changed", ring)
	own.say(len(freed) > 0, "ring %s waits no more for %s", ring, few(freed))
	return own
}

// left gives, by ring, the hosts that a ring does not wait for any more, as it would for one that is held or failed: they left it, are no canary of it, or
// nothing is done to them.
func left(base, head inventory.Fleet) map[string][]string {
	freed := map[string][]string{}
	for id, was := range base.Hosts {
		is, has := head.Hosts[id]
		if was.Ring == "" || !counts(was) {
			continue
		}
		if !has || is.Ring != was.Ring || was.Canary && !is.Canary || !counts(is) {
			freed[was.Ring] = append(freed[was.Ring], was.Name)
		}
	}
	for _, hosts := range freed {
		slices.Sort(hosts)
	}
	return freed
}

// counts reports whether something may be done to a host, so that its ring waits for it.
func counts(d inventory.Desired) bool {
	return !d.Protect && d.Lifecycle == schemas.Managed && d.Workload != nil
}

// few names some hosts.
func few(hosts []string) string {
	const most = 3
	if len(hosts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:most], ", "), len(hosts)-most)
	}
	return strings.Join(hosts, ", ")
}

// earlier gives a ring and those that come before it, each once.
func earlier(rings map[string]inventory.Ring, name string, seen map[string]bool) []string {
	if seen[name] {
		return nil
	}
	seen[name] = true
	all := []string{name}
	for _, other := range rings[name].Spec.After {
		all = append(all, earlier(rings, other, seen)...)
	}
	return all
}

// lifted says what a change takes out of the way of an installation that was due before it. What only a daemon sees, such as a machine that is found running
// or a BMC that is not reached, may have been in its way too: so it is told of whatever the daemon goes by there.
func (w ways) lifted(before, after inventory.Desired) []string {
	var all list
	all.say(before.Consent.Takeover != after.Consent.Takeover && after.Consent.Takeover != "", "spec.consent.takeover is given: the machine is powered off although it is found running")
	all.say(differ(unwatched(before.BMC), unwatched(after.BMC)), "spec.bmc changed")
	all.say(differ(before.Identity, after.Identity), "spec.identity changed")
	all.say(differ(before.Boot, after.Boot), "spec.boot changed")
	all.say(differ(before.Network, after.Network), "spec.network changed")
	all.say(before.Ring != after.Ring, "it was in %s", inRing(before.Ring))
	all.say(!before.Canary && after.Canary, "it is a canary of its ring now")
	if before.Ring != after.Ring {
		return append(all, w[""]...)
	}
	return append(all, w[after.Ring]...)
}

// list is sentences.
type list []string

func (l *list) say(is bool, format string, args ...any) {
	if is {
		*l = append(*l, fmt.Sprintf(format, args...))
	}
}

func differ(a, b any) bool { return !reflect.DeepEqual(a, b) }

// unwatched is a BMC without what the daemon reads of its console, which is in nobody's way.
func unwatched(b *schemas.BMC) schemas.BMC {
	if b == nil {
		return schemas.BMC{}
	}
	plain := *b
	plain.Console = nil
	return plain
}

func inRing(name string) string {
	if name == "" {
		return "no ring"
	}
	return "ring " + name
}

// stopped says what stops an installation that is due, after the change too; "" when nothing does that a clone can see.
func stopped(head inventory.Fleet, d inventory.Desired) string {
	ring := head.Rings[d.Ring].Spec
	switch {
	case head.Settings.Paused:
		return "the fleet is paused: nothing begins before spec.paused in " + schemas.FleetFile + " is taken back"
	case ring.Paused:
		return "ring " + d.Ring + " is paused: nothing begins before its spec.paused is taken back"
	case len(ring.Windows) > 0:
		return "it begins in a window of ring " + d.Ring
	default:
		return ""
	}
}

// unowned reports whether nothing says that a daemon ever started a machine: if it runs, nobody here knows what.
func unowned(d inventory.Desired, rec inventory.Record) bool {
	return d.Consent.Takeover == "" && rec.Adopted == "" && rec.Installed == nil && rec.Operation == nil && rec.Last == nil && rec.Boot == nil
}
