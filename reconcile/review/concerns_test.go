package review_test

import (
	"fmt"
	"slices"
	"strings"
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
			if rapid.Bool().Draw(t, "another id") {
				d.ID = inventory.MachineID(d.Name)
			}
		}
		d.Power = rapid.SampledFrom([]string{"", "On", "Off"}).Draw(t, "power")
		d.Protect = rapid.IntRange(0, 5).Draw(t, "protect") == 0
		if rapid.IntRange(0, 5).Draw(t, "pending") == 0 {
			d.Pending = "the trunk asks for more"
		}
		f.Hosts[d.ID] = d
	}
	return f
}

// TestNoOtherRecordsConcern: with the records of orphans, and those that Concerns and Claims name, a review is the one with all records.
func TestNoOtherRecordsConcern(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawFleet(t, "base"), drawFleet(t, "head")
		for name, d := range base.Hosts {
			if rapid.Bool().Draw(t, "unchanged") {
				d.Commit, d.Release, d.File = head.Commit, head.Commit, "elsewhere/"+d.Name
				head.Hosts[name] = d
			}
		}
		all, given := map[inventory.MachineID]inventory.Record{}, map[inventory.MachineID]inventory.Record{}
		for n := range 5 {
			for _, name := range []string{fmt.Sprintf("web-%d", n), fmt.Sprintf("web-%d-new", n)} {
				id := inventory.MachineID(name)
				record := running(name)
				record.Facts = &inventory.Facts{System: inventory.System{Serial: fmt.Sprintf(" SN-%d", n)}, Disks: []inventory.Disk{{Name: "sda", Serial: "DISK-" + name, Size: 480_000_000_000}}}
				switch rapid.IntRange(0, 3).Draw(t, "record") {
				case 0:
					all[id] = record
				case 1:
					record.Installed = nil
					all[id] = record
				case 2:
					all[id] = inventory.Record{ID: id}
				}
			}
		}
		for name, record := range all {
			if _, named := head.Hosts[name]; !named {
				given[name] = record
			}
		}
		for _, id := range review.ConcernedHosts(base, head) {
			if record, there := all[id]; there {
				given[id] = record
			}
		}
		claims := review.DeclaredClaims(base, head, given)
		for id, record := range all {
			if record.Facts != nil && slices.Contains(claims, strings.ToLower(strings.TrimSpace(record.Facts.System.Serial))) {
				given[id] = record
			}
		}
		if diff := cmp.Diff(review.Compare(base, head, review.Known{Records: all}), review.Compare(base, head, review.Known{Records: given})); diff != "" {
			t.Fatalf("(-with all records +with those that concern it):\n%s", diff)
		}
	})
}
