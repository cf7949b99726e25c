package settings_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/settings"
)

func number(n float64) *float64 { return &n }

// registry has one attribute of each kind. Cores is read-only while Mode is not Custom, and Secret is hidden.
func registry() *settings.Registry {
	r := &settings.Registry{Attributes: []settings.Entry{
		{AttributeName: "Virtualization", Type: "Enumeration", Value: []settings.EntryValue{{ValueName: "Enabled"}, {ValueName: "Disabled"}}},
		{AttributeName: "Rom", Type: "Enumeration", Value: []settings.EntryValue{{"1", "Force BIOS"}, {"0", "Keep Current"}}},
		{AttributeName: "Mode", Type: "Enumeration", Value: []settings.EntryValue{{ValueName: "Balanced"}, {ValueName: "Custom"}}},
		{AttributeName: "Cores", Type: "Integer", LowerBound: number(2), UpperBound: number(64), ScalarIncrement: number(2)},
		{AttributeName: "Quiet", Type: "Boolean"},
		{AttributeName: "Tag", Type: "String", MinLength: number(0), MaxLength: number(4)},
		{AttributeName: "Speed", Type: "String", ReadOnly: true},
		{AttributeName: "Admin", Type: "Password"},
		{AttributeName: "Lab", Type: "Boolean", Hidden: true},
		{AttributeName: "Absent", Type: "Boolean"},
	}}
	lock := settings.Dependency{Type: "Map"}
	lock.Dependency.MapFrom = []settings.Term{{MapFromAttribute: "Mode", MapFromProperty: "CurrentValue", MapFromCondition: "NEQ", MapFromValue: "Custom"}}
	lock.Dependency.MapToAttribute, lock.Dependency.MapToProperty, lock.Dependency.MapToValue = "Cores", "ReadOnly", true
	r.Dependencies = append(r.Dependencies, lock)
	return r
}

func reading() settings.Reading {
	current := map[string]any{"Virtualization": "Disabled", "Rom": "Force BIOS", "Mode": "Balanced", "Cores": 8.0, "Quiet": true, "Tag": "",
		"Speed": "3200", "Admin": nil, "Lab": false, "Unlisted": "a"}
	return settings.Reading{Current: current, Pending: map[string]any{"Quiet": false, "Virtualization": "Disabled"}, Registry: registry()}
}

func want(pairs ...any) settings.Wanted {
	w := settings.Wanted{Bios: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		w.Bios[pairs[i].(string)] = pairs[i+1]
	}
	return w
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		want    settings.Wanted
		differs string
		refused string // a part of each refusal, between |
		pending bool
	}{
		{"nothing wanted", want(), "", "", false},
		{"it holds", want("Virtualization", "Disabled", "Cores", 8.0, "Quiet", true), "", "", false},
		{"a read-only one that holds", want("Speed", "3200"), "", "", false},
		{"one differs", want("Virtualization", "Enabled"), "Virtualization: want Enabled, found Disabled", "", false},
		{"it is pending", want("Quiet", false), "Quiet: want false, found true", "", true},
		{"two, one pending", want("Quiet", false, "Virtualization", "Enabled"),
			"Quiet: want false, found true; Virtualization: want Enabled, found Disabled", "", false},
		{"texts of vars are read as the registry says", want("Quiet", "true", "Cores", "8"), "", "", false},
		{"by the name that people see", want("Rom", "Keep Current"), "Rom: want Keep Current, found Force BIOS", "", false},
		{"by the value's name, written as the machine writes it", want("Rom", "0"), "Rom: want Keep Current, found Force BIOS", "", false},
		{"an unknown name", want("Virtualisation", "Enabled"), "", "there is no BIOS attribute Virtualisation on this machine: the nearest are Virtualization", false},
		{"an unknown value", want("Virtualization", "On"), "", "does not take On: it takes Enabled, Disabled", false},
		{"two unknown ones, and all are named", want("Virtualization", "On", "Cores", 65.0), "",
			"Cores does not take 65: it takes a whole number from 2 to 64 in steps of 2|does not take On", false},
		{"out of step", want("Cores", 9.0), "", "does not take 9", false},
		{"no number", want("Cores", "many"), "", "does not take many", false},
		{"no truth value", want("Quiet", "often"), "", "it takes true or false", false},
		{"too long", want("Tag", "rack-1"), "", "a text with a length from 0 to 4", false},
		{"read-only", want("Speed", "6400"), "", "Speed is read-only: it is 3200 and stays so", false},
		{"hidden", want("Lab", true), "", "Lab is hidden", false},
		{"a password", want("Admin", "x"), "", "there is no BIOS attribute Admin|", false},
		{"not on this machine", want("Absent", true), "", "this machine does not show it", false},
		{"locked by another", want("Cores", 16.0), "", "Cores is read-only while Mode is Balanced", false},
		{"unlocked with it", want("Cores", 16.0, "Mode", "Custom"), "Cores: want 16, found 8; Mode: want Custom, found Balanced", "", false},
		{"not in the registry", want("Unlisted", "b"), "Unlisted: want b, found a", "", false},
	} {
		if test.name == "a password" {
			test.refused = "is a password"
		}
		got := settings.Compare(test.want, reading())
		if got.Describe() != test.differs || got.IsPending() != test.pending {
			t.Errorf("%s: Compare differs by %q, pending %v, want %q, %v", test.name, got.Describe(), got.IsPending(), test.differs, test.pending)
		}
		var refused []string
		if test.refused != "" {
			refused = strings.Split(test.refused, "|")
		}
		if len(got.Refused) != len(refused) {
			t.Errorf("%s: refused %q, want %d", test.name, got.Refused, len(refused))
			continue
		}
		for i, part := range refused {
			if !strings.Contains(got.Refused[i], part) {
				t.Errorf("%s: refused %q, want a text with %q", test.name, got.Refused[i], part)
			}
		}
		if holds := test.differs == "" && test.refused == ""; got.Holds() != holds {
			t.Errorf("%s: Holds() = %v", test.name, got.Holds())
		}
	}
}

// Without a registry names are known from the machine, and values are taken as they are.
func TestCompareWithoutARegistry(t *testing.T) {
	t.Parallel()
	r := reading()
	r.Registry = nil
	got := settings.Compare(want("Virtualization", "On", "Cores", "9", "Nothing", 1.0), r)
	if !got.Unchecked || len(got.Refused) != 1 || !strings.Contains(got.Refused[0], "no BIOS attribute Nothing") {
		t.Errorf("Compare = %+v", got)
	}
	got = settings.Compare(want("Virtualization", "On", "Cores", "9"), r)
	if got.Describe() != "Cores: want 9, found 8; Virtualization: want On, found Disabled" || got.Differs[0].Want != 9.0 {
		t.Errorf("Compare = %+v", got)
	}
}

func TestWhyNoPower(t *testing.T) {
	t.Parallel()
	work := func(job string, reset uint64) *settings.State {
		return &settings.State{Work: &settings.Work{Job: job, Reset: reset}}
	}
	job := func(state string) []settings.Job { return []settings.Job{{Path: "/t/1", Name: "BIOS", State: state}} }
	for _, test := range []struct {
		name   string
		jobs   []settings.Job
		state  *settings.State
		blocks bool
	}{
		{"none", nil, nil, false},
		{"somebody's runs", job("Running"), nil, true},
		{"somebody's begins", job("Starting"), nil, true},
		{"somebody's is new", job("New"), nil, true},
		{"an unknown state", job("Contemplating"), nil, true},
		{"stopping", job("Stopping"), nil, true},
		{"suspended", job("Suspended"), nil, true},
		{"waits for a reset", job("Pending"), nil, false},
		{"is scheduled", job("Scheduled"), nil, false},
		{"ended well", job("Completed"), nil, false},
		{"ended badly", job("Exception"), nil, false},
		{"ours waits for our reset, by another word", job("Starting"), work("/t/1", 0), false},
		{"ours runs", job("Running"), work("/t/1", 0), true},
		{"ours begins after our reset", job("Starting"), work("/t/1", 7), true},
		{"not ours", job("Starting"), work("/t/2", 0), true},
		{"the second runs", append(job("Pending"), settings.Job{Path: "/t/2", State: "Running", Percent: 40}), nil, true},
	} {
		why := settings.WhyNoPower(test.jobs, test.state)
		if (why != "") != test.blocks {
			t.Errorf("%s: WhyNoPower = %q, want blocked %v", test.name, why, test.blocks)
		}
	}
	if why := settings.WhyNoPower([]settings.Job{{Path: "/t/2", Name: "Update", State: "Running", Percent: 40}}, nil); why != "job /t/2 of the BMC (Update) says Running at 40%: no power command is sent until it ends" {
		t.Error(why)
	}
}

func TestADigestIsOfTheAttributesAlone(t *testing.T) {
	t.Parallel()
	list := []settings.Step{{Name: "a", Bios: map[string]any{"X": "1"}, InTurn: true, Seconds: 60}, {Name: "b", Bios: map[string]any{"Y": 2.0}, Seconds: 60}}
	all, turn := settings.Merge(list, false), settings.Merge(list, true)
	if all.Seconds != 120 || strings.Join(all.Describe(), " ") != "X=1 Y=2" || strings.Join(turn.Describe(), " ") != "X=1" {
		t.Errorf("Merge = %+v and %+v", all, turn)
	}
	renamed := settings.Merge([]settings.Step{{Name: "c", Bios: map[string]any{"Y": 2.0, "X": "1"}}}, false)
	if all.Digest() != renamed.Digest() || all.Digest() == turn.Digest() || len(all.Digest()) != 16 {
		t.Errorf("digests %s, %s, %s", all.Digest(), renamed.Digest(), turn.Digest())
	}
	if none := settings.Merge(nil, false); none.Digest() != "" || !none.Empty() {
		t.Errorf("the digest of nothing is %q", none.Digest())
	}
}
