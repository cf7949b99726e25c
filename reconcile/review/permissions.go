package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// comparePermissions lists what a workload permits from now on, or no longer: each decides about later changes. A host that
// gets another workload is what the plan shows anyway.
func comparePermissions(base, head side) []Rule {
	hosts := map[string][]string{}
	for id, after := range head.Hosts {
		before, had := base.Hosts[id]
		if !had {
			continue
		}
		if before.Claimable != after.Claimable {
			what := "spec.claimable: Workloads with spec.run may claim the machine"
			if !after.Claimable {
				what = "spec.claimable false: no Workload may claim the machine any more"
			}
			hosts[what] = append(hosts[what], after.Name)
		}
		if before.Workload == nil || after.Workload == nil || before.Workload.Name != after.Workload.Name {
			continue
		}
		was, is := before.Workload, after.Workload
		name := "workload " + is.Name
		for what, changed := range map[string]bool{
			name + ": update Reinstall: where the daemon's configuration allows it, a later change erases without a consent": was.Update != is.Update && is.Update == schemas.Reinstall,
			name + ": update OnConsent: a later change that erases needs a consent":                                          was.Update != is.Update && is.Update != schemas.Reinstall,
			name + ": otherDisks Allowed: an install may write to other disks than the root disk":                            !was.OtherDisksAllowed && is.OtherDisksAllowed,
			name + ": otherDisks not allowed any more: an install that writes to other disks is held":                        was.OtherDisksAllowed && !is.OtherDisksAllowed,
		} {
			if changed {
				hosts[what] = append(hosts[what], after.Name)
			}
		}
	}
	return listRules(hosts)
}

// compareDiscovery lists the Rules and Deliveries that changed: they decide about machines that are no hosts yet.
func compareDiscovery(base, head side) (rules []Rule) {
	was, is := documentsByName(base), documentsByName(head)
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		before, had := was[key]
		after, has := is[key]
		switch {
		case !has:
			rules = append(rules, Rule{What: key + " is gone"})
		case !had && after.Delivery != nil:
			rules = append(rules, Rule{What: fmt.Sprintf("%s is new, with %d BMCs at most: the daemon logs in to them until %s",
				key, len(after.Delivery.Spec.Machines), after.Delivery.Spec.Until)})
		case !had:
			rules = append(rules, Rule{What: key + " is new: unknown machines are proposed by it"})
		default:
			for _, line := range listFieldChanges(specOf(before), specOf(after)) {
				rules = append(rules, Rule{What: key + ": " + cutLine(line)})
			}
		}
	}
	return rules
}

// documentsByName gives the Rules and Deliveries of a fleet by what the plan calls them.
func documentsByName(s side) map[string]schemas.Document {
	byName := map[string]schemas.Document{}
	for _, d := range slices.Concat(s.Rules, s.Deliveries) {
		byName[strings.ToLower(d.Kind)+" "+d.Name] = d
	}
	return byName
}

func specOf(d schemas.Document) any {
	if d.Delivery != nil {
		return d.Delivery.Spec
	}
	return d.Rule.Spec
}

// cutLine shortens a line for the plan: a Delivery may list a thousand machines.
func cutLine(line string) string {
	const most = 300
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return line
}
