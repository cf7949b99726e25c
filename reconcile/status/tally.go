package status

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/reconcile/plan"
)

// Tally counts hosts by ring and phase. Hosts without a ring are in the ring "".
type Tally map[string]map[plan.Phase]int

// CountHosts counts hosts by ring and phase.
func CountHosts(hosts []Document) Tally {
	t := Tally{}
	for _, d := range hosts {
		if t[d.Ring] == nil {
			t[d.Ring] = map[plan.Phase]int{}
		}
		t[d.Ring][d.Phase]++
	}
	return t
}

// ListRings gives the rings by name, as columns of a table: no ring when there are too many, or no host has a ring.
func (t Tally) ListRings() []string {
	const most = 12
	rings := slices.Sorted(maps.Keys(t))
	if len(rings) == 1 && rings[0] == "" || len(rings) > most {
		return nil
	}
	return rings
}

// CountPhase gives the number of hosts in a phase.
func (t Tally) CountPhase(phase plan.Phase) (n int) {
	for _, phases := range t {
		n += phases[phase]
	}
	return n
}

// CountInRing gives the number of a ring's hosts in a phase.
func (t Tally) CountInRing(phase plan.Phase, ring string) int { return t[ring][phase] }
