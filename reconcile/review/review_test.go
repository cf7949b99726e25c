package review_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	before = "1111111111111111"
	after  = "2222222222222222"
)

func fleet(commit string, hosts ...inventory.Desired) inventory.Fleet {
	f := inventory.Fleet{Commit: commit, Hosts: map[string]inventory.Desired{}}
	for _, d := range hosts {
		f.Hosts[d.Name] = d
	}
	return f
}

func desired(name, inputs, consent string) inventory.Desired {
	return inventory.Desired{
		Name: name, File: "hosts/" + name + ".yaml", Lifecycle: schemas.Managed, RootDisk: &schemas.DiskHints{Serial: "DISK-" + name},
		Consent:  schemas.Consent{Erase: consent},
		Workload: &inventory.Workload{Name: "web", Inputs: inputs, Update: schemas.OnConsent, Parts: map[string]string{"image": inputs}},
	}
}

func running(name string) inventory.Record {
	return inventory.Record{Host: name, Installed: &inventory.Installed{
		ID: "i-" + name, Workload: "web", Inputs: before, Parts: map[string]string{"image": before}, Commit: "base",
		Disk: inventory.DiskID{Serial: "DISK-" + name, Size: 480_000_000_000},
	}}
}

func allow(name string) string {
	return inventory.EraseConsent(name, inventory.DiskID{Serial: "DISK-" + name}, "install:i-"+name, after)
}

// cases are changes of a fleet; base and head name the same commit of the hosts' record.
func cases() map[string]review.Review {
	records := map[string]inventory.Record{"web-1": running("web-1"), "web-2": running("web-2")}
	one, two := desired("web-1", before, ""), desired("web-2", before, "")
	return map[string]review.Review{
		"reinstall-held":      review.Compare(fleet("base", one, two), fleet("head", desired("web-1", after, ""), two), records),
		"reinstall-consented": review.Compare(fleet("base", one, two), fleet("head", desired("web-1", after, allow("web-1")), two), records),
		"new-host":            review.Compare(fleet("base", one), fleet("head", one, desired("web-9", before, "")), records),
		"new-host-consented":  review.Compare(fleet("base", one), fleet("head", one, desired("web-9", before, inventory.EraseConsent("web-9", inventory.DiskID{Serial: "DISK-web-9"}, inventory.ContentUnseen, before))), records),
		"deleted-host":        review.Compare(fleet("base", one, two), fleet("head", two), records),
		"nothing":             review.Compare(fleet("base", one, two), fleet("head", one, two), records),
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		body, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for extension, got := range map[string]string{"txt": r.Text(), "md": r.Markdown(), "json": string(body)} {
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

func TestBlocked(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		if got, want := r.Blocked(), name == "reinstall-held"; got != want {
			t.Errorf("%s: Blocked = %t, want %t", name, got, want)
		}
	}
}

// JSON is read back as it was written.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	for name, r := range cases() {
		body, err := r.JSON()
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
	const evil = "</details><script>x</script> [click](http://evil) @all **bold**\n# title `open"
	r := review.Review{Hosts: []review.Host{{
		Name: "web-1", File: "hosts/web-1.yaml", Verdict: plan.Reinstall, Erases: true, Held: true,
		Workload: evil, Disk: evil, Content: evil, Why: []string{evil}, Hold: evil,
	}}}
	got := r.Markdown()
	for _, active := range []string{"<script", "[click](", "@all", "\n# title", "](http"} {
		if strings.Contains(got, active) {
			t.Errorf("%q is active in:\n%s", active, got)
		}
	}
	if strings.Count(got, "</details>") != 1 {
		t.Errorf("the entry can be closed from within:\n%s", got)
	}
}

// A review of any size fits into a comment, and counts what it leaves out.
func TestMarkdownIsLimited(t *testing.T) {
	t.Parallel()
	var r review.Review
	for range 2000 {
		r.Hosts = append(r.Hosts, review.Host{Name: "web", Verdict: plan.Install, Hold: strings.Repeat("x", 300), Held: true})
	}
	got := r.Markdown()
	if len(got) > review.MaxMarkdown || !strings.Contains(got, "more hosts") {
		t.Errorf("%d bytes, ends %q", len(got), got[len(got)-100:])
	}
}
