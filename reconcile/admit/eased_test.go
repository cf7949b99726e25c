package admit_test

import (
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/schemas"
)

// TestEased has two fleets differ in one thing: the reasons that may stand less are as the table in the doc says.
func TestEased(t *testing.T) {
	t.Parallel()
	window := func(start string) []schemas.Window { return []schemas.Window{{Start: start, Duration: "1h"}} }
	for name, test := range map[string]struct {
		before, after schemas.RingSpec
		fleets        [2]admit.Fleet
		trouble       [2]string
		ring, all     []admit.Reason // for the ring, and for all machines
	}{
		"nothing":         {},
		"trusted again":   {trouble: [2]string{"moved", ""}, ring: []admit.Reason{admit.Frozen}},
		"not trusted":     {trouble: [2]string{"", "moved"}},
		"fleet goes on":   {fleets: [2]admit.Fleet{{Paused: true}, {}}, all: []admit.Reason{admit.FleetPaused}},
		"fleet is paused": {fleets: [2]admit.Fleet{{}, {Paused: true}}},
		"more at a time":  {fleets: [2]admit.Fleet{{Places: 1}, {Places: 2}}, all: []admit.Reason{admit.Places}},
		"ring goes on":    {before: schemas.RingSpec{Paused: true}, ring: []admit.Reason{admit.RingPaused}},
		"ring is paused":  {after: schemas.RingSpec{Paused: true}},
		"another window": {schemas.RingSpec{Windows: window("0 1 * * *")},
			schemas.RingSpec{Windows: window("0 2 * * *")}, [2]admit.Fleet{}, [2]string{}, []admit.Reason{admit.Window}, nil},
		"no window":      {before: schemas.RingSpec{Windows: window("0 1 * * *")}, ring: []admit.Reason{admit.Window}},
		"a first window": {after: schemas.RingSpec{Windows: window("0 1 * * *")}},
		"nothing before": {before: schemas.RingSpec{After: []string{"a"}}, ring: []admit.Reason{admit.RingAfter}},
		"another before": {after: schemas.RingSpec{After: []string{"a"}}},
		"canaries": {after: schemas.RingSpec{Canaries: schemas.Scope{AllHosts: true}},
			ring: []admit.Reason{admit.Canaries}},
		"more down":      {after: schemas.RingSpec{MaxUnavailable: "2"}, ring: []admit.Reason{admit.Unavailable}},
		"more may fail":  {after: schemas.RingSpec{PauseAfter: 2}, ring: []admit.Reason{admit.RingFailed}},
		"fewer may fail": {before: schemas.RingSpec{PauseAfter: 2}},
	} {
		var views [2]*admit.View
		for i, spec := range []schemas.RingSpec{test.before, test.after} {
			fleet := test.fleets[i]
			r := ring(spec)
			r.Trouble = test.trouble[i]
			fleet.Rings = map[string]inventory.Ring{"prod": r}
			views[i] = viewOf(fleet)
		}
		for ring, want := range map[string][]admit.Reason{"prod": test.ring, "": test.all} {
			var got []admit.Reason
			for _, reason := range admit.Reasons {
				if admit.IsEased(reason, ring, views[0], views[1]) {
					got = append(got, reason)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, ring %q: %v, want %v", name, ring, got, want)
			}
		}
	}
}

// TestFreed names the machines that a ring waits for no more.
func TestFreed(t *testing.T) {
	t.Parallel()
	before := machines(admit.Waiting, admit.Held, admit.Failed, admit.Excluded, admit.Waiting, admit.Waiting)
	before[4].Canary = true
	after := slices.Clone(before)
	after[0].Ring, after[1].State, after[4].Canary = "early", admit.Excluded, false
	after = slices.Delete(after, 2, 3)
	fleet := admit.Fleet{Rings: map[string]inventory.Ring{"prod": ring(schemas.RingSpec{}), "early": {Name: "early"}}}
	if got := admit.FreedMachines("prod", viewOf(fleet, before...), viewOf(fleet, after...)); !slices.Equal(got,
		[]string{"a", "b", "c", "e"}) {
		t.Errorf("Freed = %v", got)
	}
}

// TestBefore gives the rings that come before, also where they wait for each other.
func TestBefore(t *testing.T) {
	t.Parallel()
	v := viewOf(admit.Fleet{Rings: map[string]inventory.Ring{
		"c": {Spec: schemas.RingSpec{After: []string{"b", "a"}}}, "b": {Spec: schemas.RingSpec{After: []string{"a",
			"c"}}}, "a": {}, "d": {},
	}})
	if got := v.RingsBefore("c"); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("Before = %v", got)
	}
}
