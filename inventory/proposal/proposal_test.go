package proposal_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/ruleset"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

var discovered = time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)

// trunkFiles is a fleet with one host, a workload, a Secret and rules.
var trunkFiles = map[string]string{
	"hosts/discovered/web-5xkj2m4.yaml": "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: web-5xkj2m4}\nspec: {identity: {serial: 5XKJ2M4}}\n",
	"workloads/web.yaml": `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: web}
spec: {install: {image: {url: "https://images.example.com/os.raw.zst", sha256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}}}
`,
	"secrets/bmc-factory.yaml": secretfile.SealFile(`apiVersion: ingot.dev/v1alpha1
kind: Secret
metadata: {name: bmc-factory}
spec: {scope: {matchLabels: {site: fra1}}, data: {username: root, password: hunter2}}
` + secretfile.Marker),
	"rules/all.yaml": `apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: web}
spec:
  priority: 100
  when: 'has(facts.system.serial) && facts.system.manufacturer.startsWith("Dell")'
  labels: {model: r750}
  set:
    metadata.name: '"web-" + facts.system.serial'
    spec.workload: '"web"'
    spec.rootDisk.wwn: 'facts.disks.filter(d, d.transport == "nvme")[0].wwn'
    spec.disks.data[].serial: 'facts.disks.filter(d, d.transport == "sata").map(d, d.serial)'
    spec.boot.secureBoot: "true"
    spec.power: '"On"'
    spec.vars.asset: '"yes"'
  credentials: {secret: bmc-factory}
---
apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: rack}
spec: {when: 'facts.nics.exists(n, n.driver == "cdc_ether")', set: {metadata.labels.rack: 'facts.disks[0].vendor'}}
`,
}

// trunk loads a fleet of files.
func trunk(t testing.TB, files map[string]string) (proposal.Trunk, *ruleset.Set) {
	t.Helper()
	s := inventory.Snapshot{Commit: strings.Repeat("a", 40), Files: map[string]inventory.File{}}
	for name, data := range files {
		s.Files[name] = inventory.File{Blob: inventory.Digest(data), Data: []byte(data)}
	}
	fleet, findings, cache := load.FleetWithCache(load.Cache{}, inventory.Sources{Trunk: s}, nil)
	if schemas.Fatal(findings) {
		t.Fatal(findings)
	}
	set, _ := ruleset.Compile(fleet.Rules, fleet.Secrets)
	return proposal.Trunk{Snapshot: s, Fleet: fleet, Cache: cache}, set
}

// record is the record of a machine of the ruleset's testdata.
func record(t testing.TB, shape string) discovery.Record {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "ruleset", "testdata", "machines", shape+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts inventory.Facts
	if err := format.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	return discovery.New("7f3a9c21e0b4", discovery.Registration{At: discovered, Key: "fra1-pallet-7", Agent: "a", Facts: facts,
		Addresses: []string{"10.0.0.13"}}, discovery.Match{})
}

func input(r discovery.Record, set *ruleset.Set) proposal.Input {
	return proposal.Input{Record: r, Verdict: set.Decide(ruleset.Machine{ID: r.ID.Machine(), Facts: r.Facts,
		Labels: map[string]string{"site": "fra1"}, Key: r.Key})}
}

// TestRender compares the proposals of all shapes with the files of testdata.
func TestRender(t *testing.T) {
	t.Parallel()
	fleet, set := trunk(t, trunkFiles)
	for _, shape := range []string{"dell", "hpe", "supermicro", "lenovo", "gb200", "laptop", "vm"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			_, set := trunk(t, trunkFiles) // a Set is for one goroutine
			p, err := proposal.Render(input(record(t, shape), set), fleet)
			if err != nil {
				t.Fatal(err)
			}
			got, golden := string(p.Files[p.Path]), filepath.Join("testdata", shape+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", p.Path, diff)
			}
			checkMeant(t, p)
		})
	}
	_ = set
}

// checkMeant checks that a file is read as the Host that was meant, and that nothing left a comment.
func checkMeant(t testing.TB, p proposal.Proposal) {
	t.Helper()
	text := string(p.Files[p.Path])
	documents, findings := decode.DecodeFile(p.Path, []byte(text))
	if schemas.Fatal(findings) || len(documents) != 1 || documents[0].Host == nil {
		t.Fatalf("%d documents, findings %v:\n%s", len(documents), findings, text)
	}
	if diff := cmp.Diff(p.Host, *documents[0].Host); diff != "" {
		t.Fatalf("the file is read as another host (-meant +read):\n%s\n%s", diff, text)
	}
	below := false
	for line := range strings.SplitSeq(text, "\n") {
		comment := strings.HasPrefix(line, "# ")
		if below = below || !comment; below && comment {
			t.Fatalf("a comment stands below the document:\n%s", text)
		}
	}
	if !below || strings.Count(p.Body, "```") != 2 || strings.ContainsAny(p.Title, "\r\n`@") {
		t.Fatalf("the request is not in one block:\n%s\n%s", p.Title, p.Body)
	}
	spec := p.Host.Spec
	if len(spec.Consent.Erase) > 0 || spec.Consent.Takeover != "" || spec.Protect || spec.Lifecycle != "" || len(spec.Steps) > 0 || spec.Requests != (schemas.Requests{}) {
		t.Fatalf("a proposal writes what is a person's: %+v", spec)
	}
}

func TestNamesAndTrouble(t *testing.T) {
	t.Parallel()
	fleet, set := trunk(t, trunkFiles)
	taken := record(t, "dell")
	taken.Facts.System.Serial = "5xkj2m4"
	p, err := proposal.Render(input(taken, set), fleet)
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != "hosts/discovered/web-5xkj2m4-2.yaml" || p.Host.Metadata.Name != "web-5xkj2m4-2" ||
		!strings.Contains(string(p.Files[p.Path]), "the trunk has hosts/discovered/web-5xkj2m4.yaml or a host of that name") {
		t.Errorf("a name that is taken: %s\n%s", p.Path, p.Files[p.Path])
	}

	nowhere := record(t, "dell")
	nowhere.Addresses = nil
	p, err = proposal.Render(input(nowhere, set), fleet)
	if err != nil {
		t.Fatal(err)
	}
	if p.Host.Spec.BMC != nil || len(p.Refused) == 0 || !strings.Contains(string(p.Files[p.Path]), "# Doubt: the trunk refuses this file as it is: spec.bmc: a host with a workload needs a bmc") {
		t.Errorf("no BMC: refused %v\n%s", p.Refused, p.Files[p.Path])
	}

	in := input(record(t, "dell"), set)
	delete(in.Verdict.Values, "spec.bmc.credentials")
	in.Secret = &proposal.Secret{Name: "bmc-m-7f3a9c21e0b4", Document: []byte("sealed"), Note: "the account is not verified yet"}
	in.Signed = true
	p, err = proposal.Render(in, fleet)
	if err != nil {
		t.Fatal(err)
	}
	if string(p.Files["secrets/bmc-m-7f3a9c21e0b4.yaml"]) != "sealed" || p.Host.Spec.BMC.Credentials != "bmc-m-7f3a9c21e0b4" ||
		!strings.Contains(p.Body, proposal.SignedMerge) || !strings.Contains(string(p.Files[p.Path]), "# Doubt: the account is not verified yet") {
		t.Errorf("a Secret: %+v\n%s", p, p.Files[p.Path])
	}
	for _, address := range []string{"fe80::1", "127.0.0.1", "0.0.0.0", "nonsense", "::"} {
		r := record(t, "dell")
		r.Addresses = []string{address, "fd00::7"}
		if p, err = proposal.Render(input(r, set), fleet); err != nil || p.Host.Spec.BMC == nil || p.Host.Spec.BMC.Address != "https://[fd00::7]" {
			t.Errorf("address %s: %v %+v", address, err, p.Host.Spec.BMC)
		}
	}
}

// FuzzRender: whatever a machine says, the file is read as the host that was meant, and no value leaves its comment.
func FuzzRender(f *testing.F) {
	for _, hostile := range []string{"x", "a\nb: c", "# x\r\nspec: {protect: true}", "\u2028---\u2029kind: Secret", "```\n@everyone", "'\"\\", "{{ .Secret }} ${secret.a.b}",
		"\x00\x1b[31m", "- [x](javascript:alert(1))", "\u202e\u0085", strings.Repeat("é", 300), "yes", "0x1F", "!!binary aGk=", "&a *a", "[", "}", "", "1e3", "~", ": ", " #", "../../main"} {
		f.Add(hostile, hostile, hostile, hostile)
	}
	fleet, set := trunk(f, trunkFiles)
	free, _ := ruleset.Compile(mustDecode(f, `apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: hostile}
spec:
  when: "true"
  set:
    metadata.name: 'facts.system.serial'
    spec.vars.a: 'facts.system.product'
    spec.vars.b: 'facts.nics[0].name'
    spec.rootDisk.model: 'facts.disks[0].model'
    spec.network.ramdisk.interfaces[0].name: 'facts.nics[0].name'
    spec.network.ramdisk.interfaces[0].type: '"ethernet"'
---
apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: label}
spec: {when: "true", set: {metadata.labels.x: 'facts.system.product', spec.vars.c: 'facts.disks[0].serial'}}
`), nil)
	_ = set
	f.Fuzz(func(t *testing.T, serial, product, nic, disk string) {
		r := record(t, "dell")
		r.Key, r.Delivery = product, serial
		r.Facts.System.Serial, r.Facts.System.Product, r.Facts.System.Manufacturer, r.Facts.System.UUID = serial, product, disk, nic
		r.Identity.SMBIOS = &inventory.SMBIOSIdentity{Serial: serial, UUID: nic}
		r.Facts.NICs[0].Name, r.Facts.NICs[2].Name, r.Facts.CPU.Model = nic, nic, product
		r.Facts.Disks[0].Model, r.Facts.Disks[0].Serial, r.Facts.Disks[0].Name = disk, disk, disk
		r.Facts.Disks[0].Content = inventory.Content{Signature: nic, Summary: product}
		r.Facts.Disks[1].Content = inventory.Content{Unreadable: disk + "?"}
		r.Facts.Errors, r.Doubts, r.Addresses = []string{product}, []string{disk}, []string{nic, "10.0.0.13"}
		in := input(r, free)
		if !in.Verdict.Proposes() {
			t.Fatalf("the rules say %+v", in.Verdict)
		}
		in.Secret = &proposal.Secret{Name: "bmc-m-7f3a9c21e0b4", Document: []byte("sealed"), Note: product}
		p, err := proposal.Render(in, fleet)
		if err != nil {
			t.Fatal(err)
		}
		checkMeant(t, p)
		if again, _ := proposal.Render(in, fleet); string(again.Files[p.Path]) != string(p.Files[p.Path]) {
			t.Fatal("two files for one machine")
		}
	})
}

func mustDecode(t testing.TB, text string) []schemas.Document {
	t.Helper()
	documents, findings := decode.DecodeFile("rules/hostile.yaml", []byte(text))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return documents
}

// TestRenderRepair: a repair changes its fields of the Host file and no other byte, and says in the request what was seen.
func TestRenderRepair(t *testing.T) {
	t.Parallel()
	const path = "hosts/discovered/web-5xkj2m4.yaml"
	files := maps.Clone(trunkFiles)
	files[path] = "# ours\napiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: web-5xkj2m4}\nspec:\n  identity: {serial: 5XKJ2M4, macs: [\"04:32:01:aa:bb:c0\"]} # the rack's\n"
	fleet, _ := trunk(t, files)
	r := repair.Repair{Host: "web-5xkj2m4", Kind: repair.Identity, Says: []string{"the board is `another`\none"}, Changes: []repair.Change{
		{Field: "spec.identity.serial", Was: "5XKJ2M4", Now: []string{"NEW"}},
		{Field: "spec.identity.macs", Was: "04:32:01:aa:bb:c0", Now: []string{"04:32:01:aa:bb:d0"}, List: true}}}
	record := discovery.Record{ID: "7f3a9c21e0b4", Repair: &r}
	if proposal.IsMerged(record, fleet) {
		t.Error("the repair is merged before")
	}
	p, err := proposal.RenderRepair(r, fleet, true)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(strings.Replace(files[path], "5XKJ2M4,", `"NEW",`, 1), `["04:32:01:aa:bb:c0"]`, `["04:32:01:aa:bb:d0"]`, 1)
	if got := string(p.Files[path]); got != want || p.Path != path || len(p.Files) != 1 {
		t.Errorf("%s:\n%swant\n%s", p.Path, got, want)
	}
	for _, text := range []string{"spec.identity.serial: NEW, was 5XKJ2M4", "the board is 'another'?one", proposal.SignedMerge} {
		if !strings.Contains(p.Body, text) {
			t.Errorf("the request does not say %q:\n%s", text, p.Body)
		}
	}
	files[path] = string(p.Files[path])
	if fleet, _ = trunk(t, files); !proposal.IsMerged(record, fleet) {
		t.Error("the merged repair is not merged")
	}
	files[path] = "apiVersion: ingot.dev/v1alpha1\nkind: Host\nmetadata: {name: web-5xkj2m4}\nspec:\n  identity: {serial: 5XKJ2M4, macs: [\"04:32:01:aa:bb:c0\",\n    \"04:32:01:aa:bb:c2\"]}\n"
	fleet, _ = trunk(t, files)
	if _, err := proposal.RenderRepair(r, fleet, false); !errors.Is(err, proposal.ErrNotRepaired) {
		t.Errorf("a file that cannot be edited: %v", err)
	}
}
