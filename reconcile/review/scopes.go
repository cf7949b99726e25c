package review

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// compareScopes lists the Secrets that other hosts may use than before: the scope was changed, or the labels of a host.
// A scope is in clear, and may be one that no MAC covers, so a reviewer must see whom it lets in.
func compareScopes(base, head side) (rules []Rule) {
	relabelled := listRelabelled(base, head)
	for _, name := range slices.Sorted(maps.Keys(head.Secrets)) {
		before, had := base.Secrets[name]
		after := head.Secrets[name]
		if !had {
			continue
		}
		concerned, what := relabelled, "Secret "+name
		if !reflect.DeepEqual(before.Scope, after.Scope) {
			concerned = listAll(base, head)
			what += fmt.Sprintf(": scope %s → %s", describeScope(before.Scope), describeScope(after.Scope))
			rules = append(rules, Rule{What: what})
			what = "Secret " + name
		}
		var in, out []string
		for _, id := range concerned {
			was, is := base.Hosts[id], head.Hosts[id]
			could := was.Name != "" && before.Scope.SelectsHost(string(id), was.Labels)
			can := is.Name != "" && after.Scope.SelectsHost(string(id), is.Labels)
			switch {
			case can && !could:
				in = append(in, is.Name)
			case could && !can && is.Name != "":
				out = append(out, is.Name)
			}
		}
		if len(in) > 0 {
			rules = append(rules, Rule{What: what + " can be used from now on by", Hosts: slices.Sorted(slices.Values(in))})
		}
		if len(out) > 0 {
			rules = append(rules, Rule{What: what + " cannot be used any more by", Hosts: slices.Sorted(slices.Values(out))})
		}
	}
	return rules
}

// listRelabelled lists the hosts whose labels changed, sorted. New hosts are what the plan shows anyway.
func listRelabelled(base, head side) (ids []inventory.MachineID) {
	for id, after := range head.Hosts {
		if before, had := base.Hosts[id]; had && !maps.Equal(before.Labels, after.Labels) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// listAll lists the hosts of two fleets, sorted.
func listAll(base, head side) []inventory.MachineID {
	all := maps.Clone(base.Hosts)
	maps.Copy(all, head.Hosts)
	return slices.Sorted(maps.Keys(all))
}

// describeScope names the hosts of a scope in a few words.
func describeScope(scope schemas.Scope) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(scope.MatchLabels)) {
		parts = append(parts, key+"="+scope.MatchLabels[key])
	}
	if len(scope.Hosts) > 0 {
		parts = append(parts, "hosts "+nameSome(scope.Hosts, 8))
	}
	if scope.AllHosts {
		parts = append(parts, "all hosts")
	}
	if len(scope.Deliveries) > 0 {
		parts = append(parts, "BMCs of deliveries "+nameSome(scope.Deliveries, 8))
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, ", ")
}
