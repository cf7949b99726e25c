package inventory_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

func TestSuccessions(t *testing.T) {
	t.Parallel()
	type hosts = map[string][2]string // name → former name, declared serial
	type seen = map[string]string     // name → serial that an agent reported
	for name, test := range map[string]struct {
		hosts hosts
		seen  seen
		want  map[string]string
	}{
		"renamed":                              {hosts{"new": {"old", "A"}}, seen{"old": "A"}, map[string]string{"old": "new"}},
		"not confirmed":                        {hosts{"new": {"", "A"}}, seen{"old": "A"}, map[string]string{}},
		"of nothing that is known":             {hosts{"new": {"old", "A"}}, seen{}, map[string]string{}},
		"done already":                         {hosts{"new": {"old", "A"}}, seen{"new": "A", "old": "A"}, map[string]string{}},
		"the old name stays":                   {hosts{"new": {"old", "A"}, "old": {"", "A"}}, seen{"old": "A"}, map[string]string{}},
		"the old name is another machine's":    {hosts{"new": {"old", "A"}, "old": {"", "B"}}, seen{"old": "A"}, map[string]string{"old": "new"}},
		"the old name was another's all along": {hosts{"new": {"old", "A"}, "old": {"", "B"}}, seen{"old": "B"}, map[string]string{}},
		"nobody knows whose the record is":     {hosts{"new": {"old", "A"}, "old": {"", "B"}}, seen{"old": ""}, map[string]string{}},
		"without a serial":                     {hosts{"new": {"old", ""}}, seen{"old": "A"}, map[string]string{"old": "new"}},
		"names move up":                        {hosts{"b": {"a", "A"}, "c": {"b", "B"}}, seen{"a": "A", "b": "B"}, map[string]string{"a": "b", "b": "c"}},
		"names move up to one that is taken":   {hosts{"b": {"a", "A"}, "c": {"b", "B"}}, seen{"a": "A", "b": "B", "c": "C"}, map[string]string{}},
		"names are swapped":                    {hosts{"b": {"a", "A"}, "a": {"b", "B"}}, seen{"a": "A", "b": "B"}, map[string]string{}},
		"four names move up":                   {hosts{"b": {"a", "A"}, "c": {"b", "B"}, "d": {"c", "C"}, "e": {"d", "D"}}, seen{"a": "A", "b": "B", "c": "C", "d": "D"}, map[string]string{"a": "b", "b": "c", "c": "d", "d": "e"}},
		"the end of a row is taken":            {hosts{"b": {"a", "A"}, "c": {"b", "B"}, "d": {"c", "C"}, "z": {"y", "Y"}}, seen{"a": "A", "b": "B", "c": "C", "d": "D", "y": "Y"}, map[string]string{"y": "z"}},
		"a row bites its tail":                 {hosts{"b": {"a", "A"}, "c": {"b", "B"}, "a": {"c", "C"}}, seen{"a": "A", "b": "B", "c": "C"}, map[string]string{}},
		"taken back":                           {hosts{"old": {"new", "A"}}, seen{"new": "A"}, map[string]string{"new": "old"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired, records := map[string]inventory.Desired{}, map[string]inventory.Record{}
			for host, is := range test.hosts {
				desired[host] = inventory.Desired{Name: host, Former: is[0], Identity: schemas.Identity{Serial: is[1]}}
			}
			for host, serial := range test.seen {
				records[host] = inventory.Record{Host: host, Epoch: 1, Facts: &inventory.Facts{System: inventory.System{Serial: serial}}}
			}
			if diff := cmp.Diff(test.want, inventory.Successions(desired, records)); diff != "" {
				t.Errorf("Successions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTookOver(t *testing.T) {
	t.Parallel()
	facts := func(serial string) *inventory.Facts {
		return &inventory.Facts{System: inventory.System{Serial: serial}}
	}
	now := inventory.Record{Host: "new", Epoch: 3, Facts: facts("A"), Installed: &inventory.Installed{ID: "i"}, Last: &inventory.Operation{ID: "l"}, Formerly: []string{"old"}}
	ramdisk := &inventory.Boot{ID: "b", Target: inventory.FromRamdisk}
	for name, test := range map[string]struct {
		old  inventory.Record
		want bool
	}{
		"what is left of the former name": {inventory.Record{Host: "old", Epoch: 3, Facts: facts("A")}, true},
		"older still":                     {inventory.Record{Host: "old", Epoch: 1, Facts: facts("A")}, true},
		"nothing was known":               {inventory.Record{Host: "old"}, true},
		"somebody looked at something":    {inventory.Record{Host: "old", Epoch: 1}, false},
		"a consent was spent":             {inventory.Record{Host: "old", Spent: []string{"c"}}, false},
		"an install ended":                {inventory.Record{Host: "old", Last: &inventory.Operation{ID: "j"}}, false},
		"another machine":                 {inventory.Record{Host: "old", Epoch: 2, Facts: facts("B")}, false},
		"another system":                  {inventory.Record{Host: "old", Epoch: 2, Facts: facts("None"), Installed: &inventory.Installed{ID: "j"}}, false},
		"the same system":                 {inventory.Record{Host: "old", Epoch: 2, Installed: &inventory.Installed{ID: "i"}}, true},
		"under way":                       {inventory.Record{Host: "old", Epoch: 2, Facts: facts("A"), Operation: &inventory.Operation{}}, false},
		"an operation that ended":         {inventory.Record{Host: "old", Epoch: 2, Facts: facts("A"), Boot: ramdisk, Operation: &inventory.Operation{ID: "i"}}, true},
		"an operation that ended, of a machine without a serial": {inventory.Record{Host: "old", Epoch: 2, Facts: facts("None"), Operation: &inventory.Operation{ID: "l"}}, true},
		"an operation of nobody":                                 {inventory.Record{Host: "old", Epoch: 2, Facts: facts("A"), Boot: ramdisk, Operation: &inventory.Operation{ID: "j"}}, false},
		"an operation of another machine":                        {inventory.Record{Host: "old", Epoch: 2, Facts: facts("B"), Operation: &inventory.Operation{ID: "i"}}, false},
		"in the ramdisk":                                         {inventory.Record{Host: "old", Epoch: 3, Facts: facts("A"), Boot: ramdisk}, true},
		"in the ramdisk since":                                   {inventory.Record{Host: "old", Epoch: 4, Facts: facts("A"), Boot: ramdisk}, false},
		"another machine in the ramdisk":                         {inventory.Record{Host: "old", Epoch: 1, Facts: facts("B"), Boot: ramdisk}, false},
		"nobody knows which one, in the ramdisk":                 {inventory.Record{Host: "old", Epoch: 1, Boot: ramdisk}, false},
		"the same system, in the ramdisk":                        {inventory.Record{Host: "old", Epoch: 1, Boot: ramdisk, Installed: &inventory.Installed{ID: "i"}}, false},
		"newer":                                                  {inventory.Record{Host: "old", Epoch: 4, Facts: facts("A")}, false},
		"another name":                                           {inventory.Record{Host: "other", Epoch: 3, Facts: facts("A")}, false},
	} {
		if got := now.TookOver(test.old); got != test.want {
			t.Errorf("%s: TookOver = %t, want %t", name, got, test.want)
		}
	}
}

func TestRenamedKeepsTheEpochAndTheNames(t *testing.T) {
	t.Parallel()
	r := inventory.Record{Host: "a", Epoch: 5}
	for _, name := range []string{"b", "c", "a", "d", "e", "f", "g", "h", "i", "j"} {
		r = r.Renamed(name)
	}
	want := inventory.Record{Host: "j", Epoch: 5, Formerly: []string{"c", "a", "d", "e", "f", "g", "h", "i"}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("Renamed (-want +got):\n%s", diff)
	}
}

// TestThousandsOfRenames: what a commit costs does not grow with the square of what it renames. A square of these is minutes.
func TestThousandsOfRenames(t *testing.T) {
	t.Parallel()
	const hosts = 50_000
	name := func(i int) string { return fmt.Sprintf("h%05d", i) }
	desired, records := map[string]inventory.Desired{}, map[string]inventory.Record{}
	for i := range hosts {
		serial := fmt.Sprintf("SN%05d", i)
		records[name(i)] = inventory.Record{Host: name(i), Epoch: 1, Facts: &inventory.Facts{System: inventory.System{Serial: serial}}}
		desired[name(i+1)] = inventory.Desired{Name: name(i + 1), Former: name(i), Identity: schemas.Identity{Serial: serial}}
	}
	if got := inventory.Successions(desired, records); len(got) != hosts || got[name(7)] != name(8) {
		t.Errorf("Successions gives %d moves, want %d", len(got), hosts)
	}
	serials := inventory.Serials(records)
	for i := range hosts {
		if got := serials.Of(desired[name(i+1)]); got != name(i) {
			t.Fatalf("Of(%s) = %q, want %q", name(i+1), got, name(i))
		}
	}
}

func TestSerials(t *testing.T) {
	t.Parallel()
	known := func(serial string) inventory.Record {
		return inventory.Record{Facts: &inventory.Facts{System: inventory.System{Serial: serial}}}
	}
	serials := inventory.Serials(map[string]inventory.Record{"b": known(" abc "), "a": known("ABC"), "none": known("None"), "unseen": {}})
	for serial, want := range map[string]string{"Abc": "a", "abd": "", "none": "", "": ""} {
		if got := serials.Of(inventory.Desired{Identity: schemas.Identity{Serial: serial}}); got != want {
			t.Errorf("Of(%q) = %q, want %q", serial, got, want)
		}
	}
}
