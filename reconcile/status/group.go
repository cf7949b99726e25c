package status

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// MaxAlike is how many hosts with the same phase and cause are listed one by one; more are a group in a single line.
const MaxAlike = 10

// Group is the hosts of one phase for which the same one thing is to be done.
type Group struct {
	Phase plan.Phase
	Cause cause.Name // "" where nothing stops the hosts
	// Workload is set where the answer is one command for all hosts of the workload.
	Workload string
	Hosts    []Document // by name
}

// GroupHosts groups hosts: phases in PhaseOrder, then by cause and workload.
func GroupHosts(hosts []Document) []Group {
	type key struct {
		phase    plan.Phase
		cause    cause.Name
		workload string
	}
	byKey := map[key]*Group{}
	for _, d := range hosts {
		k := key{phase: d.Phase, cause: d.FindCause()}
		if d.Hold != nil && len(d.Hold.Consent) > 0 {
			k.workload = d.Workload
		}
		if byKey[k] == nil {
			byKey[k] = &Group{Phase: k.phase, Cause: k.cause, Workload: k.workload}
		}
		byKey[k].Hosts = append(byKey[k].Hosts, d)
	}
	var groups []Group
	for _, g := range byKey {
		slices.SortFunc(g.Hosts, func(a, b Document) int { return strings.Compare(a.Metadata.Label(), b.Metadata.Label()) })
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(rankPhase(a.Phase)-rankPhase(b.Phase), strings.Compare(string(a.Cause), string(b.Cause)),
			strings.Compare(a.Workload, b.Workload))
	})
	return groups
}

// SplitLarge gives the groups that are shown in a single line, and the ids of their hosts.
func SplitLarge(hosts []Document) (large []Group, grouped map[inventory.MachineID]bool) {
	grouped = map[inventory.MachineID]bool{}
	for _, g := range GroupHosts(hosts) {
		if len(g.Hosts) <= MaxAlike {
			continue
		}
		large = append(large, g)
		for _, d := range g.Hosts {
			grouped[d.Metadata.Host()] = true
		}
	}
	return large, grouped
}

// FindCause is the cause of a page; "" where nothing stops the host.
func (d Document) FindCause() cause.Name {
	switch {
	case d.Cause != nil:
		return d.Cause.Cause
	case d.Hold != nil: // a page of an earlier ingot
		return cause.Name(d.Hold.Reason)
	default:
		return ""
	}
}

// NameSome names the first hosts, and counts the rest.
func (g Group) NameSome() string {
	var names []string
	for _, d := range g.Hosts {
		names = append(names, d.Metadata.Label())
	}
	return nameSome(names, func(text string) string { return text })
}

// ListCommand is the command that lists the group's hosts one by one.
func (g Group) ListCommand() string {
	command := "ingot status --phase " + string(g.Phase)
	if g.Cause != "" {
		command += " --cause " + string(g.Cause)
	}
	return command
}

// Why says why the first host is where it is, in words; "" where nothing stops the hosts.
func (g Group) Why() string {
	first := g.Hosts[0]
	hold := ""
	if first.Hold != nil {
		hold = first.Hold.Message
	}
	why := cmp.Or(hold, first.Error, first.Waits, first.Pending)
	if trouble := first.SecretTrouble(); trouble != "" {
		why = strings.TrimPrefix(why+"; besides, the BMC is not asked: "+trouble, "; besides, ")
	}
	return why
}

// AllowCommand is the command that allows what the whole group waits for; "" without such a command.
func (g Group) AllowCommand() string {
	if g.Workload == "" {
		return ""
	}
	return "ingot consent --workload " + g.Workload
}
