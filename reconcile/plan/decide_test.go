package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const (
	target  = "aaaaaaaaaaaaaaaa"
	earlier = "bbbbbbbbbbbbbbbb"
)

func consentOver(content string) string {
	return inventory.EraseConsent(hostName, rootDisk, content, target)
}

// seen is a record of facts with the one disk holding something.
func seen(content inventory.Content) inventory.Record {
	return inventory.Record{ID: hostName, Facts: &inventory.Facts{Epoch: 1, Disks: []inventory.Disk{
		{Serial: rootDisk.Serial, Size: rootDisk.Size, Content: content},
	}}}
}

// of is a record of facts of a machine.
func of(serial string) inventory.Record {
	rec := seen(inventory.Content{Blank: true})
	rec.Facts.System.Serial = serial
	return rec
}

func installed(inputs, update string) inventory.Record {
	rec := seen(inventory.Content{Signature: "9f3ac41be7705d12"})
	w := workload(inputs, update)
	rec.Installed = &inventory.Installed{ID: "i1", Workload: w.Name, Inputs: inputs, Parts: w.Parts, Disk: rootDisk,
		Update: update, Mark: markOf("", "i1", rootDisk)}
	return rec
}

// The rows of Decide's comment, in its words.
func TestDecide(t *testing.T) {
	t.Parallel()
	ours := consentOver("install:i1")
	data := consentOver(foundOnDisk)
	something := seen(inventory.Content{Signature: "9f3ac41be7705d12"})
	none := func(*inventory.Desired) {}
	erase := func(consent string) func(*inventory.Desired) {
		return func(d *inventory.Desired) { d.Consent.Erase = []string{consent} }
	}
	reinstall := func(d *inventory.Desired) { d.Workload, d.Reinstallable = workload(target, schemas.Reinstall), true }
	for _, test := range []struct {
		name   string
		ask    func(*inventory.Desired)
		record inventory.Record
		want   change.Verdict
		erases bool
		needed string
		hold   change.Reason
	}{
		{"file gone", func(d *inventory.Desired) { d.Lifecycle = "" }, installed(earlier, schemas.OnConsent),
			change.HandsOff, false, "", ""},
		{"protect", func(d *inventory.Desired) { d.Protect = true }, installed(earlier, schemas.OnConsent),
			change.HandsOff, false, "", ""},
		{"lifecycle not Managed", func(d *inventory.Desired) { d.Lifecycle = schemas.Adopted }, something,
			change.HandsOff, false, "", ""},
		{"known under another id", func(*inventory.Desired) {}, installed(target, schemas.OnConsent),
			change.HandsOff, false, "", change.KnownAs},
		{"known under another id, nothing known of the host", func(*inventory.Desired) {}, inventory.Record{},
			change.HandsOff, false, "", change.KnownAs},
		{"known under another id, of another machine, taken over", func(d *inventory.Desired) {
			d.Identity.Serial, d.Consent.Takeover = "B", "B"
		}, of("A"), change.HandsOff, false, "", change.KnownAs},
		{"another serial, of the machine before it", func(d *inventory.Desired) { d.Identity.Serial = "B" }, of("A"),
			change.HandsOff, false, "", change.IdentityMismatch},
		{"another serial, and a takeover that was not recorded", func(d *inventory.Desired) {
			d.Identity.Serial, d.Consent.Takeover = "B", "B"
		}, of("A"), change.HandsOff, false, "", change.IdentityMismatch},
		{"no workload", func(d *inventory.Desired) { d.Workload = nil }, something, change.Nothing, false, "", ""},
		{"installed with its inputs", none, installed(target, schemas.OnConsent), change.Nothing, false, "", ""},
		{"root disk blank", none, seen(inventory.Content{Blank: true}), change.Install, false, "", ""},
		{"root disk never seen", none, inventory.Record{}, change.Install, false, consentOver("unseen"), ""},
		{"root disk never seen, its consent", erase(consentOver("unseen")), inventory.Record{}, change.Install, true,
			consentOver("unseen"), ""},
		{"root disk never seen, its consent is spent", erase(consentOver("unseen")),
			spent(inventory.Record{}, consentOver("unseen")), change.Install, false, consentOver("unseen"), ""},
		{"holds something, consent over unseen is spent", erase(consentOver("unseen")),
			spent(something, consentOver("unseen")), change.Reinstall, true, data, change.ConsentSpent},
		{"root disk never seen, its consent, after a loss of the journal", erase(consentOver("unseen")),
			inventory.Record{Epoch: 1, Recovered: &inventory.Recovered{Epoch: 1}}, change.Install, false, "", ""},
		{"holds something, consent over unseen, after a loss of the journal", erase(consentOver("unseen")),
			rebuilt(something), change.Reinstall, true, data, change.ConsentForOther},
		{"holds something, its consent, after a loss of the journal", erase(data), rebuilt(something), change.Reinstall,
			true, data, ""},
		{"root disk cannot be read", none, seen(inventory.Content{Unreadable: "I/O error"}), change.Install, false, "",
			change.DiskUnreadable},
		{"holds something, no consent", none, something, change.Reinstall, true, data, change.NeedsConsent},
		{"holds something, its consent", erase(data), something, change.Reinstall, true, data, ""},
		{"holds something, consent over unseen", erase(consentOver("unseen")), something, change.Reinstall, true, data,
			""},
		{"holds our install, consent over unseen", erase(consentOver("unseen")), installed(earlier, schemas.OnConsent),
			change.Reinstall, true, ours, change.ConsentForOther},
		{"holds our install, its consent", erase(ours), installed(earlier, schemas.OnConsent), change.Reinstall, true,
			ours, ""},
		{"holds our install, consent for what was there before", erase(data), installed(earlier, schemas.OnConsent),
			change.Reinstall, true, ours, change.ConsentForOther},
		{"the consent is spent", erase(data), spent(something, data), change.Reinstall, true, data,
			change.ConsentSpent},
		{"update Reinstall, installed so", reinstall, installed(earlier, schemas.Reinstall), change.Reinstall, true,
			ours, ""},
		{"update Reinstall, installed so, not allowed by the daemon",
			func(d *inventory.Desired) { reinstall(d); d.Reinstallable = false }, installed(earlier, schemas.Reinstall),
			change.Reinstall, true, ours, change.NeedsConsent},
		{"update flipped to Reinstall", reinstall, installed(earlier, schemas.OnConsent), change.Reinstall, true, ours,
			change.NeedsConsent},
		{"update Reinstall, another workload", func(d *inventory.Desired) { reinstall(d); d.Workload.Name = "db" },
			installed(earlier, schemas.Reinstall), change.Reinstall, true, ours, change.NeedsConsent},
		{"no disk matches", func(d *inventory.Desired) { d.RootDisk = &schemas.DiskHints{Serial: "OTHER"} }, something,
			change.Install, false, "", change.NoDisk},
		{"several disks match", func(d *inventory.Desired) { d.RootDisk = &schemas.DiskHints{MinSize: "1GB"} },
			twoDisks(), change.Install, false, "", change.SeveralDisks},
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		test.ask(&m.desired)
		who := inventory.Standing{}
		if strings.HasPrefix(test.name, "known under another id") {
			who = inventory.Standing{KnownAs: "other", By: "serial SN1"}
		}
		got := change.Decide(m.desired, who, test.record)
		reason := change.Reason("")
		if got.Hold != nil {
			reason = got.Hold.Reason
		}
		if got.Verdict != test.want || got.Erases != test.erases || got.Root.Needed != test.needed || reason != test.hold {
			t.Errorf("%s: %s erases %t needs %q hold %q, want %s %t %q %q", test.name,
				got.Verdict, got.Erases, got.Root.Needed, reason, test.want, test.erases, test.needed, test.hold)
		}
	}
}

func spent(rec inventory.Record, consent string) inventory.Record {
	rec.Spent = []string{consent}
	return rec
}

func rebuilt(rec inventory.Record) inventory.Record {
	rec.Recovered = &inventory.Recovered{Epoch: 1}
	return rec
}

func twoDisks() inventory.Record {
	rec := seen(inventory.Content{Blank: true})
	second := rec.Facts.Disks[0]
	second.Serial = "DISK2"
	rec.Facts.Disks = append(rec.Facts.Disks, second)
	return rec
}

// until looks until an action of a kind was done.
func (m *model) until(t *testing.T, kind act.Kind) {
	t.Helper()
	for range 500 {
		from := len(m.done)
		m.look(nowhere)
		m.pass(20 * time.Second)
		m.ok(t)
		if len(m.done) > from && m.done[from] == kind {
			return
		}
	}
	t.Fatalf("no %s: %v", kind, m.done)
}

// active is a machine with a workload on it that may be reinstalled.
func active(t *testing.T) *model {
	t.Helper()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload, m.desired.Reinstallable = workload(earlier, schemas.Reinstall), true
	if p := m.settles(t); p.Phase != plan.Active {
		t.Fatalf("ended %+v", p)
	}
	return m
}

// A change that is taken back while the ramdisk is up leaves the host with what it had, running.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	for _, stage := range []act.Kind{act.OpenOperation, act.OpenBoot, act.PowerOff, act.InsertMedia, act.PowerOn,
		act.RecordFacts} {
		m := active(t)
		disk := m.disk
		m.commit(func(d *inventory.Desired) { d.Workload = workload(target, schemas.Reinstall) })
		m.until(t, stage)
		m.commit(func(d *inventory.Desired) { d.Workload = workload(earlier, schemas.Reinstall) })
		if p := m.settles(t); p.Phase != plan.Active || m.disk != disk || m.system != "disk" {
			t.Errorf("after %s: %+v, runs %q from %q", stage, p, m.system, m.disk)
		}
	}
}

// Leave that is taken back before the machine is armed is no leave.
func TestRuleTakenBack(t *testing.T) {
	t.Parallel()
	m := active(t)
	disk := m.disk
	m.commit(func(d *inventory.Desired) { d.Workload = workload(target, schemas.Reinstall) })
	m.until(t, act.RecordFacts)
	m.commit(func(d *inventory.Desired) { d.Workload = workload(target, schemas.OnConsent) })
	if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsConsent || m.disk != disk {
		t.Errorf("ended %+v with %q", p, m.disk)
	}
}

// What a given up install left keeps its name when the operation after it is superseded.
func TestFailedKeepsItsName(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.halfWritten = true
	first := m.settles(t)
	if first.Hold == nil || len(first.Hold.Consents) == 0 {
		t.Fatalf("ended %+v after %v", first, m.done)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = first.Hold.Consents })
	m.until(t, act.OpenOperation)
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
	if p := m.settles(t); p.Hold == nil || !slices.Equal(p.Hold.Consents, first.Hold.Consents) {
		t.Errorf("ended %+v, before %+v", p.Hold, first.Hold)
	}
}
