package admit_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday

// machines are as many as there are states, called a, b and so on.
func machines(states ...admit.State) []admit.Machine {
	var all []admit.Machine
	for i, state := range states {
		down := state == admit.Changing || state == admit.Failed
		all = append(all, admit.Machine{Name: string(rune('a' + i)), Ring: "prod", State: state, Down: down})
	}
	return all
}

func ring(spec schemas.RingSpec) inventory.Ring {
	return inventory.Ring{Name: "prod", Spec: spec, Tag: "prod-2", Commit: "c2"}
}

// viewOf is a View of machines, by their names, each in the ring that it names.
func viewOf(fleet admit.Fleet, all ...admit.Machine) *admit.View {
	v := admit.New(0)
	fleet.Rings = maps.Clone(fleet.Rings)
	for _, m := range all {
		if r, there := fleet.Rings[m.Ring]; there {
			r.Hosts = append(slices.Clone(r.Hosts), inventory.MachineID(m.Name))
			fleet.Rings[m.Ring] = r
		}
		v.SetMachine(inventory.MachineID(m.Name), m)
	}
	v.SetFleet(fleet)
	return v
}

// TestTheTableOfAsk has every reason stand against a machine, one at a time: the answer is as the table in the doc
// says.
func TestTheTableOfAsk(t *testing.T) {
	t.Parallel()
	steps := []admit.Step{admit.Begin, admit.TakeDown, admit.HandOut, admit.Repeat, admit.Continue, admit.Disturb}
	table := map[admit.Reason]string{ // a row of the table, as many columns as steps
		admit.Frozen: "xxxx  ", admit.DiskShared: "xxxx  ", admit.FleetPaused: "xxxx x", admit.RingPaused: "xxxx x", admit.RingFailed: "x     ",
		admit.RingAfter: "x     ", admit.Canaries: "x     ", admit.Window: "xxx  x", admit.Unavailable: "x    x", admit.Places: "xxxxxx",
		admit.WorkloadFailed: "xxx   ", admit.ManyErases: "xxx   ", admit.DomainBusy: "xxxxxx",
	}
	disk := inventory.Disk{Serial: "S1", Size: 1 << 40}
	for _, reason := range admit.Reasons {
		fleet := admit.Fleet{Places: 9,
			Rings: map[string]inventory.Ring{"prod": ring(schemas.RingSpec{MaxUnavailable: "9"}),
				"first": {Name: "first", Commit: "c2"}}}
		m := admit.Machine{Name: "m", Ring: "prod", State: admit.Waiting,
			Facts: &inventory.Facts{Disks: []inventory.Disk{disk}}}
		other := admit.Machine{Name: "o", Ring: "prod", State: admit.Waiting}
		third := admit.Machine{Name: "t", Result: admit.Result{Inputs: "web", At: 2, Failed: true}}
		stand(t, reason, &fleet, &m, &other)
		v := viewOf(fleet, m, other, third)
		for i, step := range steps {
			want := admit.Reason("")
			if table[reason][i] == 'x' {
				want = reason
			}
			got := v.AskStep("m", admit.Question{Step: step, Erases: true, Disk: inventory.IdentifyDisks([]inventory.Disk{disk})[0].ID()}, noon)
			if got.Reason != want || (got.Why != "") != (want != "") || got.IsAllowed() != (want == "") {
				t.Errorf("%s against %s: %+v, want the reason %q", reason, step, got, want)
			}
			if takes := want == ""; got.Takes != takes {
				t.Errorf("%s against %s takes a place: %t, want %t", reason, step, got.Takes, takes)
			}
		}
	}
}

// A machine whose place went to others, while nobody knew that its agent is at work, counts, and writes only when one of the others is done.
func TestAMachineAtWorkWithoutAPlace(t *testing.T) {
	t.Parallel()
	fleet := admit.Fleet{Places: 3, DomainLabel: "rack", DomainLimit: 3}
	at := func(name string) admit.Machine {
		return admit.Machine{Name: name, Domain: "r1", State: admit.Changing, Working: true, Busy: true, Placed: true}
	}
	late := at("late")
	late.Placed, late.Lost, late.Waiting, late.Asked = false, true, true, admit.Question{Step: admit.Repeat}
	v := viewOf(fleet, at("a"), at("b"), at("c"), late)
	for step, want := range map[admit.Step]admit.Reason{admit.Repeat: admit.DomainBusy, admit.HandOut: admit.DomainBusy, admit.Continue: admit.DomainBusy} {
		if got := v.AskStep("late", admit.Question{Step: step}, noon); got.Reason != want {
			t.Errorf("%s beside three others: %+v, want %s", step, got, want)
		}
	}
	if got := v.AskStep("a", admit.Question{Step: admit.Repeat}, noon); !got.IsAllowed() || got.Takes {
		t.Errorf("a machine with a place: %+v", got)
	}
	if got := v.NextWaiting(noon); len(got) > 0 || v.FreePlaces() != 0 {
		t.Errorf("%d places are free, and %v go on", v.FreePlaces(), got)
	}
	done := at("c")
	done.Busy, done.Placed = false, false
	v.SetMachine("c", done)
	if got := v.AskStep("late", admit.Question{Step: admit.Repeat}, noon); !got.IsAllowed() || !got.Takes {
		t.Errorf("beside two others: %+v, want a place", got)
	}
	if got := v.NextWaiting(noon); !slices.Equal(got, []inventory.MachineID{"late"}) {
		t.Errorf("%v go on, want the machine that counts already", got)
	}
}

// stand has one reason stand against machine m.
func stand(t *testing.T, reason admit.Reason, fleet *admit.Fleet, m, other *admit.Machine) {
	t.Helper()
	prod := fleet.Rings["prod"]
	switch reason {
	case admit.Frozen:
		prod.Trouble = "tag v2 was moved"
	case admit.DiskShared:
		other.Facts = m.Facts
	case admit.FleetPaused:
		fleet.Paused = true
	case admit.RingPaused:
		prod.Spec.Paused = true
	case admit.RingFailed:
		other.State = admit.Failed
	case admit.RingAfter:
		prod.Spec.After, other.Ring = []string{"first"}, "first"
	case admit.Canaries:
		other.Canary = true
	case admit.Window:
		prod.Spec.Windows = []schemas.Window{{Start: "0 22 * * *", Duration: "4h"}}
	case admit.Unavailable:
		prod.Spec.MaxUnavailable, m.Serves, other.State, other.Down = "1", true, admit.Changing, true
	case admit.WorkloadFailed:
		failed := admit.Result{Inputs: "web", At: 1, Failed: true}
		m.Inputs, m.Result, other.Result = "web", failed, failed
	case admit.ManyErases:
		fleet.ErasesPerHour, other.Erased[0] = 1, noon.Add(-time.Minute).Unix()
	case admit.DomainBusy:
		fleet.DomainLabel, fleet.DomainLimit, m.Domain, other.Domain, other.Busy = "rack", 1, "r1", "r1", true
	case admit.Places:
		fleet.Places, other.Busy = 1, true
	default:
		t.Fatalf("nothing is known of reason %s", reason)
	}
	fleet.Rings["prod"] = prod
}

// TestAskToBegin asks whether the last of the machines may begin.
func TestAskToBegin(t *testing.T) {
	t.Parallel()
	const done, changing, failed, waiting, held, left = admit.Done, admit.Changing, admit.Failed, admit.Waiting, admit.Held, admit.Excluded
	night := []schemas.Window{{Start: "0 22 * * 1-5", Duration: "4h", Zone: "Europe/Berlin"}}
	day := []schemas.Window{{Start: "0 22 * * *", Duration: "1h"}, {Start: "30 11 * * 3", Duration: "31m"}}
	canaryFirst, canaryDone, aCanary := machines(waiting, waiting), machines(done, waiting), machines(waiting, waiting)
	canaryFirst[0].Canary, canaryDone[0].Canary, aCanary[0].Canary, aCanary[1].Canary = true, true, true, true
	tests := map[string]struct {
		spec     schemas.RingSpec
		machines []admit.Machine
		why      string
		opens    time.Time
	}{
		"the first one": {schemas.RingSpec{}, machines(waiting, waiting), "", time.Time{}},
		"one is down": {schemas.RingSpec{}, machines(changing, waiting),
			"ring prod may have 1 down for this rollout: a", time.Time{}},
		"one of two is down": {schemas.RingSpec{MaxUnavailable: "2"}, machines(changing, waiting), "",
			time.Time{}},
		"half of four": {schemas.RingSpec{MaxUnavailable: "50%"},
			machines(changing, changing, done,
				waiting), "ring prod may have 2 down for this rollout: a, b", time.Time{}},
		"a percentage below one": {schemas.RingSpec{MaxUnavailable: "1%"}, machines(done, waiting), "", time.Time{}},
		"a failure": {schemas.RingSpec{MaxUnavailable: "5"}, machines(failed, done, waiting),
			"ring prod is paused: a failed: release something that mends it, or see to the machine", time.Time{}},
		"a failure that is allowed": {schemas.RingSpec{MaxUnavailable: "5", PauseAfter: 2},
			machines(failed, done, waiting), "", time.Time{}},
		"itself failed": {schemas.RingSpec{}, machines(done, failed), "", time.Time{}},
		"paused": {schemas.RingSpec{Paused: true}, machines(done, failed),
			"ring prod is paused: spec.paused is true", time.Time{}},
		"others are left alone": {schemas.RingSpec{}, machines(left, held, waiting), "", time.Time{}},
		"after canaries": {schemas.RingSpec{}, canaryFirst, "the canaries of ring prod come first: a",
			time.Time{}},
		"canaries are done": {schemas.RingSpec{}, canaryDone, "", time.Time{}},
		"a canary":          {schemas.RingSpec{MaxUnavailable: "2"}, aCanary, "", time.Time{}},
		"window is closed": {schemas.RingSpec{Windows: night}, machines(waiting),
			"ring prod changes in its windows only", time.Date(2026, 3, 4, 21, 0, 0, 0, time.UTC)},
		"a window is open": {schemas.RingSpec{Windows: day}, machines(waiting), "", time.Time{}},
	}
	for name, test := range tests {
		m := &test.machines[len(test.machines)-1]
		m.Serves = true // it would take a system down
		v := viewOf(admit.Fleet{Places: 9, Rings: map[string]inventory.Ring{"prod": ring(test.spec)}}, test.machines...)
		if got := v.AskStep(inventory.MachineID(m.Name), admit.Question{Step: admit.Begin}, noon); got.Why != test.why ||
			!got.Until.Equal(test.opens) {
			t.Errorf("%s: %q, until %s; want %q, %s", name, got.Why, got.Until, test.why, test.opens)
		}
	}
}

// TestAskWhoHasAPlace has no place be free: who has one, or had one at its last look, goes on.
func TestAskWhoHasAPlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		m           admit.Machine
		begin, goOn bool
	}{
		"has none":          {admit.Machine{}, false, false},
		"has one":           {admit.Machine{Busy: true}, true, true},
		"had one":           {admit.Machine{Placed: true}, false, true},
		"may be written to": {admit.Machine{Working: true, Written: true}, false, false},
	} {
		test.m.Name = "m"
		v := viewOf(admit.Fleet{Places: 1}, test.m, admit.Machine{Name: "o", Busy: true})
		for step, want := range map[admit.Step]bool{admit.Begin: test.begin, admit.Continue: test.goOn,
			admit.HandOut: test.goOn, admit.TakeDown: test.goOn} {
			got := v.AskStep("m", admit.Question{Step: step}, noon)
			if got.IsAllowed() != want || got.Takes != (want && step == admit.Begin) {
				t.Errorf("%s: %s is answered with %+v, want it allowed: %t", name, step, got, want)
			}
		}
	}
}

// TestSurplus has more machines with a place than places, as after a restart: machines that may be written to keep theirs.
func TestSurplus(t *testing.T) {
	t.Parallel()
	v := viewOf(admit.Fleet{Places: 2}, admit.Machine{Name: "a", Busy: true}, admit.Machine{Name: "b", Busy: true},
		admit.Machine{Name: "c", Busy: true, Working: true, Written: true}, admit.Machine{Name: "d"})
	if got := v.Surplus(); !slices.Equal(got, []inventory.MachineID{"b"}) {
		t.Errorf("surplus %v, want b", got)
	}
	if got := viewOf(admit.Fleet{Places: 3}, admit.Machine{Name: "a", Busy: true}).Surplus(); got != nil {
		t.Errorf("surplus %v of places that suffice, want none", got)
	}
}

// TestAskInTheRamdisk has the window close on a machine that is to get its job: one that served, and has not failed
// yet, gets it.
func TestAskInTheRamdisk(t *testing.T) {
	t.Parallel()
	spec := schemas.RingSpec{Windows: []schemas.Window{{Start: "0 22 * * *", Duration: "4h"}}}
	for name, test := range map[string]struct {
		m    admit.Machine
		want admit.Reason
	}{
		"never served":        {admit.Machine{}, admit.Window},
		"served":              {admit.Machine{Serves: true}, ""},
		"served, tried again": {admit.Machine{Serves: true, Retries: true}, admit.Window},
	} {
		test.m.Name, test.m.Ring, test.m.State = "m", "prod", admit.Changing
		v := viewOf(admit.Fleet{Places: 1, Rings: map[string]inventory.Ring{"prod": ring(spec)}}, test.m)
		if got := v.AskStep("m", admit.Question{Step: admit.HandOut}, noon); got.Reason != test.want {
			t.Errorf("%s: %+v, want %q", name, got, test.want)
		}
	}
}

// TestFreshMachinesAreNotDown lets machines on which nothing ran begin, however many are under way.
func TestFreshMachinesAreNotDown(t *testing.T) {
	t.Parallel()
	v := viewOf(admit.Fleet{Places: 9, Rings: map[string]inventory.Ring{"prod": ring(schemas.RingSpec{})}},
		machines(admit.Changing, admit.Changing, admit.Waiting)...)
	if got := v.AskStep("c", admit.Question{Step: admit.Begin}, noon); !got.IsAllowed() {
		t.Errorf("a machine without a system waits: %+v", got)
	}
}

// TestAfter holds a ring until the one before it has completed the same release.
func TestAfter(t *testing.T) {
	t.Parallel()
	const done, changing, failed, held, left = admit.Done, admit.Changing, admit.Failed, admit.Held, admit.Excluded
	for name, test := range map[string]struct {
		tag, commit string
		machines    []admit.Machine
		why         string
	}{
		"done": {"canary-7", "c2", machines(done, left), ""},
		"under way": {"canary-7", "c2", machines(done, changing),
			"ring prod comes after ring canary, of which 1 of 2 hosts are done"},
		"held": {"canary-7", "c2", machines(done, held),
			"ring prod comes after ring canary, of which 1 of 2 hosts are done"},
		"failed": {"canary-7", "c2", machines(done, failed),
			"ring prod comes after ring canary, which is paused: b failed: release something that mends it, or see to the machine"},
		"another one": {"canary-6", "c1", machines(done, done),
			"ring prod comes after ring canary, which runs canary-6"},
		"none":           {"", "", machines(left, left), "ring prod comes after ring canary, which runs nothing yet"},
		"it has a trunk": {"", "c3", machines(done, done), ""},
	} {
		rings := map[string]inventory.Ring{"prod": ring(schemas.RingSpec{After: []string{"canary"}}),
			"canary": {Name: "canary", Tag: test.tag, Commit: test.commit}}
		for i := range test.machines {
			test.machines[i].Ring = "canary"
		}
		v := viewOf(admit.Fleet{Places: 9, Rings: rings},
			append(test.machines, admit.Machine{Name: "m", Ring: "prod", State: admit.Waiting})...)
		if got := v.AskStep("m", admit.Question{Step: admit.Begin}, noon); got.Why != test.why {
			t.Errorf("%s: %q, want %q", name, got.Why, test.why)
		}
	}
}

// TestAfterAnEmptyRing keeps the order of rings where the ring between two others has no host with the release.
func TestAfterAnEmptyRing(t *testing.T) {
	t.Parallel()
	const why = "ring prod comes after ring canary, of which 0 of 1 hosts are done"
	for name, test := range map[string]struct {
		between []admit.State
		canary  admit.State
		why     string
	}{
		"no host between, the canary is under way":     {nil, admit.Changing, why},
		"excluded between, the canary is under way":    {[]admit.State{admit.Excluded}, admit.Changing, why},
		"no host between, the canary is done":          {nil, admit.Done, ""},
		"a host between is done, the canary goes on":   {[]admit.State{admit.Done}, admit.Changing, ""},
		"a host between is not done, the canary is so": {[]admit.State{admit.Waiting}, admit.Done, "ring prod comes after ring early, of which 0 of 1 hosts are done"},
	} {
		release := func(spec schemas.RingSpec) inventory.Ring {
			r := ring(spec)
			r.Tag, r.Commit = "", ring(schemas.RingSpec{}).Commit
			return r
		}
		all := []admit.Machine{{Name: "m", Ring: "prod", State: admit.Waiting}, {Name: "c", Ring: "canary", State: test.canary}}
		for _, m := range machines(test.between...) {
			m.Ring = "early"
			all = append(all, m)
		}
		v := viewOf(admit.Fleet{Places: 9, Rings: map[string]inventory.Ring{
			"prod":  release(schemas.RingSpec{After: []string{"early"}}),
			"early": release(schemas.RingSpec{After: []string{"canary"}}), "canary": release(schemas.RingSpec{})}}, all...)
		if got := v.AskStep("m", admit.Question{Step: admit.Begin}, noon); got.Why != test.why {
			t.Errorf("%s: %q, want %q", name, got.Why, test.why)
		}
	}
}

// TestProgressNamesHosts counts a ring's machines, and names them in the order of their names.
func TestProgressNamesHosts(t *testing.T) {
	t.Parallel()
	all := machines(admit.Done, admit.Changing, admit.Failed, admit.Held, admit.Waiting, admit.Excluded, admit.Changing)
	slices.Reverse(all)
	p := viewOf(admit.Fleet{Rings: map[string]inventory.Ring{"prod": ring(schemas.RingSpec{PauseAfter: 2})}},
		all...).RingsProgress()["prod"]
	if p.Done != 1 || p.Waiting != 1 || strings.Join(p.Changing, "") != "bg" || p.IsComplete() || p.Paused != "" ||
		p.Hosts != 7 {
		t.Errorf("progress is %+v", p)
	}
}

// TestNext wakes as many as there are places, of those whose turn it is.
func TestNext(t *testing.T) {
	t.Parallel()
	all := machines(admit.Waiting, admit.Waiting, admit.Waiting, admit.Changing, admit.Waiting)
	for i := range all {
		all[i].Waiting = true
	}
	all[0].Ring, all[2].Waiting, all[3].Working, all[3].Ring = "stopped", false, true, "stopped"
	all[3].Asked.Step = admit.Continue
	rings := map[string]inventory.Ring{"prod": ring(schemas.RingSpec{}),
		"stopped": {Name: "stopped", Spec: schemas.RingSpec{Paused: true}}}
	for places, want := range map[int][]inventory.MachineID{0: nil, 2: {"b", "d"}, 9: {"b", "d", "e"}} {
		if got := viewOf(admit.Fleet{Places: places, Rings: rings}, all...).NextWaiting(noon); !slices.Equal(got, want) {
			t.Errorf("with %d places: %v, want %v", places, got, want)
		}
	}
}

// TestSharedOtherDisk holds a machine for a further disk that another machine reports, as for the root disk.
func TestSharedOtherDisk(t *testing.T) {
	t.Parallel()
	root, data := inventory.Disk{Serial: "S1", Size: 1 << 40}, inventory.Disk{Serial: "S2", Size: 1 << 40}
	m := admit.Machine{Name: "m", State: admit.Waiting, Facts: &inventory.Facts{Disks: []inventory.Disk{root, data}}}
	other := admit.Machine{Name: "o", State: admit.Waiting, Facts: &inventory.Facts{Disks: []inventory.Disk{data}}}
	v := viewOf(admit.Fleet{Places: 9}, m, other)
	q := admit.Question{Step: admit.Begin, Disk: inventory.IdentifyDisks([]inventory.Disk{root})[0].ID()}
	if got := v.AskStep("m", q, noon); !got.IsAllowed() {
		t.Errorf("the root disk alone: %+v, want it allowed", got)
	}
	q.Others = admit.ListOthers([]inventory.DiskID{inventory.IdentifyDisks([]inventory.Disk{data})[0].ID()})
	if got := v.AskStep("m", q, noon); got.Reason != admit.DiskShared || !strings.Contains(got.Why, "Butane config") {
		t.Errorf("with the other disk: %+v, want %s", got, admit.DiskShared)
	}
}
