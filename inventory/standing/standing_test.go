package standing_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/schemas"
)

const (
	serial  = "SN1"
	uuid    = "4c4c4544-0035-5810-8032-b1c04f4a4d33"
	swapped = "44454c4c-3500-1058-8032-B1C04F4A4D33"
	card    = "04:32:01:aa:bb:c0"
	address = "https://10.0.0.1/redfish/v1/Systems/1"
)

func record(id inventory.MachineID, epoch inventory.Epoch, serial, uuid string, macs ...string) inventory.Record {
	r := inventory.Record{ID: id, Epoch: epoch, Facts: &inventory.Facts{System: inventory.System{Serial: serial, UUID: uuid}}}
	for _, mac := range macs {
		r.Facts.NICs = append(r.Facts.NICs, inventory.NIC{MAC: mac})
	}
	return r
}

func host(id inventory.MachineID, change func(d *inventory.Desired)) inventory.Desired {
	d := inventory.Desired{ID: id, Name: string(id)}
	change(&d)
	return d
}

func look(system inventory.System) inventory.Observed {
	return inventory.Observed{BMC: inventory.BMCState{Reach: inventory.Reached, System: system}}
}

// Of the host "new" is asked, whose machine may be known as "old".
func TestOf(t *testing.T) {
	t.Parallel()
	declares := func(serial string, macs ...string) func(*inventory.Desired) {
		return func(d *inventory.Desired) { d.Identity = schemas.Identity{Serial: serial, MACs: macs} }
	}
	nothing := func(*inventory.Desired) {}
	pinned := inventory.Record{ID: "old", Epoch: 1,
		Pinned: inventory.Pinned{BMC: &inventory.BMCIdentity{Address: address, Serial: serial}}}
	usb := record("old", 1, "None", "", "04:32:01:99:99:99")
	usb.Facts.NICs[0].Driver = "cdc_ether"
	for name, test := range map[string]struct {
		asks func(*inventory.Desired)
		own  inventory.Record
		old  inventory.Record
		look inventory.Observed
		by   string // "" when the machine is not known under the other id
	}{
		"nothing in common":                     {declares("SN2"), inventory.Record{}, record("old", 1, serial, uuid), inventory.Observed{}, ""},
		"a declared serial":                     {declares(" sn1 "), inventory.Record{}, record("old", 1, serial, uuid), inventory.Observed{}, "serial sn1"},
		"a serial that its BMC showed":          {declares(serial), inventory.Record{}, pinned, inventory.Observed{}, "serial SN1"},
		"a placeholder":                         {declares("Default string"), inventory.Record{}, record("old", 1, "Default string", ""), inventory.Observed{}, ""},
		"a declared MAC":                        {declares("", "52:54:00:00:00:01"), inventory.Record{}, record("old", 1, serial, uuid, "52:54:00:00:00:01"), inventory.Observed{}, "MAC 52:54:00:00:00:01"},
		"a MAC, and another serial":             {declares("SN2", card), inventory.Record{}, record("old", 1, serial, uuid, card), inventory.Observed{}, ""},
		"a serial, and other MACs":              {declares(serial, "04:32:01:aa:bb:c9"), inventory.Record{}, record("old", 1, serial, "", card), inventory.Observed{}, ""},
		"a serial that the look shows":          {nothing, inventory.Record{}, record("old", 1, serial, ""), look(inventory.System{Serial: "sn1"}), "serial sn1"},
		"a UUID that the look shows, swapped":   {nothing, inventory.Record{}, record("old", 1, "", uuid), look(inventory.System{UUID: swapped}), "UUID 44454c4c350010588032b1c04f4a4d33"},
		"a look that contradicts what is asked": {declares("SN2"), inventory.Record{}, record("old", 1, serial, ""), look(inventory.System{Serial: serial}), ""},
		"its BMC's system, and the other is gone": {func(d *inventory.Desired) {
			d.BMC = &schemas.BMC{Address: "https://10.0.0.1:443/redfish/v1/Systems/1/"}
		}, inventory.Record{}, pinned, inventory.Observed{}, "BMC system 10.0.0.1:443/redfish/v1/Systems/1"},
		"its BMC's system, and another serial": {func(d *inventory.Desired) { d.BMC, d.Identity.Serial = &schemas.BMC{Address: address}, "SN2" }, inventory.Record{}, pinned, inventory.Observed{}, ""},
		"known as itself":                      {declares(serial), record("new", 1, serial, uuid), record("old", 1, serial, uuid), inventory.Observed{}, ""},
		"known as itself, more newly":          {declares(serial), record("new", 2, serial, uuid), record("old", 1, serial, uuid), inventory.Observed{}, ""},
		"known as the other, more newly":       {declares(serial), record("new", 1, serial, uuid), record("old", 2, serial, uuid), inventory.Observed{}, "serial SN1"},
		"known as another machine":             {declares(serial), record("new", 9, "SN2", ""), record("old", 1, serial, ""), inventory.Observed{}, "serial SN1"},
		"a chassis' serial, other cards":       {nothing, record("new", 1, serial, "", card), record("old", 2, serial, "", "04:32:01:aa:bb:c1"), look(inventory.System{Serial: serial}), ""},
		"a UUID that only the look shows, known by a card": {
			nothing, record("new", 9, "", "", card), record("old", 1, "", uuid, "04:32:01:aa:bb:c1"),
			look(inventory.System{UUID: uuid}), "UUID 44454c4c350010588032b1c04f4a4d33",
		},
		"a serial that is declared, known by a card": {
			declares(serial), record("new", 9, "", "", card), record("old", 1, serial, "", "04:32:01:aa:bb:c1"),
			inventory.Observed{}, "serial SN1",
		},
		"an address that software chose": {nothing, record("new", 1, "", "", "02:00:00:00:00:01"), record("old", 2, "", "", "02:00:00:00:00:01"), inventory.Observed{}, ""},
		"the way to the BMC":             {nothing, record("new", 1, "", "", "04:32:01:99:99:99"), usb, inventory.Observed{}, ""},
	} {
		fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{"new": host("new", test.asks)}}
		records := map[inventory.MachineID]inventory.Record{"old": test.old}
		if test.own.ID != "" {
			records["new"] = test.own
		}
		test.own.ID = "new"
		want := inventory.Standing{By: test.by}
		if test.by != "" {
			want.KnownAs = "old"
		}
		got := standing.New(fleet, records).Of(fleet.Hosts["new"], test.own, test.look)
		got.Shows = "" // TestWhoIsShown
		if got != want {
			t.Errorf("%s: Of = %+v, want %+v", name, got, want)
		}
	}
}

// TestEachRecordThatMayCountIsAMachine: where the journal has one of two records of a host, no other host has the
// machine of either.
func TestEachRecordThatMayCountIsAMachine(t *testing.T) {
	t.Parallel()
	before, after := record("old", 1, "A", "", card), record("old", 2, "B", "", "04:32:01:00:00:99")
	x := standing.New(inventory.Fleet{}, nil)
	for want, others := range map[string][]inventory.Record{"A B": {before}, "B": nil} {
		x.Move(after, inventory.Desired{ID: "old"}, others...)
		var known []string
		for _, serial := range []string{"A", "B"} {
			d := host("new", func(d *inventory.Desired) { d.Identity.Serial = serial })
			if x.Of(d, inventory.Record{ID: "new"}, inventory.Observed{}).KnownAs == "old" {
				known = append(known, serial)
			}
		}
		if got := strings.Join(known, " "); got != want {
			t.Errorf("the machines with serial %q are known, want %q", got, want)
		}
	}
}

// TestAnIndexIsMadeAnew: however records move, an index says what one made of them all says.
func TestAnIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		fleet, records := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{}}, map[inventory.MachineID]inventory.Record{}
		x := standing.New(fleet, nil)
		for range rapid.IntRange(1, 12).Draw(t, "moves") {
			id := inventory.MachineID(fmt.Sprintf("m-%d", rapid.IntRange(0, 3).Draw(t, "id")))
			r := record(id, inventory.Epoch(rapid.IntRange(0, 3).Draw(t, "epoch")), draw("serial", "", "A", "B"), draw("uuid", "", uuid), draw("mac", "", card, "52:54:00:00:00:01"))
			if rapid.Bool().Draw(t, "fresh") {
				r = inventory.Record{ID: id}
			}
			if rapid.Bool().Draw(t, "pin") {
				r.BMC = &inventory.BMCIdentity{Address: address, Serial: draw("pinned", "", "A", "C")}
			}
			d := host(id, func(d *inventory.Desired) { d.Identity.Serial = draw("declared", "", "A", "B", "C") })
			if rapid.Bool().Draw(t, "bmc") {
				d.BMC = &schemas.BMC{Address: draw("address", address, "https://10.0.0.2")}
			}
			if rapid.Bool().Draw(t, "without an answer") {
				x.Move(record(id, 4, draw("moved to", "A", "B"), "", ""), d, records[id])
			}
			fleet.Hosts[id], records[id] = d, r
			x.Move(r, d)
		}
		again := standing.New(fleet, records)
		for id, d := range fleet.Hosts {
			if got, want := x.Of(d, records[id], inventory.Observed{}), again.Of(d, records[id], inventory.Observed{}); got != want {
				t.Fatalf("%s: %+v, made anew %+v", id, got, want)
			}
		}
	})
}

// TestAMachineThatWasOnlyShown: a machine that was looked at, and never booted, is not kept for a host that is gone or
// that the fleet leads to another BMC, and is nobody's where two hosts show it.
func TestAMachineThatWasOnlyShown(t *testing.T) {
	t.Parallel()
	shown := func(id inventory.MachineID, epoch inventory.Epoch) inventory.Record {
		return inventory.Record{ID: id, Epoch: epoch,
			Pinned: inventory.Pinned{BMC: &inventory.BMCIdentity{Address: address, Serial: serial}}}
	}
	bmc := func(at string) func(d *inventory.Desired) {
		return func(d *inventory.Desired) { d.BMC = &schemas.BMC{Address: at} }
	}
	one, other := host("one", bmc(address)), host("other", bmc("https://10.0.0.2"))
	moved := host("one", bmc("https://10.0.0.3"))
	for name, test := range map[string]struct {
		hosts    []inventory.Desired
		one, own inventory.Record
		known    bool
	}{
		"its host is gone":                 {[]inventory.Desired{other}, shown("one", 0), inventory.Record{ID: "other"}, false},
		"its host is gone, it was booted":  {[]inventory.Desired{other}, shown("one", 1), inventory.Record{ID: "other"}, true},
		"its host is elsewhere":            {[]inventory.Desired{moved, other}, shown("one", 0), inventory.Record{ID: "other"}, false},
		"its host is elsewhere, booted":    {[]inventory.Desired{moved, other}, shown("one", 1), inventory.Record{ID: "other"}, true},
		"both hosts are there":             {[]inventory.Desired{one, other}, shown("one", 0), inventory.Record{ID: "other"}, true},
		"both hosts are there, both shown": {[]inventory.Desired{one, other}, shown("one", 0), shown("other", 0), true},
	} {
		fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{}}
		for _, d := range test.hosts {
			fleet.Hosts[d.ID] = d
		}
		x := standing.New(fleet, map[inventory.MachineID]inventory.Record{"one": test.one, "other": test.own})
		got := x.Of(other, test.own, look(inventory.System{Serial: serial}))
		if (got.KnownAs == "one") != test.known {
			t.Errorf("%s: Of = %+v, want it known: %t", name, got, test.known)
		}
	}
}

// TestWhoIsShown: a machine in place of the host's, which the BMC shows or an agent saw, is known under another id.
func TestWhoIsShown(t *testing.T) {
	t.Parallel()
	const another, theirs = "4c4c4544-0035-5810-8032-b1c04f4a4d39", "04:32:01:aa:bb:c9"
	stranger := func(own inventory.Record, p inventory.Pinned) inventory.Observed {
		own.Stranger = &inventory.Stranger{Pinned: p}
		return inventory.Observed{Record: own}
	}
	own, old := record("new", 2, serial, uuid, card), record("old", 1, "SN2", another, theirs)
	node := record("old", 1, serial, another, theirs)
	for name, test := range map[string]struct {
		own, old inventory.Record
		look     inventory.Observed
		known    bool
	}{
		"its own machine":                       {own, old, look(inventory.System{Serial: serial}), false},
		"the other's":                           {own, old, look(inventory.System{Serial: "SN2"}), true},
		"the other's, by its UUID alone":        {own, old, look(inventory.System{UUID: another}), true},
		"nobody's":                              {own, old, look(inventory.System{Serial: "SN3"}), false},
		"the other's serial, and nobody's UUID": {own, old, look(inventory.System{Serial: "SN2", UUID: "4c4c4544-0035-5810-8032-b1c04f4a4d40"}), false},
		"the chassis' serial":                   {own, node, look(inventory.System{Serial: serial}), false},
		"the chassis' other node":               {own, node, look(inventory.System{Serial: serial, UUID: another}), true},
		"an agent saw the other's":              {own, old, stranger(own, inventory.Pinned{MACs: []string{theirs}}), true},
		"an agent saw nobody's":                 {own, old, stranger(own, inventory.Pinned{MACs: []string{"04:32:01:aa:bb:cf"}}), false},
	} {
		fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{"new": host("new", func(*inventory.Desired) {})}}
		x := standing.New(fleet, map[inventory.MachineID]inventory.Record{"new": test.own, "old": test.old})
		got := x.Of(fleet.Hosts["new"], test.own, test.look)
		if got.KnownAs != "" || (got.Shows == "old") != test.known {
			t.Errorf("%s: Of = %+v, want it known as old: %t", name, got, test.known)
		}
	}
}
