// Package claims decides which machines the Workloads with spec.run have. The package is pure.
//
// WhyNotFree says of one machine why no Workload may claim it, and WhyNotFor why one Workload may not. Choose then gives every Workload its machines, from the
// claims that exist and the free machines. The daemon and the plan of a pull request both call Choose: do not choose a
// machine elsewhere.
package claims

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/schemas"
)

// MaxLost is how many runs in a row a machine may lose before it is not claimed any more, until `ingot retry HOST`.
const MaxLost = 3

// Machine is one machine of the fleet, as far as claims depend on it.
type Machine struct {
	Desired inventory.Desired
	Record  inventory.Record
	// Held says why the machine waits for a person; "" when it does not, or when no look has said so.
	Held string
	// Unready says why the machine is not taken now, although it may keep its claim: no look has seen it since the start,
	// its BMC does not answer, it is being inspected.
	Unready string
}

// WhyNotFree says why no Workload may claim a machine, or "" for a free one. Every run on the machine obeys the same
// rule at each look, so a machine that stops to be free gets no run. The first row that fits decides:
//
//	the machine                                                  free
//	is orphaned, protected, or its lifecycle is not Managed      no
//	does not say spec.claimable: true                            no
//	is named by a workload, on the trunk or in its release       no
//	is in a ring                                                 no
//	is kept off by spec.offBy                                    no
//	has a record that cannot be read, or is from a page alone    no
//	holds an install of ours, or an operation is under way       no
//	holds a disk that an operation began to write                no
//	was not inspected, or its identity is not pinned             no
//	waits for a person                                           no
//	lost 3 runs in a row                                         no
//	any other                                                    yes
func WhyNotFree(m Machine) string {
	d, r := m.Desired, m.Record
	switch {
	case d.Lifecycle == "":
		return "its file is gone"
	case d.Protect:
		return "spec.protect is true"
	case d.Lifecycle != schemas.Managed:
		return "spec.lifecycle is " + d.Lifecycle
	case !d.Claimable:
		return "spec.claimable is not true"
	case d.Workload != nil || d.Named != "":
		return "its file names workload " + cmp.Or(d.Named, "another")
	case d.Ring != "":
		return "it is in ring " + d.Ring + ", and runs in rings are not supported yet"
	case len(d.OffBy) > 0:
		return "spec.offBy keeps it off"
	case d.BMC == nil:
		return "it has no spec.bmc"
	}
	return whyRecordNotFree(m, r)
}

// whyRecordNotFree says why what is known of a machine keeps it from being claimed, or "".
func whyRecordNotFree(m Machine, r inventory.Record) string {
	switch {
	case r.Unreadable != "":
		return "what is known of it cannot be read"
	case r.Recovered != nil && r.Run == nil:
		return "it is known from its page alone"
	case r.Installed != nil:
		return "a system that ingot installed is on its disk"
	case r.Operation != nil:
		return "an operation is under way"
	case r.Settings.IsUnderWay():
		return "its settings are being changed"
	case r.Last != nil && r.Last.HasBegun():
		return "an operation began to write to its disk, and did not end well"
	case r.Facts == nil:
		return "it was not inspected"
	case r.Stranger != nil:
		return "another machine was found in its place"
	case m.Held != "":
		return "it is held: " + m.Held
	case r.LostRuns >= MaxLost:
		return fmt.Sprintf("it lost %d runs in a row: look at it, then run `ingot retry %s`", r.LostRuns, m.Desired.Name)
	default:
		return ""
	}
}

// Wish is a Workload that wants machines, with the claims that it has, the oldest first.
type Wish struct {
	Work   runs.Work
	Claims []runs.Claim
	// Blocked says why the Workload claims nothing new, such as a batch that cannot be read; it keeps what it has.
	Blocked string
}

// Choice is what a Workload has after Choose.
type Choice struct {
	Claims []runs.Claim // the oldest first; a claim with Leaving is not counted in replicas
	// Taken and Released are the machines that came and went.
	Taken, Released []string
	// Matching is how many machines the selector fits, and NotFree why they are not free, by machine.
	Matching int
	NotFree  map[string]string
}

// Missing is how many machines a Workload lacks.
func (c Choice) Missing(w runs.Work) int {
	has := 0
	for _, claim := range c.Claims {
		if claim.Leaving == "" {
			has++
		}
	}
	return max(0, w.Replicas-has)
}

// Fleet is what Choose asks of the machines.
type Fleet struct {
	// Machines are all machines, by id.
	Machines map[string]Machine
	// Matches reports whether the selector of a Workload fits a machine.
	Matches func(runs.Work, Machine) bool
	Now     time.Time
}

// Choose gives every Workload its machines. No machine is in two Workloads; a Workload keeps what it has as long as the
// machine is free and selected; the order of the wishes does not matter. Claims that exist come first, then the higher
// priority, then the name. A Workload takes free machines with the fewest lost runs, then by id. A machine with a run
// under way leaves at the end of the run; with too many machines, idle ones leave first, then the newest.
func Choose(wishes []Wish, f Fleet) map[string]Choice {
	wishes = slices.SortedFunc(slices.Values(wishes), func(a, b Wish) int {
		return cmp.Or(cmp.Compare(b.Work.Priority, a.Work.Priority), strings.Compare(a.Work.Workload, b.Work.Workload))
	})
	taken := map[string]bool{}
	choices := make(map[string]Choice, len(wishes))
	for _, wish := range wishes { // claims that exist come before every new one
		choices[wish.Work.Workload] = keepClaims(wish, f, taken)
	}
	var free []string // machines that no Workload has
	for id, m := range f.Machines {
		if !taken[id] && m.Record.Run == nil && m.Unready == "" && WhyNotFree(m) == "" {
			free = append(free, id)
		}
	}
	slices.SortFunc(free, func(a, b string) int {
		return cmp.Or(cmp.Compare(f.Machines[a].Record.LostRuns, f.Machines[b].Record.LostRuns), strings.Compare(a, b))
	})
	for _, wish := range wishes {
		if c := choices[wish.Work.Workload]; wish.Blocked == "" && !wish.Work.Paused {
			left := slices.DeleteFunc(slices.Clone(free), func(id string) bool {
				return taken[id] || slices.Contains(c.Released, id) || !f.Matches(wish.Work, f.Machines[id]) ||
					WhyNotFor(wish.Work, f.Machines[id]) != ""
			})
			c.Taken = left[:min(len(left), c.Missing(wish.Work))]
			for _, id := range c.Taken {
				taken[id], c.Claims = true, append(c.Claims, newClaim(wish.Work, f.Machines[id], f.Now))
			}
			choices[wish.Work.Workload] = c
		}
	}
	return choices
}

// keepClaims keeps the claims of a Workload whose machines are still free and selected. A machine with a run stays until
// the end of the run.
func keepClaims(wish Wish, f Fleet, taken map[string]bool) Choice {
	var c Choice
	for _, claim := range wish.withRuns(f) {
		m, known := f.Machines[claim.Machine]
		runsHere := known && m.Record.Run != nil && m.Record.Run.Workload == wish.Work.Workload
		another := known && m.Record.Run != nil && !runsHere
		why := ""
		switch {
		case !known:
			why = "the machine is not in the fleet"
		case taken[claim.Machine] || another:
			why = "another workload has the machine"
		default:
			if why = cmp.Or(WhyNotFree(m), WhyNotFor(wish.Work, m)); why == "" && !f.Matches(wish.Work, m) {
				why = "no longer selected"
			}
		}
		if why != "" && !runsHere {
			c.Released = append(c.Released, claim.Machine)
			continue
		}
		claim.Leaving = why
		taken[claim.Machine] = true
		c.Claims = append(c.Claims, claim)
	}
	return dropSurplus(wish.Work, c, f, taken)
}

// withRuns are the claims of a Workload, with a claim for every machine that has a run of the Workload, as after a loss of
// the claims.
func (w Wish) withRuns(f Fleet) []runs.Claim {
	claims := slices.Clone(w.Claims)
	for _, id := range runningHere(w.Work, f) {
		if !slices.ContainsFunc(claims, func(c runs.Claim) bool { return c.Machine == id }) {
			claims = append(claims, runs.Claim{Machine: id, Since: f.Now})
		}
	}
	return claims
}

// dropSurplus releases machines beyond the replicas: idle ones first, then the newest claim after its run.
func dropSurplus(w runs.Work, c Choice, f Fleet, taken map[string]bool) Choice {
	surplus := -w.Replicas
	for _, claim := range c.Claims {
		if claim.Leaving == "" {
			surplus++
		}
	}
	for _, idle := range []bool{true, false} {
		for i := len(c.Claims) - 1; i >= 0 && surplus > 0; i-- {
			claim := c.Claims[i]
			if claim.Leaving != "" || (f.Machines[claim.Machine].Record.Run == nil) != idle {
				continue
			}
			surplus--
			if !idle {
				c.Claims[i].Leaving = "fewer replicas are wanted"
				continue
			}
			c.Claims, c.Released = slices.Delete(c.Claims, i, i+1), append(c.Released, claim.Machine)
			delete(taken, claim.Machine)
		}
	}
	return c
}

// runningHere lists the machines with a run of a Workload, sorted.
func runningHere(w runs.Work, f Fleet) (ids []string) {
	for id, m := range f.Machines {
		if m.Record.Run != nil && m.Record.Run.Workload == w.Workload {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Explain says for people which machines the selector of a Workload fits and why they are not free.
func Explain(w runs.Work, f Fleet) (matching int, notFree map[string]string) {
	notFree = map[string]string{}
	for id, m := range f.Machines {
		if !f.Matches(w, m) {
			continue
		}
		matching++
		if why := cmp.Or(WhyNotFree(m), WhyNotFor(w, m)); why != "" {
			notFree[id] = why
		}
	}
	return matching, notFree
}
