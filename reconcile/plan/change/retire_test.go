package change_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

func drive(serial string, content inventory.Content) inventory.Disk {
	return inventory.Disk{Name: strings.ToLower(serial), Serial: serial, Size: 480, Transport: "sata", Content: content}
}

// TestRetire has a row for each state of a machine that leaves the fleet: every disk that is neither removable nor read-only is
// named, each with content under its own consent.
func TestRetire(t *testing.T) {
	t.Parallel()
	blank, data := inventory.Content{Blank: true}, inventory.Content{Signature: "aa", Summary: "xfs"}
	removable, readOnly, held := drive("USB", data), drive("ROM", data), drive("C", data)
	removable.Removable, removable.Transport, readOnly.ReadOnly, held.Holders = true, "usb", true, []string{"bcache0"}
	array := drive("B", data)
	array.Holders = []string{"md0"}
	ended := func(outcome string, kind inventory.OperationKind) func(*inventory.Desired, *inventory.Record) {
		return func(d *inventory.Desired, r *inventory.Record) {
			r.Last = &inventory.Operation{ID: "op", Kind: kind, Stage: inventory.Ended, Outcome: outcome, Inputs: d.Workload.Inputs}
		}
	}
	for name, test := range map[string]struct {
		disks   []inventory.Disk
		differs func(*inventory.Desired, *inventory.Record)
		verdict change.Verdict
		reason  change.Reason
		named   []string // disks
		why     string   // in the reasons, or in the hold
	}{
		"nobody looked":           {verdict: change.Install, named: []string{"A"}},
		"all are blank":           {disks: []inventory.Disk{drive("A", blank), drive("B", blank)}, verdict: change.Install, named: []string{"A", "B"}},
		"data":                    {disks: []inventory.Disk{drive("B", data), drive("A", data)}, verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A", "B"}},
		"data beside the root":    {disks: []inventory.Disk{drive("A", blank), drive("B", data)}, verdict: change.Install, reason: change.NeedsConsent, named: []string{"A", "B"}},
		"removable and read-only": {disks: []inventory.Disk{drive("A", data), removable, readOnly}, verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"}},
		"an array":                {disks: []inventory.Disk{drive("A", blank), array}, verdict: change.Install, reason: change.NeedsConsent, named: []string{"A", "B"}},
		"in use":                  {disks: []inventory.Disk{drive("A", data), held}, verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"}, why: "cannot be erased for spec.retire: it is in use by bcache0"},
		"no root disk":            {disks: []inventory.Disk{drive("B", data)}, verdict: change.Install, reason: change.NoDisk, named: []string{""}},
		"protected": {disks: []inventory.Disk{drive("A", data)}, verdict: change.HandsOff, why: "spec.protect is true",
			differs: func(d *inventory.Desired, _ *inventory.Record) { d.Protect = true }},
		"Retired alone": {disks: []inventory.Disk{drive("A", data)}, verdict: change.HandsOff, why: "spec.lifecycle is Retired",
			differs: func(d *inventory.Desired, _ *inventory.Record) { d.Retires, d.Workload = false, nil }},
		"a rule for reinstalls": {disks: []inventory.Disk{drive("A", data)}, verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"},
			differs: func(d *inventory.Desired, r *inventory.Record) {
				d.Reinstallable = true
				r.Installed = &inventory.Installed{ID: "i", Workload: d.Workload.Name, Update: schemas.Reinstall,
					Disk: inventory.DiskID{Serial: "A", Size: 480}}
			}},
		"a tag of before": {disks: []inventory.Disk{drive("A", data)}, verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"}, why: "tag v1 does not have this spec.retire",
			differs: func(d *inventory.Desired, _ *inventory.Record) {
				d.Ring, d.Signatures = "prod", &inventory.Signatures{Tag: "v1", Signer: "a", Second: "b"}
			}},
		"a tag with it": {disks: []inventory.Disk{drive("A", data)}, verdict: change.Reinstall, named: []string{"A"},
			differs: func(d *inventory.Desired, r *inventory.Record) {
				d.Ring, d.Signatures, d.RetireReleased = "prod", &inventory.Signatures{Tag: "v1", Signer: "a", Second: "b"}, true
				d.Consent.Erase = change.Decide(*d, inventory.Standing{}, *r).Hold.Consents
			}},
		"done":              {disks: []inventory.Disk{drive("A", blank)}, differs: ended(inventory.Succeeded, inventory.Erase), verdict: change.HandsOff, why: "it is retired"},
		"a disk came later": {disks: []inventory.Disk{drive("A", blank), drive("B", data)}, differs: ended(inventory.Succeeded, inventory.Erase), verdict: change.HandsOff, why: "not erased: A, B"},
		"failed":            {disks: []inventory.Disk{drive("A", data)}, differs: ended(inventory.Quarantined, inventory.Erase), verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"}},
		"an install":        {disks: []inventory.Disk{drive("A", data)}, differs: ended(inventory.Succeeded, inventory.Install), verdict: change.Reinstall, reason: change.NeedsConsent, named: []string{"A"}},
	} {
		d := inventory.Desired{ID: "web-3", Name: "web-3", Commit: "c", Lifecycle: schemas.Retired, RootDisk: &schemas.DiskHints{Serial: "A"}}
		retirement.Apply(&d, schemas.Retire{Disks: schemas.RetireDisks{"all"}, Policy: "clear"}, schemas.Position{})
		rec := inventory.Record{ID: "web-3"}
		if test.disks != nil {
			rec.Facts = &inventory.Facts{Epoch: 1, Disks: test.disks}
		}
		if test.differs != nil {
			test.differs(&d, &rec)
		}
		c := change.Decide(d, inventory.Standing{}, rec)
		var named []string
		for _, disk := range c.Disks() {
			named = append(named, disk.ID.Label())
		}
		said := strings.Join(c.Why, "; ")
		var reason change.Reason
		if c.Hold != nil {
			reason, said = c.Hold.Reason, said+"; "+c.Hold.Message
		}
		if test.named == nil {
			named = nil
		}
		if c.Verdict != test.verdict || reason != test.reason || !slices.Equal(named, test.named) || !strings.Contains(said, test.why) {
			t.Errorf("%s: %s, %s, disks %v: %s", name, c.Verdict, reason, named, said)
		}
	}
}
