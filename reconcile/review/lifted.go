package review

import (
	"fmt"
	"reflect"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// lifted says what a change takes out of the way of an installation that was due before it. What only a daemon sees, such as a machine that is found running
// or a BMC that is not reached, may have been in its way too: so it is told of whatever the daemon goes by there.
func lifted(base, head inventory.Fleet, before, after inventory.Desired) []string {
	var all []string
	say := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(before.Consent.Takeover != after.Consent.Takeover && after.Consent.Takeover != "", "spec.consent.takeover is given: the machine is powered off although it is found running")
	say(differ(unwatched(before.BMC), unwatched(after.BMC)), "spec.bmc changed")
	say(differ(before.Identity, after.Identity), "spec.identity changed")
	say(differ(before.Boot, after.Boot), "spec.boot changed")
	say(differ(before.Network, after.Network), "spec.network changed")
	say(before.Ring != after.Ring, "it was in %s", inRing(before.Ring))
	say(!before.Canary && after.Canary, "it is a canary of its ring now")
	say(base.Settings.Paused && !head.Settings.Paused, "the fleet is not paused any more")
	say(base.Settings.Installs != head.Settings.Installs, "the fleet's limit of installations at a time changed")
	say(differ(base.Settings.ImageHosts, head.Settings.ImageHosts), "the hosts that images may be fetched from changed")
	was, had := base.Rings[after.Ring]
	is, has := head.Rings[after.Ring]
	if before.Ring != after.Ring || !had || !has {
		return all
	}
	say(was.Spec.Paused && !is.Spec.Paused, "ring %s is not paused any more", is.Name)
	say(len(was.Spec.Windows) > 0 && differ(was.Spec.Windows, is.Spec.Windows), "the windows of ring %s changed", is.Name)
	say(len(was.Spec.After) > 0 && differ(was.Spec.After, is.Spec.After), "the rings that come before ring %s changed", is.Name)
	say(differ(was.Spec.Canaries, is.Spec.Canaries), "the canaries of ring %s changed", is.Name)
	say(was.Spec.MaxUnavailable != is.Spec.MaxUnavailable, "how many hosts of ring %s may be down changed", is.Name)
	say(was.Spec.Failures() < is.Spec.Failures(), "how many hosts of ring %s may fail changed", is.Name)
	return all
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
