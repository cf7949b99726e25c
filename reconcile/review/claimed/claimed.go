// Package claimed says what a change of the fleet means for Workloads with spec.run: which machines they claim and give
// back, and whether a batch begins. Call Compare. Package review shows it in the plan of a pull request; package claims
// decides, for the daemon too. Pure.
package claimed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
)

// Known is what the status branch knows.
type Known struct {
	Records    map[inventory.MachineID]inventory.Record
	Unreadable map[inventory.MachineID]string // why the page of a host cannot be read
	Runs       []runs.State
}

// Change is what a change means for a Workload with spec.run: which machines it claims and gives back, and whether a
// batch begins. A disk is written only by a Workload that boots a kernel or an ISO of its own, whose Lines say so.
type Change struct {
	Workload string   `json:"workload"`
	Lines    []string `json:"lines"`
}

// Compare lists what a change means for the Workloads with runs. Machines count as free as far as their pages say: the
// daemon leaves a machine alone that runs or does not answer.
func Compare(base, head inventory.Fleet, is Known) (all []Change) {
	if len(base.Runs)+len(head.Runs) == 0 {
		return nil
	}
	states := map[string]runs.State{}
	for _, s := range is.Runs {
		states[s.Workload] = s
	}
	before := chooseMachines(base, is, states)
	for name, c := range before { // what the daemon has done by the time of the merge
		s := states[name]
		s.Claims = c.Claims
		states[name] = s
	}
	after := chooseMachines(head, is, states)
	for _, name := range sortedNames(base.Runs, head.Runs) {
		c := Change{Workload: name}
		was, had := base.Runs[name]
		now, has := head.Runs[name]
		switch {
		case !has:
			c.add("no more runs begin; those under way end")
			c.addMachines(base, "gives back", machinesOf(before[name]))
		case !had:
			c.add("at most %d machines", now.Replicas)
			c.addBatch(states[name], now)
		default:
			c.addTerms(was, now)
			if was.Batch != now.Batch {
				c.addBatch(states[name], now)
			}
		}
		changed := len(c.Lines) > 0 || !slices.Equal(machinesOf(before[name]), machinesOf(after[name]))
		if has {
			c.addClaims(head, before[name], after[name])
			c.addMissing(head, now, after[name], is)
		}
		if changed {
			all = append(all, c)
		}
	}
	return all
}

func (c *Change) add(format string, args ...any) {
	c.Lines = append(c.Lines, fmt.Sprintf(format, args...))
}

// addBatch says whether the batch of head begins, or is over already.
func (c *Change) addBatch(s runs.State, w runs.Work) {
	s.Workload = w.Workload
	switch next := s.Follow(w, time.Time{}); {
	case s.Unreadable != "":
		c.add("nothing begins: its batch cannot be read")
	case next.Batch.IsOver():
		c.add("the batch ended earlier: nothing begins; another spec.run.batch begins it anew")
	default:
		c.add("a batch of %d items begins; one before it starts no more runs", w.Count())
		if w.BootsOwn() {
			c.add("its %s may write to every disk: only machines whose disks are all blank are claimed", w.Form())
		}
		if w.ISO != nil {
			c.add("who signed the loader of its ISO is not known: with Secure Boot on the firmware decides")
		}
	}
}

// addClaims says which machines come and go.
func (c *Change) addClaims(head inventory.Fleet, before, after claims.Choice) {
	was, now := machinesOf(before), machinesOf(after)
	come := slices.DeleteFunc(slices.Clone(now), func(id string) bool { return slices.Contains(was, id) })
	var leave []string
	for _, claim := range after.Claims {
		if claim.Leaving != "" {
			leave = append(leave, claim.Machine)
		}
	}
	gone := slices.DeleteFunc(slices.Clone(was), func(id string) bool {
		return slices.Contains(now, id) || slices.Contains(leave, id)
	})
	c.addMachines(head, "claims", come)
	c.addMachines(head, "gives back at once", gone)
	c.addMachines(head, "gives back after the run under way", leave)
}

// addMissing says how many machines are missing, and why machines that the selector fits are not free.
func (c *Change) addMissing(head inventory.Fleet, w runs.Work, after claims.Choice, is Known) {
	if lacks := after.Missing(w); lacks > 0 {
		matching, notFree := claims.Explain(w, claims.Fleet{Machines: claimable(head, is), Matches: claims.NewSelector().Matches})
		c.add("%d more machines are wanted: the selector fits %d", lacks, matching)
		const most = 5
		for i, id := range slices.Sorted(maps.Keys(notFree)) {
			if i == most {
				c.add("…and %d more that are not free", len(notFree)-most)
				break
			}
			c.add("%s is not free: %s", head.Hosts[inventory.MachineID(id)].Label(), notFree[id])
		}
	}
}

// addMachines names machines behind a verb.
func (c *Change) addMachines(fleet inventory.Fleet, verb string, ids []string) {
	if len(ids) == 0 {
		return
	}
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		name := id
		if d, known := fleet.Hosts[inventory.MachineID(id)]; known {
			name = d.Label()
		}
		names = append(names, name)
	}
	slices.Sort(names)
	const most = 20
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	c.add("%s %s%s", verb, strings.Join(names, ", "), more)
}

// machinesOf are the machines that stay with a Workload.
func machinesOf(c claims.Choice) (ids []string) {
	for _, claim := range c.Claims {
		if claim.Leaving == "" {
			ids = append(ids, claim.Machine)
		}
	}
	return ids
}

// chooseMachines gives every Workload of a fleet its machines, as the daemon does.
func chooseMachines(fleet inventory.Fleet, is Known, states map[string]runs.State) map[string]claims.Choice {
	var wishes []claims.Wish
	for name, w := range fleet.Runs {
		s := states[name]
		s.Workload = name
		w.Replicas = s.Follow(w, time.Time{}).Replicas(w)
		wishes = append(wishes, claims.Wish{Work: w, Claims: s.Claims, Blocked: s.Unreadable})
	}
	return claims.Choose(wishes, claims.Fleet{Machines: claimable(fleet, is), Matches: claims.NewSelector().Matches})
}

// claimable are the machines that claims may depend on.
func claimable(fleet inventory.Fleet, is Known) map[string]claims.Machine {
	machines := map[string]claims.Machine{}
	for id, d := range fleet.Hosts {
		record := is.Records[id]
		record.Unreadable = is.Unreadable[id]
		if d.Claimable || record.Run != nil {
			machines[string(id)] = claims.Machine{Desired: d, Record: record}
		}
	}
	return machines
}

func sortedNames(a, b map[string]runs.Work) []string {
	names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(names)
	return slices.Compact(names)
}
