package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const dataLink = "/dev/disk/by-id/ata-DISK2"

var dataDisk = inventory.DiskID{Serial: "DISK2", Size: 1 << 40}

// dataHolding is the second disk of a machine.
func dataHolding(content inventory.Content) *inventory.Disk {
	return &inventory.Disk{Name: "sdb", Serial: dataDisk.Serial, Size: dataDisk.Size, Links: []string{dataLink},
		Content: content, Table: &inventory.Table{Kind: inventory.TableNone, Valid: true, Alone: true}}
}

// formats has the workload's config write to a partition of the second disk, as the Workload allows.
func formats(d *inventory.Desired) {
	w := *d.Workload
	w.OtherDisksAllowed, w.OtherDisks = true, []inventory.OtherDisk{
		{Device: dataLink, Does: []string{"partition table wiped"}},
		{Device: dataLink + "-part1", Does: []string{"file system xfs made, what is there is wiped"}},
	}
	d.Workload = &w
}

func consentOverData(content string) string {
	return inventory.EraseConsent(hostName, dataDisk, content, target)
}

// The consents of root disk and second disk, each over what is on the disk.
func TestConsentPerDisk(t *testing.T) {
	t.Parallel()
	root, data := consentOver(foundOnDisk), consentOverData("content:data")
	stale := consentOverData("content:other")
	something, blank := inventory.Content{Signature: "9f3ac41be7705d12"}, inventory.Content{Blank: true}
	full := inventory.Content{Signature: "data", Summary: "xfs"}
	signed := func(d *inventory.Desired) { d.Signatures = one }
	for name, test := range map[string]struct {
		root, data inventory.Content
		given      []string
		spent      []string
		ask        func(*inventory.Desired)
		reason     change.Reason
		asks       []string // the consents to write
		erases     bool
	}{
		"both blank":                        {root: blank, data: blank},
		"both hold something, no consent":   {root: something, data: full, reason: change.NeedsConsent, asks: []string{root, data}, erases: true},
		"consent for the root disk alone":   {root: something, data: full, given: []string{root}, reason: change.NeedsConsent, asks: []string{root, data}, erases: true},
		"consent for the second disk alone": {root: something, data: full, given: []string{data}, reason: change.ConsentForOther, asks: []string{root, data}, erases: true},
		"both consents":                     {root: something, data: full, given: []string{root, data}, erases: true},
		"both consents, in another order":   {root: something, data: full, given: []string{data, root}, erases: true},
		"a stale consent for the second":    {root: something, data: full, given: []string{root, stale}, reason: change.ConsentForOther, asks: []string{root, data}, erases: true},
		"the second's consent is spent":     {root: something, data: full, given: []string{root, data}, spent: []string{data}, reason: change.ConsentSpent, asks: []string{root, data}, erases: true},
		"the root disk is blank":            {root: blank, data: full, reason: change.NeedsConsent, asks: []string{data}, erases: true},
		"the root disk is blank, consent":   {root: blank, data: full, given: []string{data}, erases: true},
		"the second disk is blank":          {root: something, data: blank, given: []string{root}, erases: true},
		"the second cannot be read":         {root: blank, data: inventory.Content{Unreadable: "I/O error"}, reason: change.DiskUnreadable},
		"not signed by two":                 {root: blank, data: full, given: []string{data}, ask: signed, reason: change.NeedsSigners, erases: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			formats(&m.desired)
			m.desired.Consent.Erase = test.given
			if test.ask != nil {
				test.ask(&m.desired)
			}
			rec := seen(test.root)
			rec.Facts.Disks, rec.Spent = append(rec.Facts.Disks, *dataHolding(test.data)), test.spent
			got := change.Decide(m.desired, inventory.Standing{}, rec)
			hold := change.Hold{}
			if got.Hold != nil {
				hold = *got.Hold
			}
			if hold.Reason != test.reason || !slices.Equal(hold.Consents, test.asks) || got.Erases != test.erases {
				t.Errorf("Decide: erases %t, held %q: %s, asks %q; want %t, %q, %q", got.Erases, hold.Reason, hold.Message,
					hold.Consents, test.erases, test.reason, test.asks)
			}
			for _, disk := range got.Disks() {
				if told := strings.Contains(hold.Message, "disk "+disk.ID.Label()+" ("); told != disk.Missing &&
					test.reason != change.NeedsSigners {
					t.Errorf("the consent for %s is missing: %t; held: %s", disk.ID.Label(), disk.Missing, hold.Message)
				}
			}
		})
	}
}

// Neither update: Reinstall nor the mark of the root disk covers the second disk: what an install may have put there is
// named until somebody looks.
func TestReinstallDoesNotCoverOtherDisks(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload, m.desired.Reinstallable = workload(target, schemas.Reinstall), true
	formats(&m.desired)
	rec := installed(earlier, schemas.Reinstall)
	rec.Facts.Disks = append(rec.Facts.Disks, *dataHolding(inventory.Content{Blank: true}))
	if got := change.Decide(m.desired, inventory.Standing{}, rec); got.Hold != nil {
		t.Errorf("a second disk that the install did not write and that was blank: held %+v", got.Hold)
	}
	rec.Installed.Others, rec.Installed.Looked = []inventory.DiskID{dataDisk}, 1
	want := consentOverData("unmarked:i1")
	got := change.Decide(m.desired, inventory.Standing{}, rec)
	if got.Hold == nil || got.Hold.Reason != change.NeedsConsent || got.Root.Missing || len(got.Others) != 1 ||
		!got.Others[0].Missing || got.Others[0].Needed != want || !slices.Contains(got.Hold.Consents, want) {
		t.Errorf("Decide = %+v, held %+v; want the second disk's consent asked for, %s", got, got.Hold, want)
	}
}

// A machine is looked at, held for its second disk, installed under the disk's consent, and the consent is spent.
func TestOtherDiskIsConsentedTo(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.data = dataHolding(inventory.Content{Signature: "data", Summary: "xfs"})
	m.commit(formats)
	p := m.settles(t)
	if p.Phase != plan.Held || p.Hold.Reason != change.NeedsConsent || m.writes() > 0 ||
		!slices.Equal(p.Hold.Consents, []string{consentOverData("content:data")}) {
		t.Fatalf("ended %+v after %v, want it held for the second disk", p, m.done)
	}
	needed := p.Hold.Consents
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = needed })
	if p := m.settles(t); p.Phase != plan.Active || !slices.Equal(m.record.Spent, needed) ||
		m.record.Installed == nil || len(m.record.Installed.Others) != 1 {
		t.Fatalf("ended %+v after %v with %+v, want it installed", p, m.done, m.record)
	}
	last := *m.record.Last
	if len(last.Disks) != 2 || last.Disks[0].Consent != "" || last.Disks[1].Consent != needed[0] || last.Disks[1].Begun == 0 {
		t.Errorf("the operation had the disks %+v", last.Disks)
	}
}

// A disk that the permission does not cover is not written: it came, or got content, after the permission.
func TestOtherDiskAfterThePermission(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after *inventory.Disk
		until         act.Kind
	}{
		"it came before the look":       {nil, dataHolding(inventory.Content{Signature: "data"}), act.OpenOperation},
		"it came before the question":   {nil, dataHolding(inventory.Content{Signature: "data"}), act.Publish},
		"it was blank at the look":      {dataHolding(inventory.Content{Blank: true}), dataHolding(inventory.Content{Signature: "data"}), act.Publish},
		"it was blank at the hand-out":  {dataHolding(inventory.Content{Blank: true}), dataHolding(inventory.Content{Signature: "data"}), act.AssignStep},
		"it held else at the hand-out":  {dataHolding(inventory.Content{Signature: "else"}), dataHolding(inventory.Content{Signature: "data"}), act.AssignStep},
		"it cannot be read at the look": {dataHolding(inventory.Content{Blank: true}), dataHolding(inventory.Content{Unreadable: "I/O error"}), act.Publish},
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.data = test.before
		m.commit(func(d *inventory.Desired) {
			formats(d)
			d.Consent.Erase = []string{consentOverData("content:else")}
		})
		m.until(t, test.until)
		m.data = test.after
		if m.agent.Facts != nil && test.until != act.AssignStep { // the operation looks anew
			m.record.Facts.Epoch, m.agent.Facts = 0, m.facts(m.agent.Facts.Epoch)
		}
		p := m.settles(t)
		if p.Phase != plan.Held || p.Hold == nil || len(m.wrote) > 0 || len(m.record.Spent) > 0 {
			t.Errorf("%s: ended %+v, held %+v, after %v; want it held and nothing written", name, p, p.Hold, m.done)
		}
	}
}

// A page with an operation that leaves a disk out, or says another content, allows no write to the disk.
func TestOtherDiskOfAnEditedOperation(t *testing.T) {
	t.Parallel()
	full := dataHolding(inventory.Content{Signature: "data"})
	for name, disks := range map[string][]inventory.OperationDisk{
		"left out":         nil,
		"without consent":  {{Disk: dataDisk, Content: "content:data", Erases: true}},
		"said to be ours":  {{Disk: dataDisk, Content: "unmarked:i1", Erases: true}},
		"said to be known": {{Disk: dataDisk, Content: "install:i1", Erases: true}},
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		formats(&m.desired)
		rec := seen(inventory.Content{Blank: true})
		rec.Facts.Disks = append(rec.Facts.Disks, *full)
		w := m.desired.Workload
		rec.Operation = &inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Published, Workload: w.Name,
			Inputs: w.Inputs, Update: w.Update, Attempt: 1,
			Disks: append([]inventory.OperationDisk{{Disk: rootDisk, Content: inventory.ContentBlank}}, disks...)}
		if why := change.Refusal(m.desired, inventory.Standing{}, rec); !strings.Contains(why, "DISK2") {
			t.Errorf("%s: Refusal = %q, want the disk named", name, why)
		}
	}
}
