package discovery_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/schemas"
)

var start = time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)

const (
	uuidA = "4c4c4544-0058-4b10-804a-b5c04f4d3201"
	uuidB = "4c4c4544-0058-4b10-804a-b5c04f4d3202"
	uuidC = "4c4c4544-0058-4b10-804a-b5c04f4d3203"
)

// machine is a registration of a machine.
func machine(serial, uuid string, macs ...string) discovery.Registration {
	facts := inventory.Facts{System: inventory.System{Serial: serial, UUID: uuid}}
	for i, mac := range macs {
		facts.NICs = append(facts.NICs, inventory.NIC{Name: fmt.Sprint("eno", i), MAC: mac, Driver: "igb"})
	}
	return discovery.Registration{At: start, Key: "fra1-pallet-7", Agent: "key-" + serial, From: "10.0.9.1:40000", Facts: facts}
}

// record is the record of a machine that registered.
func record(id discovery.ID, g discovery.Registration) discovery.Record {
	return discovery.New(id, g, discovery.Match{})
}

func withAddress(g discovery.Registration, addresses ...string) discovery.Registration {
	g.Addresses = addresses
	return g
}

func withDisk(g discovery.Registration, serial string) discovery.Registration {
	g.Facts.Disks = []inventory.Disk{{Serial: serial, Size: 1 << 40}}
	return g
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	const macA, macB = "04:32:01:aa:bb:01", "04:32:01:aa:bb:02"
	a := record("aaaaaaaaaaaa", withAddress(machine("SNA", uuidA, macA, macB), "10.0.0.13"))
	b := record("bbbbbbbbbbbb", machine("SNB", uuidB, "04:32:01:aa:bb:0b"))
	web := inventory.Desired{ID: "web-2", Name: "www-2", Identity: schemas.Identity{Serial: "KNOWN1", MACs: []string{"04-32-01-CC-00-01"}},
		BMC: &schemas.BMC{Address: "https://10.0.0.99/redfish/v1/Systems/1"}}
	pinned := inventory.Record{ID: "web-3", Facts: &inventory.Facts{System: inventory.System{Serial: "KNOWN2", UUID: uuidC},
		Disks: []inventory.Disk{{Serial: "S5H9NX12", Size: 1 << 40}}}}
	retired := inventory.Record{ID: "old-1", Facts: &inventory.Facts{Disks: []inventory.Disk{{Serial: "S5H9NX51", Size: 1 << 40}}},
		Last: &inventory.Operation{Kind: inventory.Erase, Outcome: inventory.Succeeded, Ended: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}}
	for name, test := range map[string]struct {
		shown     discovery.Registration
		record    discovery.ID
		conflicts []string
		doubts    []string
	}{
		"a new machine":                {shown: machine("SNC", "4c4c4544-0058-4b10-804a-b5c04f4d3204", "04:32:01:aa:bb:0c")},
		"serial and UUID":              {shown: machine("sna", strings.ToUpper(uuidA)), record: a.ID},
		"UUID in the other byte order": {shown: machine("SNA", "44454c4c-5800-104b-804a-b5c04f4d3201"), record: a.ID},
		"the same MACs":                {shown: machine("", "", macB, macA), record: a.ID},
		"the same MACs, another board": {shown: machine("SNX", "4c4c4544-0058-4b10-804a-b5c04f4d3209", macA, macB), record: a.ID, doubts: []string{"SMBIOS serial changed from SNA to SNX"}},
		"one of the MACs":              {shown: machine("", "", macA), conflicts: []string{"OtherRecord aaaaaaaaaaaa MAC 04:32:01:aa:bb:01"}},
		"the serial alone: blades":     {shown: machine("SNA", "4c4c4544-0058-4b10-804a-b5c04f4d3204"), doubts: []string{"record aaaaaaaaaaaa has the same serial SNA"}},
		"the UUID alone":               {shown: machine("SNX", uuidA), conflicts: []string{"OtherRecord aaaaaaaaaaaa UUID " + uuidA}},
		"serial and UUID of one, MAC of another": {shown: machine("SNB", uuidB, macA), record: b.ID, conflicts: []string{"OtherRecord aaaaaaaaaaaa MAC 04:32:01:aa:bb:01"},
			doubts: []string{"MACs changed from 04:32:01:aa:bb:0b to 04:32:01:aa:bb:01"}},
		"serial and UUID of one, all MACs of another": {shown: machine("SNB", uuidB, macA, macB),
			conflicts: []string{"OtherRecord bbbbbbbbbbbb serial SNB", "OtherRecord aaaaaaaaaaaa MAC 04:32:01:aa:bb:01"}},
		"placeholders":                {shown: machine("Default string", "03000200-0400-0500-0006-000700080009", "02:00:00:00:00:01")},
		"the BMC address of a record": {shown: withAddress(machine("SNC", ""), "::ffff:10.0.0.13"), doubts: []string{"record aaaaaaaaaaaa has the same BMC address ::ffff:10.0.0.13"}},
		"a known serial":              {shown: machine("known1", ""), conflicts: []string{"KnownMachine web-2 serial known1"}},
		"a known MAC":                 {shown: machine("", "", "04:32:01:cc:00:01"), conflicts: []string{"KnownMachine web-2 MAC 04:32:01:cc:00:01"}},
		"a known BMC address":         {shown: withAddress(machine("", ""), "10.0.0.99"), conflicts: []string{"KnownMachine web-2 BMC address 10.0.0.99"}},
		"a machine of the journal":    {shown: machine("KNOWN2", uuidC), conflicts: []string{"KnownMachine web-3 serial KNOWN2"}},
		"a disk of a known machine":   {shown: withDisk(machine("SNC", ""), "S5H9NX12"), doubts: []string{"disk S5H9NX12 was seen in web-3"}},
		"a disk of a retired machine": {shown: withDisk(machine("SNC", ""), "S5H9NX51"), doubts: []string{"disk S5H9NX51 was seen in old-1, which was retired on 2026-11-30: erased and read back"}},
		"an address that is none":     {shown: withAddress(machine("SNC", ""), "0.0.0.0")},
		"serial with a known machine's": {shown: machine("KNOWN2", uuidA), conflicts: []string{"KnownMachine web-3 serial KNOWN2",
			"OtherRecord aaaaaaaaaaaa UUID " + uuidA}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := discovery.NewKnown()
			known.Add(web, inventory.Record{})
			known.Add(inventory.Desired{}, pinned)
			known.Add(inventory.Desired{}, retired)
			got := discovery.Identify(test.shown.Shown(), discovery.NewIndex(a, b), known)
			var conflicts []string
			for _, c := range got.Conflicts {
				conflicts = append(conflicts, strings.Join(strings.Fields(fmt.Sprint(c.Kind, " ", c.Host, " ", c.Record, " ", c.What)), " "))
			}
			if got.Record != test.record {
				t.Errorf("Identify() = record %q, want %q", got.Record, test.record)
			}
			if diff := cmp.Diff(test.conflicts, conflicts); diff != "" {
				t.Errorf("Identify() conflicts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.doubts, got.Doubts); diff != "" {
				t.Errorf("Identify() doubts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAMergedMachineIsNoStranger: the host of a record's own proposal is no conflict, and of another record's it is.
func TestAMergedMachineIsNoStranger(t *testing.T) {
	t.Parallel()
	g := machine("SNA", uuidA)
	known := discovery.NewKnown()
	known.Add(inventory.Desired{ID: "m-aaaaaaaaaaaa", Name: "web-a", Identity: schemas.Identity{Serial: "SNA"}}, inventory.Record{})
	if got := discovery.Identify(g.Shown(), discovery.NewIndex(record("aaaaaaaaaaaa", g)), known); len(got.Conflicts) != 0 {
		t.Errorf("its own host is a conflict: %v", got.Conflicts)
	}
	if got := discovery.Identify(g.Shown(), discovery.NewIndex(), known); len(got.Conflicts) != 1 {
		t.Errorf("a record that was forgotten comes back as a stranger with %v, want one conflict", got.Conflicts)
	}
}

// TestTwoAgents is the table of Register and Hear as histories: who registers (r) or speaks (h), as A, B or C, with pauses.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	const silent = discovery.LiveFor + time.Second
	for name, test := range map[string]struct {
		events   []string
		agent    string
		rival    string
		conflict bool
		proved   bool // the proof of A, which is given after the first event, still counts
		answer   discovery.Answer
	}{
		"one agent":                         {events: []string{"hA"}, agent: "A", proved: true},
		"the same agent again":              {events: []string{"rA"}, agent: "A", proved: true},
		"started again at once":             {events: []string{"rB", "hB"}, agent: "A", rival: "B"},
		"started again, then heard":         {events: []string{"rB", "pause", "hB"}, agent: "A", rival: "B", answer: discovery.RegisterAgain},
		"started again, registered again":   {events: []string{"rB", "pause", "hB", "rB"}, agent: "B"},
		"started again after a silence":     {events: []string{"pause", "rB"}, agent: "B"},
		"both live":                         {events: []string{"rB", "hA"}, agent: "A", conflict: true},
		"both live, the second goes on":     {events: []string{"rB", "hA", "hB", "rB"}, agent: "A", conflict: true},
		"both live, long ago":               {events: []string{"rB", "hA", "pause", "rB"}, agent: "A", conflict: true},
		"three":                             {events: []string{"rB", "rC"}, agent: "A", conflict: true},
		"a stranger's word":                 {events: []string{"hC"}, agent: "A", proved: true, answer: discovery.RegisterAgain},
		"the agent of before the new start": {events: []string{"pause", "rB", "hA"}, agent: "B", answer: discovery.RegisterAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const system = "https://10.0.0.13/redfish/v1/Systems/1"
			now, answer := start, discovery.Wait // the answer to the last event, Wait for a registration
			g := machine("SNA", uuidA)
			g.Agent = "A"
			r := record("aaaaaaaaaaaa", g)
			r.Proof = discovery.Proof{Kind: discovery.ByAccount, Agent: "A", System: system, At: now}
			for _, event := range test.events {
				now = now.Add(time.Minute)
				switch {
				case event == "pause":
					now = now.Add(silent)
				case event[0] == 'r':
					g.Agent, g.At, answer = event[1:], now, discovery.Wait
					r = r.Register(g, discovery.Match{Record: r.ID})
				default:
					r, answer = r.Hear(discovery.Word{Agent: event[1:], At: now})
				}
			}
			rival := ""
			if r.Rival != nil {
				rival = r.Rival.Key
			}
			if r.Agent.Key != test.agent || rival != test.rival || answer != test.answer {
				t.Errorf("agent %s, rival %q, answer %v, want %s, %q, %v", r.Agent.Key, rival, answer, test.agent, test.rival, test.answer)
			}
			if conflict := len(r.Conflicts) > 0; conflict != test.conflict || r.IsClear() == (conflict || rival != "") {
				t.Errorf("conflicts %v, clear %v, want a conflict: %v", r.Conflicts, r.IsClear(), test.conflict)
			}
			if proved := r.ProvenBy(system) == discovery.ByAccount; proved != test.proved {
				t.Errorf("proved %v, want %v", proved, test.proved)
			}
			if r.ProvenBy("https://10.0.0.14/redfish/v1/Systems/1") != discovery.NoProof {
				t.Error("the proof counts for another system")
			}
		})
	}
}

// TestAnAgentCannotUnsayTheBMC: what a Redfish service showed stays when an agent registers as the same machine.
func TestAnAgentCannotUnsayTheBMC(t *testing.T) {
	t.Parallel()
	found := discovery.Record{ID: "aaaaaaaaaaaa", LastWord: start, Addresses: []string{"10.0.0.13"}, Fingerprint: "sha256:00",
		Identity: inventory.Pinned{BMC: &inventory.BMCIdentity{Address: "https://10.0.0.13/redfish/v1/Systems/1", Serial: "SNA", UUID: uuidA}}}
	g := withAddress(machine("SNA", uuidA), "10.0.0.66")
	m := discovery.Identify(g.Shown(), discovery.NewIndex(found), discovery.NewKnown())
	if m.Record != found.ID {
		t.Fatalf("Identify() = %+v, want the record that was found by its BMC", m)
	}
	got := found.Register(g, m)
	if got.Identity.BMC != found.Identity.BMC || !slices.Equal(got.Addresses, found.Addresses) || got.Identity.SMBIOS.Serial != "SNA" {
		t.Errorf("after the registration: identity %+v, addresses %v", got.Identity, got.Addresses)
	}
}

func TestFactsDigest(t *testing.T) {
	t.Parallel()
	g := machine("SNA", uuidA, "04:32:01:aa:bb:01")
	r := record("aaaaaaaaaaaa", g)
	later := g
	later.At, later.Facts.At = start.Add(time.Hour), start.Add(time.Hour)
	later.Facts.NICs = slices.Clone(g.Facts.NICs)
	later.Facts.NICs[0].Addresses = []string{"10.0.0.7"} // another lease
	if r.FactsDigest() != r.Register(later, discovery.Match{}).FactsDigest() {
		t.Error("the same machine an hour later has another digest")
	}
	for name, other := range map[string]discovery.Record{
		"a disk":     record("aaaaaaaaaaaa", withDisk(g, "S1")),
		"an address": record("aaaaaaaaaaaa", withAddress(g, "10.0.0.1")),
		"a doubt":    discovery.New("aaaaaaaaaaaa", g, discovery.Match{Doubts: []string{"x"}}),
		"a conflict": discovery.New("aaaaaaaaaaaa", g, discovery.Match{Conflicts: []discovery.Conflict{{Kind: discovery.KnownMachine}}}),
	} {
		if other.FactsDigest() == r.FactsDigest() {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// TestAnyOrder registers machines of a few values in many orders. Whatever the order: one record for one machine, the index
// that was kept up is the index that is made anew, and a machine with a known host's value is never clear.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	known := discovery.NewKnown()
	known.Add(inventory.Desired{ID: "web-1", Identity: schemas.Identity{Serial: "SN0"}}, inventory.Record{})
	for round := range 300 {
		records, index := map[discovery.ID]discovery.Record{}, discovery.NewIndex()
		for step := range 12 {
			serial, uuid := fmt.Sprint("SN", random.IntN(3)), []string{uuidA, uuidB, uuidC}[random.IntN(3)]
			g := machine(serial, uuid, fmt.Sprintf("04:32:01:aa:bb:%02x", random.IntN(3)))
			g.Agent, g.At = fmt.Sprint("agent", random.IntN(4)), start.Add(time.Duration(step)*7*time.Minute)
			m := discovery.Identify(g.Shown(), index, known)
			if again := discovery.Identify(g.Shown(), index, known); !cmp.Equal(m, again) {
				t.Fatalf("two decisions: %s", cmp.Diff(m, again))
			}
			r := discovery.New(discovery.ID(fmt.Sprintf("%012x", step)), g, m)
			if old, is := records[m.Record]; is {
				r = old.Register(g, m)
				index.Remove(old)
			}
			records[r.ID] = r
			index.Add(r)
			if serial == "SN0" && r.Agent.Key == g.Agent && r.Rival == nil && r.LastWord.Equal(g.At) && r.IsClear() {
				t.Fatalf("round %d: a machine with a known serial is clear: %+v", round, r)
			}
		}
		anew := discovery.NewIndex()
		for _, r := range records {
			anew.Add(r)
		}
		for _, r := range records {
			was, is := discovery.Identify(r.Shown(), index, known), discovery.Identify(r.Shown(), anew, known)
			slices.SortFunc(was.Conflicts, byText)
			slices.SortFunc(is.Conflicts, byText)
			if !cmp.Equal(was.Record, is.Record) {
				t.Fatalf("round %d: the index that was kept up decides %v, one made anew %v", round, was, is)
			}
		}
	}
}

func byText(a, b discovery.Conflict) int { return strings.Compare(a.String(), b.String()) }
