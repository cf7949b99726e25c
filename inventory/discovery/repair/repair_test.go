package repair_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/schemas"
)

// TestDecide is the table of Decide, which docs/proposals.md has in the same words.
func TestDecide(t *testing.T) {
	t.Parallel()
	const same, other, marked, unseen = repair.Same, repair.Other, repair.Marked, repair.Unseen
	const boot, disk, door = repair.OwnBoot, repair.MarkedDisk, repair.Door
	for name, test := range map[string]struct {
		seen repair.Evidence
		want repair.Kind
	}{
		"the door, everything is the host's":     {repair.Evidence{door, same, same, unseen, same}, repair.None},
		"the door, another board":                {repair.Evidence{door, same, other, same, unseen}, repair.None},
		"the door, everything is other":          {repair.Evidence{door, other, other, other, other}, repair.None},
		"BMC and board same, disk other":         {repair.Evidence{boot, same, same, other, same}, repair.RootDisk},
		"the same, no card was seen":             {repair.Evidence{boot, same, same, other, unseen}, repair.RootDisk},
		"disk mark same, board other":            {repair.Evidence{boot, same, other, marked, other}, repair.Identity},
		"the same at the door":                   {repair.Evidence{disk, same, other, marked, unseen}, repair.Identity},
		"the same at the door, no BMC was found": {repair.Evidence{disk, unseen, other, marked, unseen}, repair.Identity},
		"disk same, but no mark, board other":    {repair.Evidence{boot, same, other, same, same}, repair.Held},
		"board other, no disk was seen":          {repair.Evidence{boot, same, other, unseen, unseen}, repair.Held},
		"BMC's own identity other":               {repair.Evidence{boot, other, same, same, same}, repair.BMC},
		"the same, nothing else was seen":        {repair.Evidence{boot, other, unseen, unseen, unseen}, repair.BMC},
		"card other":                             {repair.Evidence{boot, same, same, marked, other}, repair.Identity},
		"card other, no disk was seen":           {repair.Evidence{boot, same, same, unseen, other}, repair.Identity},
		"card and disk other":                    {repair.Evidence{boot, same, same, other, other}, repair.Held},
		"card and BMC other":                     {repair.Evidence{boot, other, same, same, other}, repair.Held},
		"BMC and board other":                    {repair.Evidence{boot, other, other, marked, same}, repair.Held},
		"BMC and board other, at the door":       {repair.Evidence{disk, other, other, marked, same}, repair.Held},
		"BMC and disk other":                     {repair.Evidence{boot, other, same, other, same}, repair.Held},
		"board and disk other":                   {repair.Evidence{boot, same, other, other, same}, repair.Held},
		"everything other":                       {repair.Evidence{boot, other, other, other, other}, repair.Held},
		"disk other, the board says nothing":     {repair.Evidence{boot, same, unseen, other, same}, repair.Held},
		"our disk in the machine at the door":    {repair.Evidence{disk, same, same, marked, same}, repair.None},
		"nothing is other":                       {repair.Evidence{boot, same, same, marked, same}, repair.None},
		"nothing was seen":                       {repair.Evidence{Source: boot}, repair.None},
	} {
		if got := repair.Decide(test.seen); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	page, err := os.ReadFile("../../../docs/proposals.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| the discovery door alone | any | any | any | any | none: a new machine with a doubt |", "| two of BMC, board and root disk are other |"} {
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/proposals.md has no row %s", row)
		}
	}
}

// web is a host with everything declared, whose system is on the disk S1.
func web() (inventory.Desired, inventory.Observed) {
	d := inventory.Desired{ID: "web-1", Name: "web-1", Lifecycle: schemas.Managed,
		BMC:      &schemas.BMC{Address: "https://10.0.0.7/redfish/v1/Systems/1", Credentials: "bmc-r1", TLS: schemas.BMCTLS{Fingerprint: "sha256:old"}},
		Identity: schemas.Identity{Serial: "SN1", UUID: "4c4c4544-0058-4b10-804a-b5c04f324d33", MACs: []string{"04:32:01:aa:bb:c0"}},
		RootDisk: &schemas.DiskHints{Serial: "S1"}, Disks: map[string][]schemas.NamedDisk{"data": {{Serial: "D1"}}}}
	facts := look("SN1", d.Identity.UUID, d.Identity.MACs[0], "S1", "D1")
	o := inventory.Observed{BMC: inventory.BMCState{Reach: inventory.Reached, System: facts.System}}
	o.Record = inventory.Record{ID: "web-1", Facts: facts, Installed: &inventory.Installed{ID: "i1", Disk: inventory.DiskID{Serial: "S1", Size: 1 << 30},
		Mark: "0fc63daf-8483-4772-8e79-3d69d8477de4"}}
	o.Record.Pinned = o.Record.Identity().Fill(o.BMC.ShownIdentity(d.BMC.Address))
	return d, o
}

// look is what an agent reports.
func look(serial, uuid, mac string, disks ...string) *inventory.Facts {
	f := &inventory.Facts{Epoch: 4, System: inventory.System{Serial: serial, UUID: uuid}, NICs: []inventory.NIC{{Name: "eno1", MAC: mac, Driver: "igb"}}}
	for i, name := range disks {
		disk := inventory.Disk{Name: "sd" + string(rune('a'+i)), Serial: name, Model: "M", Size: 1 << 30, Content: inventory.Content{Blank: true}}
		if name == "S1" {
			disk.Table = &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: "0fc63daf-8483-4772-8e79-3d69d8477de4"}
		}
		f.Disks = append(f.Disks, disk)
	}
	return f
}

// boot has an agent of a boot of the daemon's report.
func boot(o inventory.Observed, facts *inventory.Facts) inventory.Observed {
	o.Record.Boot = &inventory.Boot{ID: "b4", Epoch: 4, Target: inventory.FromRamdisk}
	o.Agent = inventory.AgentState{Boot: "b4", Facts: facts}
	return o
}

// TestLook: each part becomes the right change, and what cannot be told apart is held.
func TestLook(t *testing.T) {
	t.Parallel()
	const uuid, mac, otherUUID = "4c4c4544-0058-4b10-804a-b5c04f324d33", "04:32:01:aa:bb:c0", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	reported := func(serial, uuid, mac string, disks ...string) func(*inventory.Desired, *inventory.Observed) {
		return func(_ *inventory.Desired, o *inventory.Observed) { *o = boot(*o, look(serial, uuid, mac, disks...)) }
	}
	for name, test := range map[string]struct {
		happen func(*inventory.Desired, *inventory.Observed)
		kind   repair.Kind
		want   string // changes
		says   string
		part   bool // of the machine was not seen
	}{
		"nothing":         {func(*inventory.Desired, *inventory.Observed) {}, repair.None, "", "", false},
		"the same again":  {reported("SN1", uuid, mac, "S1", "D1"), repair.None, "", "", false},
		"another disk":    {reported("SN1", uuid, mac, "D1", "N1"), repair.RootDisk, "spec.rootDisk.serial=N1", "It erases nothing: the disk is blank", false},
		"two other disks": {reported("SN1", uuid, mac, "D1", "N1", "N2"), repair.Held, "", "2 disks may be the one in its place (sdb N1, sdc N2)", true},
		"another board":   {reported("SN2", otherUUID, "04:32:01:aa:bb:d0", "S1", "D1"), repair.Identity, "spec.identity.serial=SN2 spec.identity.uuid=" + otherUUID + " spec.identity.macs=04:32:01:aa:bb:d0", "ingot consent --takeover web-1", false},
		"another card":    {reported("SN1", uuid, "04:32:01:aa:bb:d0", "S1", "D1"), repair.Identity, "spec.identity.macs=04:32:01:aa:bb:d0", "a network card is another one", false},
		"board and disk":  {reported("SN2", otherUUID, mac, "N1", "D1"), repair.Held, "", "the board and the root disk", false},
		"another BMC": {func(_ *inventory.Desired, o *inventory.Observed) {
			o.BMC = inventory.BMCState{Reach: inventory.Refused, Certificate: "sha256:new"}
		}, repair.BMC, "spec.bmc.tls.fingerprint=sha256:new", "gets the password of Secret bmc-r1", false},
		"another BMC, trusted by an authority": {func(d *inventory.Desired, o *inventory.Observed) {
			d.BMC.TLS = schemas.BMCTLS{CA: "PEM"}
			o.BMC = inventory.BMCState{Reach: inventory.Refused, Certificate: "sha256:new"}
		}, repair.Held, "", "spec.bmc.tls.ca", false},
		"the BMC shows another board": {func(_ *inventory.Desired, o *inventory.Observed) {
			o.BMC.System = inventory.System{Serial: "SN2", UUID: otherUUID}
		}, repair.Held, "", "other than before: the board", true},
		"an agent that is gone saw another board": {func(_ *inventory.Desired, o *inventory.Observed) {
			o.Record.Stranger = &inventory.Stranger{Pinned: inventory.IdentityOf(look("SN2", otherUUID, mac))}
		}, repair.Held, "", "the board", true},
		"no answer": {func(_ *inventory.Desired, o *inventory.Observed) {
			o.BMC = inventory.BMCState{Reach: inventory.Unreachable}
		}, repair.None, "", "", true},
		"the file fits the new disk": {func(d *inventory.Desired, o *inventory.Observed) {
			d.RootDisk = &schemas.DiskHints{Model: "M", Serial: "N1"}
			*o = boot(*o, look("SN1", uuid, mac, "N1", "D1"))
		}, repair.None, "", "", false},
		"other hints do not fit": {func(d *inventory.Desired, o *inventory.Observed) {
			d.RootDisk = &schemas.DiskHints{Serial: "S1", Model: "OLD"}
			*o = boot(*o, look("SN1", uuid, mac, "N1", "D1"))
		}, repair.Held, "", "does not fit what else spec.rootDisk says", true},
		"nothing was known": {func(_ *inventory.Desired, o *inventory.Observed) {
			o.Record.Facts, o.Record.Installed = nil, nil
			o.BMC.Certificate = "sha256:new"
		}, repair.None, "", "", false},
	} {
		d, o := web()
		test.happen(&d, &o)
		got, whole := repair.Look(repair.Seen{Desired: d, Observed: o})
		kind, changes, says := repair.None, []string{}, ""
		if got != nil {
			kind, says = got.Kind, strings.Join(got.Says, "; ")
			for _, c := range got.Changes {
				changes = append(changes, c.Field+"="+strings.Join(c.Now, ","))
			}
		}
		if kind != test.kind || strings.Join(changes, " ") != test.want || !strings.Contains(says, test.says) || whole == test.part {
			t.Errorf("%s: %q %q, whole %v, says %q", name, kind, changes, whole, says)
		}
	}
	d, o := web()
	o = boot(o, look("SN1", uuid, mac, "D1", "N1", "N2"))
	if got, whole := repair.Look(repair.Seen{Desired: d, Observed: o, Before: []string{"S1", "D1", "N2"}}); got.Kind != repair.RootDisk || !whole {
		t.Errorf("a disk that was there before is taken for the new one: %+v", got)
	}
}

// TestLookAtDoor: only the mark speaks for a machine at the discovery door.
func TestLookAtDoor(t *testing.T) {
	t.Parallel()
	const otherUUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	door := func(facts *inventory.Facts, addresses ...string) repair.AtDoor {
		return repair.AtDoor{Identity: inventory.IdentityOf(facts), Addresses: addresses, Disks: facts.Disks}
	}
	copied := look("SN1", "4c4c4544-0058-4b10-804a-b5c04f324d33", "04:32:01:aa:bb:c0", "S1", "D1")
	unmarked := look("SN2", otherUUID, "04:32:01:aa:bb:d0", "S1")
	unmarked.Disks[0].Table = nil
	marked := look("SN2", otherUUID, "04:32:01:aa:bb:d0", "S1")
	for name, test := range map[string]struct {
		machine repair.AtDoor
		want    repair.Kind
	}{
		"an impostor with serial, UUID and MACs":           {door(copied, "10.0.0.7"), repair.None},
		"an impostor with the serial of the disk":          {door(unmarked, "10.0.0.7"), repair.None},
		"our disk on another board":                        {door(marked, "10.0.0.7"), repair.Identity},
		"our disk on another board, without a BMC":         {door(marked), repair.Identity},
		"our disk in a machine with another BMC":           {door(marked, "10.0.0.8"), repair.Held},
		"another disk of ours, without what was on it":     {door(look("SN2", otherUUID, "04:32:01:aa:bb:d0", "N1"), "10.0.0.7"), repair.None},
		"our disk on the board that the host has, as ever": {door(copied), repair.None},
		"our disk on another board, at an IPv6-mapped BMC": {door(marked, "::ffff:10.0.0.7"), repair.Identity},
	} {
		d, o := web()
		got := repair.LookAtDoor(d, o, test.machine)
		if kind := kindOf(got); kind != test.want {
			t.Errorf("%s: %q, want %q", name, kind, test.want)
		}
	}
	d, o := web()
	o.BMC.Certificate = "sha256:new"
	if got := repair.LookAtDoor(d, o, door(marked, "10.0.0.7")); kindOf(got) != repair.Held {
		t.Errorf("another board and another certificate: %+v", got)
	}
}

// TestAHostWithoutABMC: the machine that a file declares gives the file the address of its BMC.
func TestAHostWithoutABMC(t *testing.T) {
	t.Parallel()
	d, o := web()
	d.BMC = nil
	d.Identity = schemas.Identity{Serial: "SN1", MACs: []string{"04:32:01:aa:bb:c0"}}
	const uuid = "4c4c4544-0058-4b10-804a-b5c04f324d33"
	for name, test := range map[string]struct {
		serial    string
		addresses []string
		want      string // the proposed address
	}{
		"the declared machine":               {"SN1", []string{"10.0.0.7"}, "https://10.0.0.7"},
		"with an IPv6 address":               {"SN1", []string{"fe80::1", "2001:db8::7"}, "https://[2001:db8::7]"},
		"without an address":                 {"SN1", nil, ""},
		"with an address of no network":      {"SN1", []string{"169.254.3.4", "0.0.0.0", "bmc-7"}, ""},
		"another machine with the MAC":       {"SN2", []string{"10.0.0.7"}, ""},
		"a machine that says nothing of it":  {"", []string{"10.0.0.7"}, ""},
		"a machine with a placeholder of it": {"Default string", []string{"10.0.0.7"}, ""},
	} {
		facts := look(test.serial, uuid, "04:32:01:aa:bb:c0", "S1")
		got := repair.LookAtDoor(d, o, repair.AtDoor{Identity: inventory.IdentityOf(facts), Addresses: test.addresses})
		address := ""
		if got != nil && got.Kind == repair.Address && got.IsOpen() {
			address = got.Changes[0].Now[0]
		}
		if address != test.want {
			t.Errorf("%s: %q, want %q", name, address, test.want)
		}
	}
	at := func(address string) *repair.Repair {
		facts := look("SN1", uuid, "04:32:01:aa:bb:c0", "S1")
		return repair.LookAtDoor(d, o, repair.AtDoor{Identity: inventory.IdentityOf(facts), Addresses: []string{address}})
	}
	if got := repair.Join(at("10.0.0.7"), at("10.0.0.7")); !got.IsOpen() {
		t.Errorf("one machine twice: %+v", got)
	}
	if got := repair.Join(at("10.0.0.7"), at("10.0.0.8")); got.Kind != repair.Held {
		t.Errorf("two machines: %+v", got)
	}
	if got, whole := repair.Look(repair.Seen{Desired: d, Observed: o}); got != nil || whole {
		t.Errorf("a look at a host without a BMC says %+v, %t", got, whole)
	}
}

func kindOf(r *repair.Repair) repair.Kind {
	if r == nil {
		return repair.None
	}
	return r.Kind
}

// TestNext: an open repair outlives a look that sees less, and ends with the machine as its file says.
func TestNext(t *testing.T) {
	t.Parallel()
	open := &repair.Repair{Host: "a", Kind: repair.RootDisk, Changes: []repair.Change{{Field: "spec.rootDisk.serial", Now: []string{"N1"}}}}
	held := &repair.Repair{Host: "a", Kind: repair.Held, Says: []string{"look"}}
	if got := repair.Next(open, nil, false); got != open {
		t.Errorf("a look that sees nothing: %+v", got)
	}
	if got := repair.Next(open, held, false); got != open {
		t.Errorf("a look that sees less: %+v", got)
	}
	if got := repair.Next(open, held, true); got != held {
		t.Errorf("a whole look that holds: %+v", got)
	}
	if got := repair.Next(open, nil, true); !got.Ended || got.IsOpen() || open.Ended {
		t.Errorf("the end: %+v", got)
	}
	if got := repair.Next(nil, open, true); !got.IsOpen() || !got.Same(open) || got.Same(held) {
		t.Errorf("the first: %+v", got)
	}
	if repair.Choose(open, held) != held || repair.Choose(nil, open) != open || repair.Choose(open, nil) != open || repair.Choose(held, open) != held {
		t.Error("a door that holds does not count, or one that does not is followed against a whole look")
	}
	d, o := web()
	o.BMC.System = inventory.System{Serial: "SN2"}
	alone, _ := repair.Look(repair.Seen{Desired: d, Observed: o})
	if !slices.Equal(alone.Says, repair.Choose(alone, nil).Says) || repair.Choose(alone, open) != open {
		t.Error("a board that nobody could look behind is not helped by the door")
	}
}
