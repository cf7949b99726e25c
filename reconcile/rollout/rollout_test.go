package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/rollout"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday

func members(states ...rollout.State) []rollout.Member {
	var all []rollout.Member
	for i, state := range states {
		m := rollout.Member{Host: string(rune('a' + i)), State: state}
		m.Down = state == rollout.Changing || state == rollout.Failed
		all = append(all, m)
	}
	return all
}

func ring(spec schemas.RingSpec, hosts int) inventory.Ring {
	r := inventory.Ring{Name: "prod", Spec: spec, Tag: "prod-2", Commit: "c2"}
	for i := range hosts {
		r.Hosts = append(r.Hosts, inventory.MachineID(rune('a'+i)))
	}
	return r
}

const (
	done     = rollout.Done
	changing = rollout.Changing
	failed   = rollout.Failed
	waiting  = rollout.Waiting
	held     = rollout.Held
	left     = rollout.Left
)

// TestTurn asks whether the last of the members may begin.
func TestTurn(t *testing.T) {
	t.Parallel()
	night := []schemas.Window{{Start: "0 22 * * 1-5", Duration: "4h", Zone: "Europe/Berlin"}}
	day := []schemas.Window{{Start: "0 22 * * *", Duration: "1h"}, {Start: "30 11 * * 3", Duration: "31m"}}
	canaryFirst := members(waiting, waiting)
	canaryFirst[0].Canary = true
	canaryDone := members(done, waiting)
	canaryDone[0].Canary = true
	aCanary := members(waiting, waiting)
	aCanary[0].Canary, aCanary[1].Canary = true, true
	tests := map[string]struct {
		spec    schemas.RingSpec
		members []rollout.Member
		why     string
		opens   time.Time
	}{
		"the first one":             {schemas.RingSpec{}, members(waiting, waiting), "", time.Time{}},
		"one is down":               {schemas.RingSpec{}, members(changing, waiting), "ring prod may have 1 down for this rollout: a", time.Time{}},
		"one of two is down":        {schemas.RingSpec{MaxUnavailable: "2"}, members(changing, waiting), "", time.Time{}},
		"half of four":              {schemas.RingSpec{MaxUnavailable: "50%"}, members(changing, changing, done, waiting), "ring prod may have 2 down for this rollout: a, b", time.Time{}},
		"a percentage below one":    {schemas.RingSpec{MaxUnavailable: "1%"}, members(done, waiting), "", time.Time{}},
		"a failure":                 {schemas.RingSpec{MaxUnavailable: "5"}, members(failed, done, waiting), "ring prod is paused: a failed: release something that mends it, or see to the machine", time.Time{}},
		"a failure that is allowed": {schemas.RingSpec{MaxUnavailable: "5", PauseAfter: 2}, members(failed, done, waiting), "", time.Time{}},
		"itself failed":             {schemas.RingSpec{}, members(done, failed), "", time.Time{}},
		"paused":                    {schemas.RingSpec{Paused: true}, members(done, failed), "ring prod is paused: spec.paused is true", time.Time{}},
		"others are left alone":     {schemas.RingSpec{}, members(left, held, waiting), "", time.Time{}},
		"after canaries":            {schemas.RingSpec{}, canaryFirst, "the canaries of ring prod come first: a", time.Time{}},
		"canaries are done":         {schemas.RingSpec{}, canaryDone, "", time.Time{}},
		"a canary":                  {schemas.RingSpec{MaxUnavailable: "2"}, aCanary, "", time.Time{}},
		"window is closed":          {schemas.RingSpec{Windows: night}, members(waiting), "ring prod changes in its windows only", time.Date(2026, 3, 4, 21, 0, 0, 0, time.UTC)},
		"a window is open":          {schemas.RingSpec{Windows: day}, members(waiting), "", time.Time{}},
	}
	for name, test := range tests {
		m := test.members[len(test.members)-1]
		m.Down = true // it would take a system down
		p := rollout.Measure(ring(test.spec, len(test.members)), test.members)
		why, opens := rollout.Turn(m, p, nil, noon)
		if why != test.why || !opens.Equal(test.opens) {
			t.Errorf("%s: %q, opens %s; want %q, %s", name, why, opens, test.why, test.opens)
		}
	}
}

// TestFreshMachinesAreNotDown lets machines on which nothing ran begin, however many are under way.
func TestFreshMachinesAreNotDown(t *testing.T) {
	t.Parallel()
	p := rollout.Measure(ring(schemas.RingSpec{}, 3), members(changing, changing, waiting))
	if why, _ := rollout.Turn(rollout.Member{Host: "c", State: waiting}, p, nil, noon); why != "" {
		t.Errorf("a machine without a system waits: %s", why)
	}
}

// TestAfter holds a ring until the one before it has completed the same release.
func TestAfter(t *testing.T) {
	t.Parallel()
	late := ring(schemas.RingSpec{After: []string{"canary"}}, 1)
	tests := map[string]struct {
		tag, commit string
		members     []rollout.Member
		why         string
	}{
		"done":           {"canary-7", "c2", members(done, left), ""},
		"under way":      {"canary-7", "c2", members(done, changing), "ring prod comes after ring canary, of which 1 of 2 hosts are done"},
		"held":           {"canary-7", "c2", members(done, held), "ring prod comes after ring canary, of which 1 of 2 hosts are done"},
		"failed":         {"canary-7", "c2", members(done, failed), "ring prod comes after ring canary, which is paused: b failed: release something that mends it, or see to the machine"},
		"another one":    {"canary-6", "c1", members(done, done), "ring prod comes after ring canary, which runs canary-6"},
		"none":           {"", "", members(left, left), "ring prod comes after ring canary, which runs nothing yet"},
		"it has a trunk": {"", "c3", members(done, done), ""},
	}
	for name, test := range tests {
		before := inventory.Ring{Name: "canary", Tag: test.tag, Commit: test.commit, Hosts: []inventory.MachineID{"a", "b"}}
		all := map[string]rollout.Progress{"canary": rollout.Measure(before, test.members), "prod": rollout.Measure(late, members(waiting))}
		if why, _ := rollout.Turn(rollout.Member{Host: "a", State: waiting}, all["prod"], all, noon); why != test.why {
			t.Errorf("%s: %q, want %q", name, why, test.why)
		}
	}
}

// TestOf says how far a host is, from what is asked of it and what is known of it.
func TestOf(t *testing.T) {
	t.Parallel()
	asked := inventory.Desired{Name: "a", Lifecycle: schemas.Managed, Canary: true, RootDisk: &schemas.DiskHints{Serial: "S"}, Workload: &inventory.Workload{Name: "web", Inputs: "new"}}
	protected, idle := asked, asked
	protected.Protect = true
	idle.Workload = nil
	runs := func(inputs string) *inventory.Installed { return &inventory.Installed{ID: "i1", Inputs: inputs} }
	ended := func(outcome, inputs, content string) *inventory.Operation {
		return &inventory.Operation{ID: "o1", Stage: inventory.Ended, Outcome: outcome, Inputs: inputs, Content: content}
	}
	tests := map[string]struct {
		d           inventory.Desired
		rec         inventory.Record
		held, begun bool
		want        rollout.Member
	}{
		"fresh":                    {asked, inventory.Record{}, false, false, rollout.Member{State: waiting}},
		"runs the old":             {asked, inventory.Record{Installed: runs("old")}, false, false, rollout.Member{State: waiting}},
		"waits for a consent":      {asked, inventory.Record{Installed: runs("old")}, true, false, rollout.Member{State: held}},
		"runs the new":             {asked, inventory.Record{Installed: runs("new")}, false, false, rollout.Member{State: done}},
		"let begin":                {asked, inventory.Record{Installed: runs("old")}, false, true, rollout.Member{State: changing, Down: true}},
		"is being installed":       {asked, inventory.Record{Operation: &inventory.Operation{Inputs: "new", Content: "blank"}}, false, false, rollout.Member{State: changing}},
		"is being replaced":        {asked, inventory.Record{Operation: &inventory.Operation{Inputs: "new", Content: "install:i0"}}, true, false, rollout.Member{State: changing, Down: true}},
		"failed over a system":     {asked, inventory.Record{Last: ended(inventory.Quarantined, "new", "install:i0")}, false, false, rollout.Member{State: failed, Down: true}},
		"failed on a blank disk":   {asked, inventory.Record{Last: ended(inventory.Quarantined, "new", "blank")}, true, false, rollout.Member{State: failed}},
		"failed an older release":  {asked, inventory.Record{Last: ended(inventory.Quarantined, "old", "install:i0")}, false, false, rollout.Member{State: waiting, Down: true}},
		"protected":                {protected, inventory.Record{Installed: runs("old")}, false, false, rollout.Member{State: left}},
		"nothing is asked of it":   {idle, inventory.Record{Installed: runs("old")}, false, false, rollout.Member{State: left}},
		"its file is gone":         {inventory.Desired{Name: "a", Canary: true}, inventory.Record{Installed: runs("old")}, false, false, rollout.Member{State: left}},
		"superseded by the newest": {asked, inventory.Record{Installed: runs("old"), Last: ended(inventory.Superseded, "new", "install:i0")}, false, false, rollout.Member{State: waiting}},
	}
	for name, test := range tests {
		test.want.Host, test.want.Canary = "a", true
		if diff := cmp.Diff(test.want, rollout.Of(test.d, test.rec, test.held, test.begun)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestMeasureNamesHosts gives the same progress for every order of the hosts.
func TestMeasureNamesHosts(t *testing.T) {
	t.Parallel()
	all := members(done, changing, failed, held, waiting, left, changing)
	p := rollout.Measure(ring(schemas.RingSpec{PauseAfter: 2}, len(all)), all)
	all[1], all[6] = all[6], all[1]
	again := rollout.Measure(ring(schemas.RingSpec{PauseAfter: 2}, len(all)), all)
	if p.Done != 1 || p.Waiting != 1 || strings.Join(p.Changing, "") != "bg" || strings.Join(again.Changing, "") != "bg" || p.Complete() || p.Paused != "" {
		t.Errorf("progress is %+v, then %+v", p, again)
	}
}
