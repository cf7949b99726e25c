package review

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review/opened"
	"github.com/gitmetal/ingot/schemas"
)

// Rule is a change of what holds for several hosts, or of how a machine is reached: it touches no machine now, and decides
// about later changes.
type Rule struct {
	What  string   `json:"what"`            // in one clause, such as: ring prod: maxUnavailable "1" → "10%"
	Hosts []string `json:"hosts,omitempty"` // the hosts that it concerns, by name, sorted; none where it concerns all
}

// compareRules lists what a change does to rings, limits and addresses; nothing for the first hosts of a fleet.
func compareRules(c comparison) (rules []Rule) {
	if len(c.base.Hosts) == 0 {
		return nil
	}
	rules = append(rules, compareSettings(c.base.Settings, c.head.Settings)...)
	rules = append(rules, compareRings(c.base.Rings, c.head.Rings)...)
	rules = append(rules, compareMembers(c.base, c.head)...)
	rules = append(rules, compareAccess(c)...)
	rules = append(rules, comparePermissions(c.base, c.head)...)
	rules = append(rules, compareScopes(c.base, c.head)...)
	for _, secret := range opened.Compare(c.base.Fleet, c.head.Fleet, c.putBack) {
		rules = append(rules, Rule(secret))
	}
	rules = append(rules, compareDiscovery(c.base, c.head)...)
	return append(rules, findRingless(c.base, c.head)...)
}

// compareSettings compares the fleet's own settings.
func compareSettings(before, after schemas.FleetSpec) (rules []Rule) {
	for _, line := range listFieldChanges(before, after) {
		rules = append(rules, Rule{What: schemas.FleetFile + ": " + line})
	}
	return rules
}

// compareRings compares the rings by name.
func compareRings(before, after map[string]inventory.Ring) (rules []Rule) {
	all := map[string]bool{}
	for name := range before {
		all[name] = true
	}
	for name := range after {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !has:
			rules = append(rules, Rule{What: "ring " + name + " is gone"})
		case !had:
			what := "ring " + name + " is new"
			if limits := describeLimits(is.Spec); limits != "" {
				what += ": " + limits
			}
			rules = append(rules, Rule{What: what})
		default:
			for _, line := range listFieldChanges(was.Spec, is.Spec) {
				rules = append(rules, Rule{What: "ring " + name + ": " + line})
			}
		}
	}
	return rules
}

// describeLimits names the fields of a ring besides its hosts.
func describeLimits(spec schemas.RingSpec) string {
	spec.Hosts = schemas.Scope{}
	var limits []string
	for name, value := range fieldsOf(spec) {
		if empty := string(value) == "{}"; name != "hosts" && !empty {
			limits = append(limits, name+" "+string(value))
		}
	}
	slices.Sort(limits)
	return strings.Join(limits, ", ")
}

// compareMembers lists the hosts that join and leave rings. Hosts that the base does not have are no members yet.
func compareMembers(base, head side) (rules []Rule) {
	moves := map[[2]string][]string{}
	for id, after := range head.Hosts {
		if before, had := base.Hosts[id]; had && before.Ring != after.Ring {
			way := [2]string{before.Ring, after.Ring}
			moves[way] = append(moves[way], after.Name)
		}
	}
	ways := slices.SortedFunc(maps.Keys(moves), func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	for _, way := range ways {
		what := "from ring " + way[0] + " to ring " + way[1]
		switch {
		case way[0] == "":
			what = "into ring " + way[1]
		case way[1] == "":
			what = "out of ring " + way[0] + ", in no ring now: changes reach them at once"
		}
		rules = append(rules, Rule{What: "hosts move " + what, Hosts: slices.Sorted(slices.Values(moves[way]))})
	}
	return rules
}

// compareAccess lists hosts whose machines are reached in another way, and hosts with values that do nothing before the
// next installation.
func compareAccess(c comparison) (rules []Rule) {
	hosts := map[string][]string{}
	for id, after := range c.head.Hosts {
		before, had := c.base.Hosts[id]
		if !had {
			continue
		}
		was, is := networksOf(before), networksOf(after)
		runsOn := c.head.hostRecord(id).Installed != nil && c.head.decideHost(id).Verdict == change.Nothing
		for what, changed := range map[string]bool{
			"another spec.bmc: the daemon talks to that BMC from the merge on":    !reflect.DeepEqual(withoutConsole(before.BMC), withoutConsole(after.BMC)),
			"another spec.bmc.console: the console is read so from the merge on":  !reflect.DeepEqual(consoleOf(before.BMC), consoleOf(after.BMC)),
			"spec.power Unmanaged: ingot switches the machine neither on nor off": after.Power == schemas.PowerUnmanaged && before.Power != after.Power,
			"another spec.identity": !reflect.DeepEqual(before.Identity, after.Identity),
			"another spec.boot: it counts from the next start of the ramdisk on":                      !reflect.DeepEqual(before.Boot, after.Boot),
			"another spec.network.ramdisk: it counts from the next start of the ramdisk on":           !reflect.DeepEqual(was.Ramdisk, is.Ramdisk),
			"another spec.network.host: the running system keeps its own until the next installation": runsOn && !reflect.DeepEqual(was.Host, is.Host),
			"no workload any more: the running system stays as it is, and nothing installs another":   runsOn && before.Workload != nil && after.Emptied,
			"no workload from the next tag of ring " + after.Ring + " on: the running system stays as it is, and nothing installs another": runsOn && after.Workload != nil &&
				after.EmptiedNext && !before.EmptiedNext,
		} {
			if changed {
				hosts[what] = append(hosts[what], after.Name)
			}
		}
	}
	return listRules(hosts)
}

// listRules gives a rule for each text, with its hosts.
func listRules(hosts map[string][]string) (rules []Rule) {
	for _, what := range slices.Sorted(maps.Keys(hosts)) {
		rules = append(rules, Rule{What: what, Hosts: slices.Sorted(slices.Values(hosts[what]))})
	}
	return rules
}

// networksOf gives a host's networks. The installed system has the ramdisk's unless it has its own.
func networksOf(d inventory.Desired) schemas.Networks {
	if d.Network == nil {
		return schemas.Networks{}
	}
	return schemas.Networks{Ramdisk: d.Network.Ramdisk, Host: cmp.Or(d.Network.Host, d.Network.Ramdisk)}
}

// findRingless warns of hosts that come to be in no ring while all others are in one.
func findRingless(base, head side) []Rule {
	var without []string
	fresh := false
	for id, d := range head.Hosts {
		if d.Ring == "" && d.Lifecycle == schemas.Managed {
			before, had := base.Hosts[id]
			fresh = fresh || !had || before.Ring != ""
			without = append(without, d.Name)
		}
	}
	others := len(head.Hosts) - len(without)
	if !fresh || len(head.Rings) == 0 || others <= 10*len(without) && (len(without) > 1 || others < 2) {
		return nil
	}
	return []Rule{{What: "warning: in no ring, unlike all others: changes reach them at once",
		Hosts: slices.Sorted(slices.Values(without))}}
}

// listFieldChanges names the fields that differ between two values of one type, with the values before and after.
func listFieldChanges(before, after any) (lines []string) {
	was, is := fieldsOf(before), fieldsOf(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if string(was[name]) != string(is[name]) {
			lines = append(lines, fmt.Sprintf("%s %s → %s", name, cmp.Or(string(was[name]), "not set"),
				cmp.Or(string(is[name]), "not set")))
		}
	}
	return lines
}

// fieldsOf gives the fields of a value as JSON. The values are structs of package schemas.
func fieldsOf(value any) (fields map[string]json.RawMessage) {
	body, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	if err != nil {
		panic(err)
	}
	return fields
}

// describe gives a rule in one line.
func (r Rule) describe() string {
	if len(r.Hosts) == 0 {
		return r.What
	}
	return fmt.Sprintf("%s: %s", r.What, nameSome(r.Hosts, 8))
}
