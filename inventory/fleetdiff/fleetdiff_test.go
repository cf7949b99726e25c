package fleetdiff_test

import (
	"maps"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/fleetdiff"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// fleet has one host, as a reader of a commit makes it: no value is shared with another fleet.
func fleet(commit string) inventory.Fleet {
	return inventory.Fleet{
		Commit: commit,
		Hosts: map[inventory.MachineID]inventory.Desired{"web-1": {
			ID: "web-1", Name: "web-1", Commit: commit, Release: commit, File: "hosts/web-1.yaml", Line: 1,
			Labels: map[string]string{"rack": "r1"}, BMC: &schemas.BMC{Address: "https://10.0.0.1", Credentials: "bmc"},
			Workload: &inventory.Workload{Name: "web", Inputs: "in", Secrets: []refs.Secret{{Name: "web", Key: "key"}}},
		}},
		Secrets: map[string]inventory.Sealed{"bmc": {Document: []byte("1")}, "web": {Document: []byte("1")},
			"other": {Document: []byte("1")}},
	}
}

func conditional(text string) []inventory.Step {
	return []inventory.Step{{Name: "check", When: []steps.Condition{{Text: text}}}}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	host := func(edit func(*inventory.Desired)) func(*inventory.Fleet) {
		return func(f *inventory.Fleet) {
			d := f.Hosts["web-1"]
			edit(&d)
			f.Hosts["web-1"] = d
		}
	}
	document := func(name string) func(*inventory.Fleet) {
		return func(f *inventory.Fleet) { f.Secrets[name] = inventory.Sealed{Document: []byte("2")} }
	}
	type answer struct{ concerns, bmc, moves bool }
	for name, test := range map[string]struct {
		edit func(*inventory.Fleet)
		want answer
	}{
		"nothing":                 {func(*inventory.Fleet) {}, answer{}},
		"the line":                {host(func(d *inventory.Desired) { d.Line = 9 }), answer{}},
		"the file":                {host(func(d *inventory.Desired) { d.File = "hosts/a/web-1.yaml" }), answer{moves: true}},
		"the name":                {host(func(d *inventory.Desired) { d.Name = "www-1" }), answer{concerns: true}},
		"a label":                 {host(func(d *inventory.Desired) { d.Labels["rack"] = "r2" }), answer{concerns: true}},
		"the address":             {host(func(d *inventory.Desired) { d.BMC.Address = "https://10.0.0.2" }), answer{concerns: true, bmc: true}},
		"a var that nothing uses": {host(func(d *inventory.Desired) { d.Vars = map[string]string{"site": "fra1"} }), answer{}},
		"a condition":             {host(func(d *inventory.Desired) { d.Workload.Steps = conditional("true") }), answer{concerns: true}},
		"no BMC":                  {host(func(d *inventory.Desired) { d.BMC = nil }), answer{concerns: true, bmc: true}},
		"the inputs":              {host(func(d *inventory.Desired) { d.Workload.Inputs = "on" }), answer{concerns: true}},
		"the BMC's Secret":        {document("bmc"), answer{concerns: true, bmc: true}},
		"the config's Secret":     {document("web"), answer{concerns: true}},
		"another Secret":          {document("other"), answer{}},
		"a Secret's scope": {func(f *inventory.Fleet) {
			f.Secrets["web"] = inventory.Sealed{Document: []byte("1"), Scope: schemas.Scope{AllHosts: true}}
		}, answer{concerns: true}},
		"the host's end": {func(f *inventory.Fleet) { clear(f.Hosts) }, answer{concerns: true, bmc: true, moves: true}},
		"another host": {func(f *inventory.Fleet) {
			f.Hosts["web-2"] = inventory.Desired{ID: "web-2"}
		}, answer{}},
		"the settings": {func(f *inventory.Fleet) { f.Settings.Paused = true }, answer{}},
	} {
		after := fleet("2")
		test.edit(&after)
		c := fleetdiff.Compare(fleet("1"), after)
		if got := (answer{c.Concerns("web-1"), c.ConcernsBMC("web-1"), c.Moves("web-1")}); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	asks := func(site string) inventory.Fleet {
		f := fleet("1")
		host(func(d *inventory.Desired) {
			d.Workload.Steps, d.Vars = conditional(`vars.site == "fra1"`), map[string]string{"site": site}
		})(&f)
		return f
	}
	if !fleetdiff.Compare(asks("fra1"), asks("fra2")).Concerns("web-1") || fleetdiff.Compare(asks("fra1"), asks("fra1")).Concerns("web-1") {
		t.Error("a var concerns a host with a condition when the var changes")
	}
	for id := range maps.Keys(fleet("1").Hosts) {
		if !fleetdiff.Compare(inventory.Fleet{}, fleet("1")).Concerns(id) {
			t.Errorf("the first fleet does not concern %s", id)
		}
	}
}

// TestNewTroubles: a ring whose tag was moved is told once, and told anew when it is for another reason.
func TestNewTroubles(t *testing.T) {
	t.Parallel()
	troubled := func(why string) inventory.Fleet {
		return inventory.Fleet{Rings: map[string]inventory.Ring{"prod": {Trouble: why}, "lab": {}}}
	}
	for _, test := range []struct{ before, after, want string }{
		{"", "", ""}, {"", "moved", "moved"}, {"moved", "moved", ""}, {"moved", "gone", "gone"}, {"moved", "", ""},
	} {
		got := fleetdiff.Compare(troubled(test.before), troubled(test.after)).NewTroubles()
		if got["prod"] != test.want || len(got) > 0 && test.want == "" {
			t.Errorf("%q → %q: %v, want %q", test.before, test.after, got, test.want)
		}
	}
}

// TestSharedDesiresCostNothing compares desires as the fleets of two commits share them.
func TestSharedDesiresCostNothing(t *testing.T) {
	before := fleet("c1").Hosts["web-1"]
	after := before
	after.Commit, after.Release, after.File, after.Line = "c2", "c2", "hosts/else.yaml", 7
	if n := testing.AllocsPerRun(100, func() {
		if !fleetdiff.AsksTheSame(before, after) {
			t.Fatal("another desire")
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
