package inventory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

const (
	uuidOne   = "4c4c4544-0035-5a10-8052-b4c04f4e4231"
	uuidTwo   = "4c4c4544-0035-5a10-8052-b4c04f4e4232"
	cardOne   = "04:32:01:aa:bb:c0"
	cardTwo   = "04:32:01:aa:bb:c1"
	cardThree = "04:32:01:aa:bb:c2"
)

func bmcShows(serial, uuid string) inventory.Pinned {
	return inventory.Pinned{BMC: &inventory.BMCIdentity{Address: "https://10.0.0.1", Serial: serial, UUID: uuid}}
}

func agentSees(serial, uuid string, macs ...string) inventory.Pinned {
	return inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{Serial: serial, UUID: uuid}, MACs: macs}
}

// joined is a machine by both sources.
func joined(bmc, agent inventory.Pinned) inventory.Pinned {
	agent.BMC = bmc.BMC
	return agent
}

func TestContradicts(t *testing.T) {
	t.Parallel()
	known := joined(bmcShows("CHASSIS", uuidOne), agentSees("NODE1", uuidOne, cardOne, cardTwo))
	for name, test := range map[string]struct {
		known, seen inventory.Pinned
		field       string
	}{
		"nothing known":                              {inventory.Pinned{}, known, ""},
		"nothing seen":                               {known, inventory.Pinned{}, ""},
		"the same":                                   {known, known, ""},
		"the same, in another spelling":              {known, bmcShows(" chassis ", strings.ToUpper(uuidOne)), ""},
		"another BMC serial, SMBIOS the same":        {known, joined(bmcShows("NEWBOARD", uuidOne), agentSees("NODE1", uuidOne)), "BMC serial"},
		"another BMC UUID":                           {known, bmcShows("CHASSIS", uuidTwo), "BMC UUID"},
		"another mainboard":                          {known, joined(bmcShows("CHASSIS", uuidOne), agentSees("NODE2", uuidTwo, cardOne)), "SMBIOS serial"},
		"another SMBIOS UUID":                        {known, agentSees("NODE1", uuidTwo), "SMBIOS UUID"},
		"placeholders":                               {known, joined(bmcShows("Default string", "00000000-0000-0000-0000-000000000000"), agentSees("None", "03000200-0400-0500-0006-000700080009")), ""},
		"placeholders were known":                    {joined(bmcShows("0", ""), agentSees("To be filled by O.E.M.", "")), known, ""},
		"the chassis' serial, another node":          {known, joined(bmcShows("CHASSIS", ""), agentSees("CHASSIS", "", cardThree)), "SMBIOS serial"},
		"a blade behind the BMC, by its cards alone": {agentSees("", "", cardOne), agentSees("", "", cardTwo), "MACs"},
		"a card replaced, one stays":                 {known, agentSees("", "", cardTwo, cardThree), ""},
		"all cards replaced":                         {known, agentSees("NODE1", uuidOne, cardThree), "MACs"},
		"no cards seen":                              {known, agentSees("NODE1", uuidOne), ""},
		"firmware's serial, and another BMC's":       {agentSees("NODE1", ""), bmcShows("OTHER", ""), "BMC serial"},
		"firmware's serial, after the BMC's":         {bmcShows("CHASSIS", ""), agentSees("NODE1", ""), ""},
	} {
		if field, was, is := test.known.Contradicts(test.seen); field != test.field || (field != "") != (was != is) {
			t.Errorf("%s: Contradicts = %q, %q, %q, want %q", name, field, was, is, test.field)
		}
	}
}

// TestPinsStay: whatever is seen of a machine, in whatever order, a value that was pinned is never replaced, and a
// machine never contradicts itself.
func TestPinsStay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "value") }
		look := func() inventory.Pinned {
			p := joined(bmcShows(draw("", "A", "B", "None"), draw("", uuidOne, uuidTwo)),
				agentSees(draw("", "A", "B", "0"), draw("", uuidOne, uuidTwo)))
			p.MACs = rapid.SampledFrom([][]string{nil, {cardOne}, {cardTwo}, {cardOne, cardTwo}}).Draw(t, "MACs")
			return p
		}
		first, second := look(), look()
		filled := first.Fill(second)
		if field, was, is := filled.Contradicts(first); field != "" {
			t.Fatalf("%s of %+v was replaced: %s, %s", field, first, was, is)
		}
		if again := filled.Fill(look()); cmp.Diff(again.Fill(filled).MACs, again.MACs) != "" {
			t.Fatalf("%+v was changed by what it has", again)
		}
		if a, b := (inventory.Record{ID: "a"}).TakeoverConsent(first), (inventory.Record{ID: "b"}).TakeoverConsent(first); a == b {
			t.Fatalf("one takeover %s for two hosts", a)
		}
	})
}

func TestSameMachineByTwoSources(t *testing.T) {
	t.Parallel()
	facts := func(serial, uuid string, macs ...string) inventory.Facts {
		f := inventory.Facts{System: inventory.System{Serial: serial, UUID: uuid}}
		for _, mac := range macs {
			f.NICs = append(f.NICs, inventory.NIC{MAC: mac})
		}
		return f
	}
	for name, test := range map[string]struct {
		declared schemas.Identity
		bmc      string
		facts    inventory.Facts
		is       bool
	}{
		"the BMC says it":                  {schemas.Identity{Serial: "CHASSIS"}, "chassis", facts("NODE1", ""), true},
		"SMBIOS says it":                   {schemas.Identity{Serial: "NODE1"}, "CHASSIS", facts("NODE1", ""), true},
		"neither says it":                  {schemas.Identity{Serial: "NODE2"}, "CHASSIS", facts("NODE1", ""), false},
		"nobody says anything":             {schemas.Identity{Serial: "NODE2"}, "", facts("None", ""), false},
		"a UUID":                           {schemas.Identity{UUID: strings.ToUpper(uuidOne)}, "", facts("NODE1", uuidOne), true},
		"another UUID":                     {schemas.Identity{UUID: uuidTwo}, "", facts("NODE1", uuidOne), false},
		"no UUID":                          {schemas.Identity{UUID: uuidTwo}, "", facts("NODE1", ""), false},
		"a placeholder":                    {schemas.Identity{Serial: "None"}, "None", facts("None", ""), false},
		"the chassis' serial, other cards": {schemas.Identity{Serial: "CHASSIS", MACs: []string{cardOne}}, "CHASSIS", facts("CHASSIS", "", cardTwo), false},
		"its cards":                        {schemas.Identity{MACs: []string{cardOne}}, "X", facts("Y", "", cardTwo, cardOne), true},
	} {
		why := inventory.SameMachine(test.declared, bmcShows(test.bmc, "").BMC, test.facts)
		if (why == "") != test.is {
			t.Errorf("%s: SameMachine = %q, want it the machine: %t", name, why, test.is)
		}
	}
}

// TestBuiltInMACs: a card on USB and an address that software chose tell no machines apart.
func TestBuiltInMACs(t *testing.T) {
	t.Parallel()
	facts := inventory.Facts{NICs: []inventory.NIC{{MAC: cardTwo, Driver: "i40e"}, {MAC: strings.ToUpper(cardOne)},
		{MAC: cardThree, Driver: "r8152"}, {MAC: "52:54:00:00:00:01", Driver: "virtio_net"}, {MAC: "04:32:01:99:99:99",
			Driver: "cdc_ether"}}}
	if got, want := inventory.IdentityOf(&facts).MACs, []string{cardOne, cardTwo}; !cmp.Equal(got, want) {
		t.Errorf("MACs = %v, want %v", got, want)
	}
}

// TestATakeoverCountsOnce: the value of a takeover differs after it was used, after the host was forgotten, for another
// machine, and for another host; a serial alone never gives a machine.
func TestATakeoverCountsOnce(t *testing.T) {
	t.Parallel()
	machine := joined(bmcShows("SN2", uuidTwo), agentSees("SN2", uuidTwo, cardOne))
	r := inventory.Record{ID: "web-1"}
	value := r.TakeoverConsent(machine)
	used, forgotten, other := r, r, r
	used.Adopted, forgotten.Forgotten, other.ID = value, 7, "web-2"
	if !r.GivesTakeover(" "+value+" ", machine) || !strings.HasPrefix(value, "SN2/") {
		t.Errorf("takeover %q does not count", value)
	}
	spent := r
	spent.Spent = []string{value}
	for name, test := range map[string]struct {
		record  inventory.Record
		given   string
		machine inventory.Pinned
	}{
		"used": {used, value, machine}, "forgotten": {forgotten, value, machine}, "another host": {other, value, machine},
		"spent":           {spent, value, machine},
		"another machine": {r, value, joined(bmcShows("SN2", uuidTwo), agentSees("SN2", uuidTwo, cardTwo))},
		"a serial alone":  {r, "SN2", machine},
		"nothing":         {r, "", machine},
	} {
		if test.record.GivesTakeover(test.given, test.machine) {
			t.Errorf("%s: takeover %q counts", name, test.given)
		}
	}
	if got := r.TakeoverConsent(bmcShows("Default string", "")); !strings.HasPrefix(got, "unknown/") {
		t.Errorf("takeover of a machine without a serial = %q", got)
	}
}
