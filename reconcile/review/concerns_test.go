package review_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/review"
)

// drawFleet gives some of five hosts, some of them renamed, moved, changed.
func drawFleet(t *rapid.T, commit string) inventory.Fleet {
	f := fleet(commit)
	for n := range 5 {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		d := desired(fmt.Sprintf("web-%d", n), rapid.SampledFrom([]string{before, after}).Draw(t, "inputs"), "")
		d.Commit, d.Release = commit, commit
		d.File, d.Line = fmt.Sprintf("%s/%s.yaml", commit, d.Name), rapid.IntRange(1, 2).Draw(t, "line")
		d.Identity.Serial = fmt.Sprintf("sn-%d", n)
		if rapid.IntRange(0, 3).Draw(t, "renamed") == 0 {
			d.Name += "-new"
			if rapid.Bool().Draw(t, "formerly") {
				d.Former = fmt.Sprintf("web-%d", n)
			}
		}
		d.Power = rapid.SampledFrom([]string{"", "On", "Off"}).Draw(t, "power")
		d.Protect = rapid.IntRange(0, 5).Draw(t, "protect") == 0
		if rapid.IntRange(0, 5).Draw(t, "pending") == 0 {
			d.Pending = "the trunk asks for more"
		}
		f.Hosts[d.Name] = d
	}
	return f
}

// TestNoOtherRecordsConcern: with the records of orphans, and those that Concerns names, a review is the one with all records.
func TestNoOtherRecordsConcern(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawFleet(t, "base"), drawFleet(t, "head")
		for name, d := range base.Hosts {
			if rapid.Bool().Draw(t, "unchanged") {
				d.Commit, d.Release, d.File = head.Commit, head.Commit, "elsewhere/"+name
				head.Hosts[name] = d
			}
		}
		all, given := map[string]inventory.Record{}, map[string]inventory.Record{}
		for n := range 5 {
			for _, name := range []string{fmt.Sprintf("web-%d", n), fmt.Sprintf("web-%d-new", n)} {
				record := running(name)
				record.Facts = &inventory.Facts{System: inventory.System{Serial: fmt.Sprintf(" SN-%d", n)}, Disks: []inventory.Disk{{Name: "sda", Serial: "DISK-" + name, Size: 480_000_000_000}}}
				switch rapid.IntRange(0, 3).Draw(t, "record") {
				case 0:
					all[name] = record
				case 1:
					record.Installed = nil
					all[name] = record
				case 2:
					all[name] = inventory.Record{Host: name}
				}
			}
		}
		for name, record := range all {
			if _, named := head.Hosts[name]; !named {
				given[name] = record
			}
		}
		for had := -1; had < len(given); {
			had = len(given)
			for _, name := range review.Concerns(base, head, maps.Clone(given)) {
				if record, there := all[name]; there {
					given[name] = record
				}
			}
		}
		if diff := cmp.Diff(review.Compare(base, head, review.Known{Records: all}), review.Compare(base, head, review.Known{Records: given})); diff != "" {
			t.Fatalf("(-with all records +with those that concern it):\n%s", diff)
		}
	})
}
