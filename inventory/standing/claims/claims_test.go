package claims_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/inventory/standing/claims"
	"github.com/gitmetal/ingot/schemas"
)

// free is a machine that may be claimed.
func free(id string) claims.Machine {
	return claims.Machine{
		Desired: inventory.Desired{ID: inventory.MachineID(id), Name: id, Lifecycle: schemas.Managed, Claimable: true,
			BMC: &schemas.BMC{}, Labels: map[string]string{"pool": "batch"}},
		Record: inventory.Record{ID: inventory.MachineID(id), Facts: &inventory.Facts{Memory: 64 << 30}},
	}
}

// TestWhatIsNotFree has a row for every row of WhyNotFree's table.
func TestWhatIsNotFree(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*claims.Machine){
		"orphaned":             func(m *claims.Machine) { m.Desired.Lifecycle = "" },
		"protected":            func(m *claims.Machine) { m.Desired.Protect = true },
		"adopted":              func(m *claims.Machine) { m.Desired.Lifecycle = schemas.Adopted },
		"retired":              func(m *claims.Machine) { m.Desired.Lifecycle = schemas.Retired },
		"not claimable":        func(m *claims.Machine) { m.Desired.Claimable = false },
		"named on the trunk":   func(m *claims.Machine) { m.Desired.Named = "web" },
		"named in the release": func(m *claims.Machine) { m.Desired.Workload = &inventory.Workload{Name: "web"} },
		"in a ring":            func(m *claims.Machine) { m.Desired.Ring = "prod" },
		"kept off":             func(m *claims.Machine) { m.Desired.OffBy = []string{"ups"} },
		"without a BMC":        func(m *claims.Machine) { m.Desired.BMC = nil },
		"unreadable":           func(m *claims.Machine) { m.Record.Unreadable = "a newer ingot wrote it" },
		"known from its page":  func(m *claims.Machine) { m.Record.Recovered = &inventory.Recovered{} },
		"in service":           func(m *claims.Machine) { m.Record.Installed = &inventory.Installed{} },
		"under way":            func(m *claims.Machine) { m.Record.Operation = &inventory.Operation{} },
		"settings are changed": func(m *claims.Machine) { m.Record.Settings = &settings.State{Work: &settings.Work{}} },
		"a disk has begun": func(m *claims.Machine) {
			m.Record.Last = &inventory.Operation{Outcome: inventory.Quarantined, Disks: []inventory.OperationDisk{{Begun: 1}}}
		},
		"not inspected":          func(m *claims.Machine) { m.Record.Facts = nil },
		"another machine":        func(m *claims.Machine) { m.Record.Stranger = &inventory.Stranger{} },
		"held":                   func(m *claims.Machine) { m.Held = "the machine runs and ingot did not start it" },
		"lost three runs in row": func(m *claims.Machine) { m.Record.LostRuns = claims.MaxLost },
	} {
		m := free("m1")
		change(&m)
		if claims.WhyNotFree(m) == "" {
			t.Errorf("%s: the machine is free", name)
		}
	}
	if why := claims.WhyNotFree(free("m1")); why != "" {
		t.Errorf("a free machine is not free: %s", why)
	}
}

func wish(name string, replicas int, held ...string) claims.Wish {
	w := claims.Wish{Work: runs.Work{Workload: name, Replicas: replicas, MatchLabels: map[string]string{"pool": "batch"}}}
	for _, machine := range held {
		w.Claims = append(w.Claims, runs.Claim{Machine: machine})
	}
	return w
}

func machines(ids ...string) map[string]claims.Machine {
	all := map[string]claims.Machine{}
	for _, id := range ids {
		all[id] = free(id)
	}
	return all
}

func choose(all map[string]claims.Machine, wishes ...claims.Wish) map[string]claims.Choice {
	return claims.Choose(wishes, claims.Fleet{Machines: all, Matches: claims.NewSelector().Matches, Now: time.Unix(1, 0)})
}

func has(c claims.Choice) string {
	text := ""
	for _, claim := range c.Claims {
		text += claim.Machine
		if claim.Leaving != "" {
			text += "-"
		}
		text += " "
	}
	return text
}

// TestReplicasUpAndDown: 2 → 4 → 1. The idle one and the newest leave first; a machine with a run ends its run.
func TestReplicasUpAndDown(t *testing.T) {
	t.Parallel()
	all := machines("a", "b", "c", "d", "e")
	first := choose(all, wish("pi", 2))["pi"]
	if got := has(first); got != "a b " {
		t.Fatalf("2 replicas: %s", got)
	}
	second := choose(all, wish("pi", 4, "a", "b"))["pi"]
	if got := has(second); got != "a b c d " || len(second.Taken) != 2 {
		t.Fatalf("4 replicas: %s, taken %v", got, second.Taken)
	}
	for _, id := range []string{"a", "c", "d"} {
		m := all[id]
		m.Record.Run = &runs.UnderWay{Run: runs.Run{ID: "r-" + id, Workload: "pi", Machine: id}, Stage: runs.Running}
		all[id] = m
	}
	third := choose(all, wish("pi", 1, "a", "b", "c", "d"))["pi"]
	if got := has(third); got != "a c- d- " || !slices.Equal(third.Released, []string{"b"}) {
		t.Errorf("1 replica: %s, released %v, want the idle b gone, and c and d to leave after their runs", got, third.Released)
	}
}

// TestWhoGetsTheMachine: the claim that exists, then priority, then the name. Nobody is pushed out.
func TestWhoGetsTheMachine(t *testing.T) {
	t.Parallel()
	all := machines("a")
	if got := choose(all, wish("x", 1), wish("y", 1)); has(got["x"]) != "a " || has(got["y"]) != "" || got["y"].Missing(wish("y", 1).Work) != 1 {
		t.Errorf("by name: x has %s, y has %s", has(got["x"]), has(got["y"]))
	}
	urgent := wish("y", 1)
	urgent.Work.Priority = 5
	if got := choose(all, wish("x", 1), urgent); has(got["y"]) != "a " {
		t.Errorf("by priority: y has %s", has(got["y"]))
	}
	if got := choose(all, wish("x", 1, "a"), urgent); has(got["x"]) != "a " || has(got["y"]) != "" {
		t.Errorf("a claim that exists: x has %s, y has %s", has(got["x"]), has(got["y"]))
	}
}

// TestAClaimFollowsItsMachine: a host file that names a machine wins at the end of the run; a lost claim is made anew
// from the run.
func TestAClaimFollowsItsMachine(t *testing.T) {
	t.Parallel()
	all := machines("a", "b")
	m := all["a"]
	m.Desired.Named = "web"
	all["a"] = m
	if got := choose(all, wish("pi", 1, "a"))["pi"]; has(got) != "b " {
		t.Errorf("an idle machine that a file names: %s, want b", has(got))
	}
	m.Record.Run = &runs.UnderWay{Run: runs.Run{ID: "r1", Workload: "pi", Machine: "a"}, Stage: runs.Running}
	all["a"] = m
	if got := choose(all, wish("pi", 1, "a"))["pi"]; has(got) != "a- b " {
		t.Errorf("a machine with a run that a file names: %s, want it to leave, and b in its place", has(got))
	}
	all = machines("a", "b")
	m = all["b"]
	m.Record.Run = &runs.UnderWay{Run: runs.Run{ID: "r1", Workload: "pi", Machine: "b"}, Stage: runs.Running}
	all["b"] = m
	if got := choose(all, wish("pi", 1))["pi"]; has(got) != "b " {
		t.Errorf("after the loss of the claims: %s, want the machine with the run", has(got))
	}
}

// TestAMachineWithFewLostRunsGoesFirst.
func TestAMachineWithFewLostRunsGoesFirst(t *testing.T) {
	t.Parallel()
	all := machines("a", "b")
	m := all["a"]
	m.Record.LostRuns = 1
	all["a"] = m
	if got := choose(all, wish("pi", 1))["pi"]; has(got) != "b " {
		t.Errorf("claims %s, want b", has(got))
	}
}

// TestSelectors: labels and a condition; a condition that cannot be decided selects nothing.
func TestSelectors(t *testing.T) {
	t.Parallel()
	s := claims.NewSelector()
	big := runs.Work{Workload: "w", When: "facts.memory >= 64 * 1024 * 1024 * 1024"}
	m := free("a")
	if !s.Matches(big, m) || s.Matches(runs.Work{Workload: "w"}, m) ||
		s.Matches(runs.Work{MatchLabels: map[string]string{"pool": "gpu"}}, m) {
		t.Error("the selector is wrong about labels, a condition, or an empty selector")
	}
	m.Record.Facts = nil
	if s.Matches(big, m) {
		t.Error("a machine without facts is selected by facts")
	}
	m.Record.Facts = &inventory.Facts{Memory: 1}
	if s.Matches(big, m) {
		t.Error("the kept answer outlived the facts")
	}
}

// TestClaims: whatever machines and wishes there are, no machine is claimed twice, nobody has more than it asked for,
// only free machines are taken, a second choice changes nothing, and no claim moves without a reason.
func TestClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, wishes := drawFleet(t)
		got := choose(all, wishes...)
		owner := map[string]string{}
		var again []claims.Wish
		for _, w := range wishes {
			name, staying := w.Work.Workload, 0
			for _, claim := range got[name].Claims {
				if other, twice := owner[claim.Machine]; twice {
					t.Fatalf("%s is claimed by %s and %s", claim.Machine, other, name)
				}
				owner[claim.Machine] = name
				if claim.Leaving == "" {
					staying++
				}
				if run := all[claim.Machine].Record.Run; run != nil && run.Workload != name {
					t.Fatalf("%s has a run of %s, and %s claims it", claim.Machine, run.Workload, name)
				}
			}
			if staying > w.Work.Replicas {
				t.Fatalf("%s has %d machines and asked for %d", name, staying, w.Work.Replicas)
			}
			for _, id := range got[name].Taken {
				if why := claims.WhyNotFree(all[id]); why != "" {
					t.Fatalf("%s takes %s, which is not free: %s", name, id, why)
				}
			}
			next := w
			next.Claims = got[name].Claims
			again = append(again, next)
		}
		for _, w := range wishes {
			if c := got[w.Work.Workload]; len(c.Taken) > 0 {
				checkReleases(t, w, c, all, owner)
			}
		}
		slices.Reverse(again) // the order of wishes does not matter
		for name, second := range choose(all, again...) {
			if has(second) != has(got[name]) {
				t.Fatalf("%s had %s, and has %s after a choice with nothing new", name, has(got[name]), has(second))
			}
		}
	})
}

// checkReleases: a Workload that takes a machine gave none up that it could have kept.
func checkReleases(t *rapid.T, w claims.Wish, c claims.Choice, all map[string]claims.Machine, owner map[string]string) {
	for _, id := range c.Released {
		m, known := all[id]
		if known && claims.WhyNotFree(m) == "" && m.Record.Run == nil && owner[id] == "" && claims.NewSelector().Matches(w.Work, m) {
			t.Fatalf("%s released %s without a reason, and took %v", w.Work.Workload, id, c.Taken)
		}
	}
}

func drawFleet(t *rapid.T) (map[string]claims.Machine, []claims.Wish) {
	all := map[string]claims.Machine{}
	names := []string{"x", "y", "z"}
	var ids []string
	for n := range rapid.IntRange(0, 8).Draw(t, "machines") {
		id := fmt.Sprint("m", n)
		m := free(id)
		m.Desired.Labels = map[string]string{"pool": rapid.SampledFrom([]string{"batch", "other"}).Draw(t, "pool")}
		m.Desired.Claimable = rapid.IntRange(0, 4).Draw(t, "claimable") > 0
		m.Record.LostRuns = rapid.IntRange(0, 3).Draw(t, "lost")
		if rapid.IntRange(0, 3).Draw(t, "runs") == 0 {
			m.Record.Run = &runs.UnderWay{Run: runs.Run{ID: "r-" + id, Machine: id, Workload: rapid.SampledFrom(names).Draw(t, "of")}}
		}
		all[id], ids = m, append(ids, id)
	}
	var wishes []claims.Wish
	for _, name := range names {
		w := wish(name, rapid.IntRange(0, 5).Draw(t, "replicas"))
		w.Work.Priority = rapid.IntRange(0, 1).Draw(t, "priority")
		for _, id := range append(ids, "gone") {
			if rapid.IntRange(0, 3).Draw(t, "held") == 0 {
				w.Claims = append(w.Claims, runs.Claim{Machine: id})
			}
		}
		wishes = append(wishes, w)
	}
	return all, wishes
}

// BenchmarkChoose: 10,000 machines and 10 selectors with conditions, after a change of one label.
func BenchmarkChoose(b *testing.B) {
	all := map[string]claims.Machine{}
	for n := range 10_000 {
		id := fmt.Sprintf("m%05d", n)
		m := free(id)
		m.Desired.Labels = map[string]string{"pool": fmt.Sprint("p", n%10)}
		all[id] = m
	}
	var wishes []claims.Wish
	for n := range 10 {
		w := wish(fmt.Sprint("w", n), 500)
		w.Work.MatchLabels, w.Work.When = nil, fmt.Sprintf(`labels.pool == "p%d" && facts.memory > 1024`, n)
		wishes = append(wishes, w)
	}
	f := claims.Fleet{Machines: all, Matches: claims.NewSelector().Matches}
	claims.Choose(wishes, f)
	for b.Loop() {
		m := all["m00001"]
		m.Desired.Labels = map[string]string{"pool": "p1", "round": fmt.Sprint(b.N)}
		all["m00001"] = m
		claims.Choose(wishes, f)
	}
}

// TestWhoMayBootAKernel has a row for every row of WhyNotFor's table: a kernel gets no machine with a disk that holds
// something, and a script does.
func TestWhoMayBootAKernel(t *testing.T) {
	t.Parallel()
	kernel := runs.Work{Workload: "own", Batch: "b1", Replicas: 1, Kernel: &runs.Kernel{}}
	iso := runs.Work{Workload: "own", Batch: "b1", Replicas: 1, ISO: &runs.Fetched{}}
	blank, data := inventory.Content{Blank: true}, inventory.Content{Signature: "1234567812345678"}
	disks := func(contents ...inventory.Content) (all []inventory.Disk) {
		for i, c := range contents {
			all = append(all, inventory.Disk{Serial: fmt.Sprintf("SN%d", i), Size: 1 << 30, Content: c})
		}
		return all
	}
	for name, test := range map[string]struct {
		work  runs.Work
		disks []inventory.Disk
		why   string
	}{
		"a script":                  {runs.Work{Workload: "pi", Replicas: 1}, disks(data), ""},
		"without a disk":            {kernel, nil, ""},
		"blank disks":               {kernel, disks(blank, blank), ""},
		"a disk that holds data":    {kernel, disks(blank, data), "its disk SN1 is not blank"},
		"an ISO, and blank disks":   {iso, disks(blank), ""},
		"an ISO, and data":          {iso, disks(data), "its disk SN0 is not blank, and the ISO of workload own may write to it"},
		"a disk that is unreadable": {kernel, disks(inventory.Content{Unreadable: "input/output error"}), "its disk SN0 is not blank"},
	} {
		m := free("m1")
		m.Record.Facts.Disks = test.disks
		why := claims.WhyNotFor(test.work, m)
		if (why == "") != (test.why == "") || !strings.HasPrefix(why, test.why) {
			t.Errorf("%s: %q, want %q", name, why, test.why)
		}
		fleet := claims.Fleet{Machines: map[string]claims.Machine{"m1": m}, Matches: func(runs.Work, claims.Machine) bool { return true }}
		taken := claims.Choose([]claims.Wish{{Work: test.work}}, fleet)[test.work.Workload].Taken
		_, notFree := claims.Explain(test.work, fleet)
		if (len(taken) == 1) != (test.why == "") || notFree["m1"] != why {
			t.Errorf("%s: taken %q, not free because %q", name, taken, notFree["m1"])
		}
		has := claims.Wish{Work: test.work, Claims: []runs.Claim{{Machine: "m1"}}}
		if left := claims.Choose([]claims.Wish{has}, fleet)[test.work.Workload].Released; (len(left) == 0) != (test.why == "") {
			t.Errorf("%s: a claim is released: %q", name, left)
		}
	}
}

// TestTheLookBeforeAKernel: what was blank before the claim is looked at again, once; a kernel of the same batch needs no look
// after it, and what it left is the batch's own.
func TestTheLookBeforeAKernel(t *testing.T) {
	t.Parallel()
	kernel := runs.Work{Workload: "own", Batch: "b1", Replicas: 1, Kernel: &runs.Kernel{}}
	m := free("m1")
	m.Record.Epoch, m.Record.Facts.Epoch = 4, 4
	claim := claims.Choose([]claims.Wish{{Work: kernel}}, claims.Fleet{Machines: map[string]claims.Machine{"m1": m},
		Matches: func(runs.Work, claims.Machine) bool { return true }})["own"].Claims[0]
	for name, test := range map[string]struct {
		work  runs.Work
		facts uint64
		ran   string
		want  bool
	}{
		"looked at before the claim":     {kernel, 4, "", true},
		"looked at after the claim":      {kernel, 5, "", false},
		"a run of the batch since":       {kernel, 4, "b1", false},
		"a run of another batch since":   {kernel, 4, "b0", true},
		"another batch, looked at since": {kernel, 6, "", false},
		"an ISO":                         {runs.Work{Workload: "own", Batch: "b1", ISO: &runs.Fetched{}}, 4, "", true},
		"a script":                       {runs.Work{Workload: "pi", Batch: "b1"}, 4, "", false},
	} {
		record := m.Record
		facts := *record.Facts
		facts.Epoch, record.Facts, record.Ran = test.facts, &facts, test.ran
		if got := claims.NeedsLook(test.work, claim, record); got != test.want {
			t.Errorf("%s: NeedsLook() = %t, want %t", name, got, test.want)
		}
	}
	data := free("m1")
	data.Record.Facts.Disks, data.Record.Ran = []inventory.Disk{{Serial: "SN0", Content: inventory.Content{Signature: "12"}}}, "b1"
	if why := claims.WhyNotFor(kernel, data); why != "" {
		t.Errorf("what a kernel of the batch left keeps the batch away: %s", why)
	}
}
