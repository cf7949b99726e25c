package review_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	before = "1111111111111111"
	after  = "2222222222222222"
)

func fleet(commit string, hosts ...inventory.Desired) inventory.Fleet {
	f := inventory.Fleet{Commit: commit, Hosts: map[inventory.MachineID]inventory.Desired{}}
	for _, d := range hosts {
		f.Hosts[d.ID] = d
	}
	return f
}

func desired(name, inputs, consent string) inventory.Desired {
	var erase schemas.EraseConsents
	_ = erase.UnmarshalText([]byte(consent))
	return inventory.Desired{
		ID: inventory.MachineID(name), Name: name, File: "hosts/" + name + ".yaml", Lifecycle: schemas.Managed, RootDisk: &schemas.DiskHints{Serial: "DISK-" + name},
		Consent:  schemas.Consent{Erase: erase},
		Workload: &inventory.Workload{Name: "web", Inputs: inputs, Update: schemas.OnConsent, Parts: map[string]string{"image": inputs}},
	}
}

func running(name string) inventory.Record {
	return inventory.Record{ID: inventory.MachineID(name), Installed: &inventory.Installed{
		ID: "i-" + name, Workload: "web", Inputs: before, Parts: map[string]string{"image": before}, Commit: "base",
		Disk: inventory.DiskID{Serial: "DISK-" + name, Size: 480_000_000_000}, Mark: "0a1b2c3d-0000-8000-8000-000000000001",
	}}
}

func allow(name string) string {
	return inventory.EraseConsent(inventory.MachineID(name), inventory.DiskID{Serial: "DISK-" + name}, "install:i-"+name, after)
}

// A host that is called otherwise is the same machine: that is said, and nothing is done for it, also while it is being installed.
func TestARenameIsANote(t *testing.T) {
	t.Parallel()
	record := running("web-1")
	consent := allow("web-1")
	record.Operation = &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Working, Workload: "web", Inputs: after, Disks: []inventory.OperationDisk{{Disk: record.Installed.Disk, Content: "install:i-web-1", Erases: true, Consent: consent}}}
	is := review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": record}}
	called := desired("web-1", after, consent)
	called.Name = "db-1"
	r := review.Compare(fleet("base", desired("web-1", after, consent)), fleet("head", called), is)
	want := []string{"web-1 is called db-1 (id web-1) now: nothing is done to its machine for that."}
	if len(r.Hosts) > 0 || r.TouchesMachine() || r.Unchanged != 1 || !slices.Equal(r.Notes, want) {
		t.Errorf("the review says %s", r.RenderText())
	}
	called.Workload = desired("", before, "").Workload
	if r = review.Compare(fleet("base", desired("web-1", after, consent)), fleet("head", called), is); len(r.Hosts) != 1 || !slices.Equal(r.Notes, want) {
		t.Errorf("of another system that is asked for, the review says %s", r.RenderText())
	}
}

const waits = "the trunk asks for another image; ring prod runs v1 until a newer tag matches v*"

func inRing(d inventory.Desired, pending string) inventory.Desired {
	d.Ring, d.Pending = "prod", pending
	return d
}

func powered(d inventory.Desired, power string) inventory.Desired {
	d.Power = power
	return d
}

func keptOffBy(d inventory.Desired, keys ...string) inventory.Desired {
	d.OffBy = keys
	return d
}

func asksOnce(d inventory.Desired, reboot, inspect string) inventory.Desired {
	d.Requests = schemas.Requests{Inspect: inspect, Reboot: &schemas.RebootRequest{ID: reboot}}
	d.BMC = &schemas.BMC{}
	return d
}

// cases are changes of a fleet; base and head name the same commit of the hosts' record.
func cases() map[string]review.Review {
	records := map[inventory.MachineID]inventory.Record{"web-1": running("web-1"), "web-2": running("web-2")}
	one, two := desired("web-1", before, ""), desired("web-2", before, "")
	return map[string]review.Review{
		"reinstall-held":      review.Compare(fleet("base", one, two), fleet("head", desired("web-1", after, ""), two), review.Known{Records: records}),
		"reinstall-consented": review.Compare(fleet("base", one, two), fleet("head", desired("web-1", after, allow("web-1")), two), review.Known{Records: records}),
		"new-host":            review.Compare(fleet("base", one), fleet("head", one, desired("web-9", before, "")), review.Known{Records: records}),
		"new-host-consented":  review.Compare(fleet("base", one), fleet("head", one, desired("web-9", before, inventory.EraseConsent("web-9", inventory.DiskID{Serial: "DISK-web-9"}, inventory.ContentUnseen, before))), review.Known{Records: records}),
		"deleted-host":        review.Compare(fleet("base", one, two), fleet("head", two), review.Known{Records: records}),
		"deleted-all":         review.Compare(fleet("base", one, two), fleet("head"), review.Known{Records: records}),
		"pending":             review.Compare(fleet("base", inRing(one, ""), inRing(two, "")), fleet("head", inRing(one, waits), inRing(two, waits)), review.Known{Records: records}),
		"power-off":           review.Compare(fleet("base", one, two), fleet("head", powered(one, schemas.PowerOff), powered(two, schemas.PowerUnmanaged)), review.Known{Records: records}),
		"power-on":            review.Compare(fleet("base", powered(one, schemas.PowerOff), two), fleet("head", one, two), review.Known{Records: records}),
		"kept-off":            review.Compare(fleet("base", one, keptOffBy(two, "ups")), fleet("head", keptOffBy(one, "ups", "memtest"), two), review.Known{Records: records}),
		"requests":            review.Compare(fleet("base", one, asksOnce(two, "fw-6", "")), fleet("head", asksOnce(one, "fw-7", "2026-11-29"), asksOnce(two, "fw-6", "")), review.Known{Records: records}),
		"nothing":             review.Compare(fleet("base", one, two), fleet("head", one, two), review.Known{Records: records}),
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		body, err := r.EncodeJSON()
		if err != nil {
			t.Fatal(err)
		}
		for extension, got := range map[string]string{"txt": r.RenderText(), "md": r.RenderMarkdown(), "json": string(body)} {
			file := filepath.Join("testdata", name+"."+extension)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// TestWhatWasDueAnywayChangesToo has the base install something already, which needs no consent: what is installed instead is news.
func TestWhatWasDueAnywayChangesToo(t *testing.T) {
	t.Parallel()
	blank := running("web-1")
	blank.Installed = nil
	blank.Facts = &inventory.Facts{Disks: []inventory.Disk{{Name: "sda", Serial: "DISK-web-1", Size: 480_000_000_000, Content: inventory.Content{Blank: true}}}}
	again := running("web-1")
	again.Installed.Inputs, again.Installed.Update = "0000000000000000", schemas.Reinstall
	for name, test := range map[string]struct {
		record inventory.Record
		want   change.Verdict
	}{"a blank disk": {blank, change.Install}, "update: Reinstall": {again, change.Reinstall}} {
		head := func(inputs string) inventory.Desired {
			d := desired("web-1", inputs, "")
			d.Workload.Update, d.Reinstallable = schemas.Reinstall, true
			return d
		}
		r := review.Compare(fleet("base", head(before)), fleet("head", head(after)), review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": test.record}})
		if r.Unchanged != 0 || len(r.Hosts) != 1 || r.Hosts[0].Verdict != test.want || r.Hosts[0].Was != test.want || r.Hosts[0].Held || !slices.Contains(r.Hosts[0].Why, "image 111111111111 → 222222222222") {
			t.Errorf("%s: another image is %+v", name, r)
		}
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		if got, want := r.IsBlocked(), name == "reinstall-held"; got != want {
			t.Errorf("%s: Blocked = %t, want %t", name, got, want)
		}
	}
}

// JSON is read back as it was written.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		body, err := r.EncodeJSON()
		if err != nil {
			t.Fatal(err)
		}
		var again review.Review
		if err := json.Unmarshal(body, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What a machine says of itself is shown on a forge's page: it makes no HTML, no links, no mentions and no lines there.
func TestMarkdownIsInert(t *testing.T) {
	t.Parallel()
	const evil = "</details><script>x</script> [click](http://evil) @all https://evil www.evil #12 **bold**\n# title `open"
	r := review.Review{Hosts: []review.Host{{
		Name: "web-1", File: "hosts/web-1.yaml", Verdict: change.Reinstall, Erases: true, Held: true,
		Workload: evil, Disk: evil, Content: evil, Why: []string{evil}, Hold: evil,
	}}}
	got := r.RenderMarkdown()
	for _, active := range []string{"<script", "[click](", "@all", "\n# title", "](http", "https://", "www.evil", "#12"} {
		if strings.Contains(got, active) {
			t.Errorf("%q is active in:\n%s", active, got)
		}
	}
	if strings.Count(got, "</details>") != 1 {
		t.Errorf("the entry can be closed from within:\n%s", got)
	}
}

// Nor is it a command to a terminal, or a line of its own there.
func TestTextIsInert(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x9b1m\u202e\r\nPlan: nothing"
	r := review.Review{Hosts: []review.Host{{Name: "web-1", Verdict: change.Reinstall, Workload: evil, Disk: evil, Content: evil, Why: []string{evil}, Hold: evil, Held: true}}}
	got := r.RenderText()
	if strings.ContainsAny(got, "\x1b\u009b\u202e\r") || strings.Contains(got, "\nPlan: nothing") || !utf8.ValidString(got) {
		t.Errorf("the terminal is told %q", got)
	}
}

// A review of any size fits into a comment: what erases comes first, with its details; what is left out is counted.
func TestMarkdownIsLimited(t *testing.T) {
	t.Parallel()
	const hosts = 3000
	base, head, records := fleet("base"), fleet("head"), map[inventory.MachineID]inventory.Record{}
	for i := range hosts {
		name, consent := fmt.Sprintf("web-%04d", i), ""
		if i%1000 == 999 {
			consent = allow(name)
		}
		id := inventory.MachineID(name)
		base.Hosts[id], head.Hosts[id], records[id] = desired(name, before, ""), desired(name, after, consent), running(name)
	}
	r := review.Compare(base, head, review.Known{Records: records})
	r.Status = "status"
	got := r.RenderMarkdown()
	if len(got) > review.MaxMarkdown {
		t.Errorf("the comment has %d bytes, want at most %d", len(got), review.MaxMarkdown)
	}
	if want := "3 to erase and reinstall, 0 to install, 2997 held"; !strings.Contains(strings.Split(got, "\n")[3], want) {
		t.Errorf("the summary is %q, want %q", strings.Split(got, "\n")[3], want)
	}
	var last int
	for _, name := range []string{"web-0999", "web-1999", "web-2999", "web-0000"} {
		at := strings.Index(got, "<b>"+name+"</b>")
		if at <= last {
			t.Errorf("%s is at %d, want it after %d: what erases comes first", name, at, last)
		}
		last = at
	}
	told := strings.Count(got, "<b>web-") + strings.Count(got, " **web-")
	if left := fmt.Sprintf("…and %[1]d more hosts that do not fit here: %[1]d held.", hosts-told); !strings.Contains(got, left) || told < 100 {
		t.Errorf("%d hosts are told, the end is %q, want %q", told, got[len(got)-200:], left)
	}
	if opened, closed := strings.Count(got, "<details>"), strings.Count(got, "</details>"); opened != closed {
		t.Errorf("%d parts are opened, %d closed", opened, closed)
	}
}

// No host fills the comment alone, whatever its machine reports.
func TestOneHostDoesNotFillTheComment(t *testing.T) {
	t.Parallel()
	r := review.Review{Hosts: []review.Host{{
		Name: "evil", Why: slices.Repeat([]string{strings.Repeat("<", 1000)}, 1000), Content: strings.Repeat("ä<", 50_000), Hold: strings.Repeat("&", 100_000), Disk: strings.Repeat("d", 100_000),
		Consent: []string{strings.Repeat("`", 100_000)}, Erases: true, Held: true,
	}, {Name: "good", Verdict: change.Install}}}
	got := r.RenderMarkdown()
	if len(got) > review.MaxMarkdown || !strings.Contains(got, "<b>evil</b>") || !strings.Contains(got, "<b>good</b>") || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid: %t, without the other host:\n%.2000s", len(got), utf8.ValidString(got), got)
	}
}

// The first line is how the comment is found again, by programs that are not in this repository: it stays as it is.
func TestMarkerStays(t *testing.T) {
	t.Parallel()
	if got, _, _ := strings.Cut(review.Review{}.RenderMarkdown(), "\n"); got != "<!-- ingot-plan -->" {
		t.Errorf("the first line is %q", got)
	}
}

// Every JSON review satisfies the committed schema; one that lacks a field, or has a verdict that is none, does not.
func TestJSONSchema(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	schema, err := compiler.Compile("../../docs/plan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range cases() {
		r.Notes = []string{"no ring follows the tag"}
		body, err := r.EncodeJSON()
		if err != nil {
			t.Fatal(err)
		}
		validate := func(text string) error {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return schema.Validate(value)
		}
		if err := validate(string(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, bad := range []string{strings.Replace(string(body), `"counts"`, `"count"`, 1), strings.Replace(string(body), `/v1alpha1"`, `/v2"`, 1), strings.Replace(string(body), `"verdict": "`, `"verdict": "Un`, 1)} {
			if bad != string(body) && validate(bad) == nil {
				t.Errorf("%s: the schema takes:\n%s", name, bad)
			}
		}
	}
}
