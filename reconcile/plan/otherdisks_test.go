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

// writes has the workload's config write to another disk.
func writes(d *inventory.Desired) {
	w := *d.Workload
	w.OtherDisks, w.OtherDisksAllowed = []inventory.OtherDisk{{Device: "/dev/sdb",
		Does: []string{"partition table wiped"}}}, false
	d.Workload = &w
}

// writesAllowed is writes with leave.
func writesAllowed(d *inventory.Desired) {
	writes(d)
	d.Workload.OtherDisksAllowed = true
}

func TestDecideOnOtherDisks(t *testing.T) {
	t.Parallel()
	consent := consentOver(foundOnDisk)
	something := seen(inventory.Content{Signature: "9f3ac41be7705d12"})
	both := func(change func(*inventory.Desired)) func(*inventory.Desired) {
		return func(d *inventory.Desired) { change(d); d.Consent.Erase = []string{consent} }
	}
	underWay := func(stage inventory.Stage) inventory.Record {
		rec := something
		rec.Operation = &inventory.Operation{ID: "o1", Kind: inventory.Install, Inputs: target, Stage: stage,
			Disks: []inventory.OperationDisk{{Disk: rootDisk, Content: foundOnDisk, Erases: true, Consent: consent}}}
		return rec
	}
	for name, test := range map[string]struct {
		ask    func(*inventory.Desired)
		record inventory.Record
		want   change.Verdict
		reason change.Reason
		named  bool // the hold names the device
	}{
		"onto a blank disk": {writes, seen(inventory.Content{Blank: true}), change.Install,
			change.OtherDisks, true},
		"onto a disk never seen": {writes, inventory.Record{}, change.Install, change.OtherDisks, true},
		"with consent":           {both(writes), something, change.Reinstall, change.OtherDisks, true},
		"without consent, too":   {writes, something, change.Reinstall, change.NeedsConsent, true},
		"without two signers, too": {both(func(d *inventory.Desired) { writes(d); d.Signatures = one }), something,
			change.Reinstall, change.OtherDisks, true},
		"no root disk, too": {func(
			d *inventory.Desired) {
			writes(d)
			d.RootDisk = &schemas.DiskHints{Serial: "X"}
		}, something, change.Install, change.NoDisk, true},
		"allowed":                  {both(writesAllowed), something, change.Reinstall, "", false},
		"allowed, without consent": {writesAllowed, something, change.Reinstall, change.NeedsConsent, false},
		"it runs already":          {writes, installed(target, schemas.OnConsent), change.Nothing, "", false},
		"its operation is intended": {both(writes), underWay(inventory.Intended), change.Reinstall,
			change.OtherDisks, true},
		"its operation is under way": {both(writes), underWay(inventory.Working), change.Reinstall, "", false},
		"protected": {func(d *inventory.Desired) { writes(d); d.Protect = true }, something,
			change.HandsOff, "", false},
		"nothing besides the root one": {func(d *inventory.Desired) { d.Consent.Erase = []string{consent} }, something,
			change.Reinstall, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			test.ask(&m.desired)
			got := change.Decide(m.desired, inventory.Standing{}, test.record)
			reason, message := change.Reason(""), ""
			if got.Hold != nil {
				reason, message = got.Hold.Reason, got.Hold.Message
			}
			if got.Verdict != test.want || reason != test.reason {
				t.Errorf("Decide = %s, held %q: %s; want %s, %q", got.Verdict, reason, message, test.want, test.reason)
			}
			if strings.Contains(message, "/dev/sdb") != test.named ||
				strings.Contains(message, "spec.install.otherDisks: Allowed in Workload web") != test.named {
				t.Errorf("held: %s; want the device and what to write in it: %t", message, test.named)
			}
		})
	}
}

func TestOtherDisksAreNamed(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	writesAllowed(&m.desired)
	if got := change.Decide(m.desired, inventory.Standing{}, m.record); got.Hold != nil || len(got.OtherDisks) != 1 {
		t.Errorf("Decide of what is allowed = %+v, want the disk named", got)
	}
	m.desired.Workload.OtherDisksAllowed = false
	for i := range 6 {
		m.desired.Workload.OtherDisks = append(m.desired.Workload.OtherDisks,
			inventory.OtherDisk{Device: "/dev/disk/by-id/x" + string(rune('0'+i)),
				Does: []string{"partition table wiped"}})
	}
	message := change.Decide(m.desired, inventory.Standing{}, m.record).Hold.Message
	if !strings.Contains(message, "3 more") || !strings.Contains(message, "/dev/disk/by-id/coreos-boot-disk") {
		t.Errorf("held: %s; want the others counted, and the way to name the root disk", message)
	}
}

// Nothing is booted, not even to look, for a config that may not write where it would.
func TestOtherDisksHoldTheMachine(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.commit(writes)
	if p := m.settles(t); p.Phase != plan.Held || p.Hold == nil || p.Hold.Reason != change.OtherDisks || m.boots != 0 ||
		m.record.Operation != nil {
		t.Fatalf("ended %+v after %v, want it held and untouched", p, m.done)
	}
	m.commit(writesAllowed)
	if p := m.settles(t); p.Phase != plan.Active {
		t.Errorf("ended %+v, want it installed", p)
	}
}

// Leave that is taken back before the machine is armed ends the operation.
func TestOtherDisksTakenBack(t *testing.T) {
	t.Parallel()
	for _, last := range []act.Kind{act.OpenOperation, act.Publish, act.InsertMedia} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.commit(writesAllowed)
		m.until(t, last)
		m.commit(writes)
		if p := m.settles(t); p.Phase != plan.Held || p.Hold == nil || p.Hold.Reason != change.OtherDisks ||
			slices.Contains(m.done, act.AssignStep) {
			t.Errorf("leave taken back after %s: ended %+v after %v, want it held", last, p, m.done)
		}
	}
}
