package review

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// ways are what a change takes out of the way of every host, and of every host of a ring, by the ring's name; "" is for those in none.
type ways map[string][]string

// around compares what two fleets say of all hosts and of rings. A ring that only one of them has is in its hosts' desire already.
func around(base, head inventory.Fleet) ways {
	var all list
	all.say(base.Settings.Paused && !head.Settings.Paused, "the fleet is not paused any more")
	all.say(base.Settings.Installs != head.Settings.Installs, "the fleet's limit of installations at a time changed")
	all.say(differ(base.Settings.ImageHosts, head.Settings.ImageHosts), "the hosts that images may be fetched from changed")
	w := ways{"": all}
	for name, is := range head.Rings {
		own := slices.Clone(all)
		if was, had := base.Rings[name]; had {
			own.say(was.Spec.Paused && !is.Spec.Paused, "ring %s is not paused any more", name)
			own.say(len(was.Spec.Windows) > 0 && differ(was.Spec.Windows, is.Spec.Windows), "the windows of ring %s changed", name)
			own.say(len(was.Spec.After) > 0 && differ(was.Spec.After, is.Spec.After), "the rings that come before ring %s changed", name)
			own.say(differ(was.Spec.Canaries, is.Spec.Canaries), "the canaries of ring %s changed", name)
			own.say(was.Spec.MaxUnavailable != is.Spec.MaxUnavailable, "how many hosts of ring %s may be down changed", name)
			own.say(was.Spec.Failures() < is.Spec.Failures(), "how many hosts of ring %s may fail changed", name)
		}
		w[name] = own
	}
	return w
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
