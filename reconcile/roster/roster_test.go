package roster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/roster"
	"github.com/gitmetal/ingot/schemas"
)

// asks is what a host declares.
type asks struct{ formerly, serial string }

// is what is known under a name: the serial that its machine reported, "-" when the record is empty.
type is struct {
	serial string
	lost   bool
}

// told is a place in few words.
type told struct {
	heir, becomes, former, knownAs, contest string
	orphaned, reserved                      bool
}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fleet map[string]asks
		known map[string]is
		want  map[string]told
	}{
		"a new host":           {map[string]asks{"new": {"", "A"}}, map[string]is{}, map[string]told{"new": {}}},
		"a known host":         {map[string]asks{"old": {"", "A"}}, map[string]is{"old": {serial: "A"}}, map[string]told{"old": {}}},
		"its file is gone":     {map[string]asks{}, map[string]is{"old": {serial: "A"}}, map[string]told{"old": {orphaned: true}}},
		"gone and lost":        {map[string]asks{}, map[string]is{"old": {lost: true}}, map[string]told{"old": {orphaned: true}}},
		"renamed, unconfirmed": {map[string]asks{"new": {"", "a"}}, map[string]is{"old": {serial: "A"}}, map[string]told{"old": {orphaned: true}, "new": {knownAs: "old"}}},
		"renamed":              {map[string]asks{"new": {"old", "A"}}, map[string]is{"old": {serial: "A"}}, map[string]told{"old": {heir: "new", becomes: "new"}}},
		"renamed, the new name merged before": {map[string]asks{"new": {"old", "A"}}, map[string]is{"old": {serial: "A"}, "new": {serial: "-"}},
			map[string]told{"old": {heir: "new", becomes: "new"}, "new": {former: "old", reserved: true}}},
		"renamed, what the new name is known by is lost": {map[string]asks{"new": {"old", "A"}}, map[string]is{"old": {serial: "A"}, "new": {lost: true}},
			map[string]told{"old": {heir: "new", becomes: "new"}, "new": {former: "old", reserved: true}}},
		"renamed, what is known is lost": {map[string]asks{"new": {"old", "A"}}, map[string]is{"old": {lost: true}}, map[string]told{"old": {orphaned: true}, "new": {former: "old"}}},
		"done":                           {map[string]asks{"new": {"old", "A"}}, map[string]is{"new": {serial: "A"}}, map[string]told{"new": {}}},
		"names move up": {map[string]asks{"b": {"a", "A"}, "c": {"b", "B"}}, map[string]is{"a": {serial: "A"}, "b": {serial: "B"}},
			map[string]told{"a": {heir: "b", becomes: "b"}, "b": {heir: "c", becomes: "c"}}},
		"names are swapped": {map[string]asks{"b": {"a", "A"}, "a": {"b", "B"}}, map[string]is{"a": {serial: "A"}, "b": {serial: "B"}}, map[string]told{"a": {knownAs: "b"}, "b": {knownAs: "a"}}},
		"a row of renames is taken back, unconfirmed": {map[string]asks{"a": {"", "A"}, "b": {"", "B"}}, map[string]is{"b": {serial: "A"}, "c": {serial: "B"}},
			map[string]told{"a": {knownAs: "b"}, "b": {knownAs: "c"}, "c": {orphaned: true}}},
		"a row of renames is taken back": {map[string]asks{"a": {"b", "A"}, "b": {"c", "B"}}, map[string]is{"b": {serial: "A"}, "c": {serial: "B"}},
			map[string]told{"b": {heir: "a", becomes: "a"}, "c": {heir: "b", becomes: "b"}}},
		"the old name is another machine's": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"old": {serial: "A"}},
			map[string]told{"old": {heir: "new", becomes: "new"}}},
		"the old name was another's all along": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"old": {serial: "B"}}, map[string]told{"new": {}, "old": {}}},
		"whose the old name is, no serial tells": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"old": {serial: "Default string"}},
			map[string]told{"new": {former: "old", contest: "old"}, "old": {contest: "new"}}},
		"whose the old name is, is lost": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"old": {lost: true}},
			map[string]told{"new": {former: "old", contest: "old"}, "old": {contest: "new"}}},
		"of the old name nothing is known": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"old": {serial: "-"}}, map[string]told{"new": {}, "old": {}}},
		"done, and the old name's machine says no serial": {map[string]asks{"new": {"old", "A"}, "old": {"", "B"}}, map[string]is{"new": {serial: "A"}, "old": {serial: "None"}},
			map[string]told{"new": {}, "old": {}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet, known := inventory.Fleet{Commit: "c", Hosts: map[string]inventory.Desired{}}, map[string]roster.Known{}
			for host, a := range test.fleet {
				fleet.Hosts[host] = inventory.Desired{Name: host, Former: a.formerly, Identity: schemas.Identity{Serial: a.serial}}
			}
			for host, k := range test.known {
				record := inventory.Record{Host: host}
				if !k.lost && k.serial != "-" {
					record.Epoch, record.Facts = 1, &inventory.Facts{System: inventory.System{Serial: k.serial}}
				}
				known[host] = roster.Known{Record: record, Lost: k.lost, Written: !record.Fresh()}
			}
			got := map[string]told{}
			for host, p := range roster.Of(fleet, known) {
				words := told{becomes: p.Desired.Becomes, former: p.Desired.Former, knownAs: p.Desired.KnownAs, contest: p.Desired.Contest, orphaned: p.Orphaned, reserved: p.Reserved}
				if p.Heir != nil {
					words.heir = p.Heir.Name
				}
				if p.Desired.Name != host {
					t.Errorf("the place of %s is asked of %s", host, p.Desired.Name)
				}
				got[host] = words
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(told{})); diff != "" {
				t.Errorf("Of (-want +got):\n%s", diff)
			}
		})
	}
}
