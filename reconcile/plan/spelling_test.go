package plan_test

import (
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// TestAnotherSpellingOfTheButaneFile changes nothing but comments of the Butane file, which changes the inputs: nothing is
// written, also where an earlier ingot installed the system and kept no digest of the config. Another config is a change.
func TestAnotherSpellingOfTheButaneFile(t *testing.T) {
	t.Parallel()
	spelled := func(inputs, config string) *inventory.Workload {
		return spelledWorkload(inputs, config, schemas.Reinstall)
	}
	for name, earlier := range map[string]bool{"installed by this ingot": false, "installed by an earlier one": true} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.desired.Workload, m.desired.Reinstallable = spelled("aaaaaaaaaaaaaaaa", "c1"), true
		m.settle(t)
		if m.record.Installed == nil || m.record.Installed.Config != "c1" {
			t.Fatalf("record = %+v, want an install with its config", m.record)
		}
		disk := m.disk
		if earlier {
			m.record.Installed.Config = ""
			m.settle(t)
			if m.record.Installed.Config != "c1" {
				t.Fatalf("record = %+v, want the config recorded", m.record)
			}
		}
		boots := m.boots
		m.commit(func(d *inventory.Desired) { d.Workload = spelled("bbbbbbbbbbbbbbbb", "c1") })
		m.settle(t)
		if p := m.look(nowhere); p.Phase != plan.Active || m.disk != disk || m.boots != boots {
			t.Errorf("%s: %+v, disk %s after %d effects, want nothing done", name, p, m.disk, m.boots-boots)
		}
		m.commit(func(d *inventory.Desired) { d.Workload = spelled("cccccccccccccccc", "c2") })
		m.settle(t)
		if m.record.Installed == nil || m.record.Installed.Config != "c2" || m.disk == disk {
			t.Errorf("%s: record = %+v, want the other config installed", name, m.record)
		}
	}
}

// spelledWorkload is a workload whose Butane file is spelled as inputs say and means config.
func spelledWorkload(inputs, config, update string) *inventory.Workload {
	w := workload(inputs, update)
	w.Config, w.Parts = config, map[string]string{"butane": inputs, "image": "i"}
	return w
}

// TestConsentOutlivesASpelling gives a consent for a host that is not installed, and changes nothing but comments of the
// Butane file before the install, or while it is under way: the consent counts. For another config it does not count.
func TestConsentOutlivesASpelling(t *testing.T) {
	t.Parallel()
	for name, unseen := range map[string]bool{"over what a look found": false, "over a disk that nobody looked at": true} {
		for stage, effects := range map[string]int{"at once": 0, "after the operation was opened": 1, "after it was published": 2} {
			m := newModel(foundOnDisk, inventory.PoweredOff)
			m.desired.Workload = spelledWorkload("aaaaaaaaaaaaaaaa", "c1", schemas.OnConsent)
			if !unseen {
				if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsConsent {
					t.Fatalf("%s: %+v, want it held for consent", name, p)
				}
			}
			over := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{over} })
			for range effects {
				m.look(nowhere)
			}
			m.commit(func(d *inventory.Desired) {
				d.Workload = spelledWorkload("bbbbbbbbbbbbbbbb", "c1", schemas.OnConsent)
			})
			if p := m.settles(t); p.Phase != plan.Active || m.record.Installed.Config != "c1" || !slices.Contains(m.record.Spent, over) {
				t.Errorf("%s, %s: %+v, spent %q, want it installed under %s", name, stage, p, m.record.Spent, over)
			}
		}
		m := newModel(foundOnDisk, inventory.PoweredOff)
		m.desired.Workload = spelledWorkload("aaaaaaaaaaaaaaaa", "c1", schemas.OnConsent)
		over := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
		m.commit(func(d *inventory.Desired) {
			d.Consent.Erase = []string{over}
			d.Workload = spelledWorkload("cccccccccccccccc", "c2", schemas.OnConsent)
		})
		if p := m.settles(t); p.Phase != plan.Held || m.record.Installed != nil || m.disk != foundOnDisk {
			t.Errorf("%s, another config: %+v, disk %s, want it held", name, p, m.disk)
		}
	}
}

// TestConsentsOfEarlierVersions decides with consents over the inputs, as earlier versions of ingot wrote them: they count
// as before, and the two forms of a consent are used up together.
func TestConsentsOfEarlierVersions(t *testing.T) {
	t.Parallel()
	w := spelledWorkload("aaaaaaaaaaaaaaaa", "c1", schemas.OnConsent)
	facts := &inventory.Facts{Disks: []inventory.Disk{{Name: "sda", Serial: rootDisk.Serial, Size: rootDisk.Size,
		Content: inventory.Content{Signature: "9f3ac41be7705d12"}}}}
	const content = "content:9f3ac41be7705d12"
	forms, unseen := change.Consents(*w, hostName, rootDisk, content), change.Consents(*w, hostName, rootDisk, inventory.ContentUnseen)
	if forms[0] == forms[1] || unseen[0] == unseen[1] {
		t.Fatalf("consents %q and %q, want two forms", forms, unseen)
	}
	for name, test := range map[string]struct {
		facts  *inventory.Facts
		given  string
		spent  []string
		needed string
		reason change.Reason // "" where the erase is allowed
	}{
		"without a consent the new form is asked for": {facts: facts, needed: forms[0], reason: change.NeedsConsent},
		"the new form":     {facts: facts, given: forms[0], needed: forms[0]},
		"the earlier form": {facts: facts, given: forms[1], needed: forms[1]},
		"the earlier form over unseen, looked at since":     {facts: facts, given: unseen[1], needed: forms[0]},
		"the earlier form over unseen, before a look":       {given: unseen[1], needed: unseen[1]},
		"the new form over unseen, before a look":           {given: unseen[0], needed: unseen[0]},
		"the new form, the earlier one spent":               {facts: facts, given: forms[0], spent: forms[1:], needed: forms[0], reason: change.ConsentSpent},
		"the earlier form, the new one spent":               {facts: facts, given: forms[1], spent: forms[:1], needed: forms[1], reason: change.ConsentSpent},
		"the new form over unseen, the earlier one spent":   {facts: facts, given: unseen[0], spent: unseen[1:], needed: forms[0], reason: change.ConsentSpent},
		"a consent over another target's inputs is another": {facts: facts, given: inventory.EraseConsent(hostName, rootDisk, content, "bbbbbbbbbbbbbbbb"), needed: forms[0], reason: change.ConsentForOther},
	} {
		d := newModel(foundOnDisk, inventory.PoweredOff).desired
		d.Workload = w
		if test.given != "" {
			d.Consent.Erase = []string{test.given}
		}
		got := change.Decide(d, inventory.Standing{}, inventory.Record{ID: hostName, Facts: test.facts, Spent: test.spent})
		reason := change.Reason("")
		if got.Hold != nil {
			reason = got.Hold.Reason
		}
		if got.Root.Needed != test.needed || reason != test.reason || !got.Erases {
			t.Errorf("%s: needs %q, erases %t, held %q; want %q, held %q", name, got.Root.Needed, got.Erases, reason, test.needed, test.reason)
		}
	}
}
