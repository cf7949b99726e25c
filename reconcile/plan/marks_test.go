package plan_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// markOf is the mark of an operation on the model's machine.
func markOf(_ inventory.MachineID, operation string, _ inventory.DiskID) string {
	sum := sha256.Sum256([]byte(operation))
	return fmt.Sprintf("%x-%x-8000-8000-%x", sum[:4], sum[4:6], sum[6:12])
}

// tableOf is the partition table of the model's disk.
func tableOf(disk string) *inventory.Table {
	id, ours := strings.CutPrefix(disk, "install:")
	switch {
	case disk == inventory.ContentBlank || strings.HasPrefix(disk, "failed:"):
		return &inventory.Table{Kind: inventory.TableNone, Valid: true, Alone: true}
	case !ours:
		id = disk
	}
	return &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: markOf("", id, inventory.DiskID{}), Sector: 512,
		Partitions: []inventory.Partition{{Number: 1, GUID: "of the image", First: 2048, Last: 1 << 20}}}
}

// installOverOurs has a person install another system over the model's install, and the fleet ask for another version.
func installOverOurs(t *testing.T, update string) *model {
	t.Helper()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload, m.desired.Reinstallable = workload("aaaaaaaaaaaaaaaa", update), true
	m.settle(t)
	if m.record.Installed == nil || m.record.Installed.Mark == "" {
		t.Fatalf("record = %+v, want a marked install", m.record)
	}
	m.disk = "content:v2:f0e1"
	return m
}

// settle lets time go by until nothing is done for a while.
func (m *model) settle(t *testing.T) {
	t.Helper()
	for range 400 {
		m.look(nowhere)
		m.pass(30e9)
	}
	m.ok(t)
}

// Kind K4 of the review: the record was taken for the disk. A system that a person installed over ours is neither erased
// by update: Reinstall, nor by a consent over our install; the consent over what was found erases it.
func TestAnotherSystemOverOurs(t *testing.T) {
	t.Parallel()
	next := func(update string, consent func(m *model) string) func(*model) {
		return func(m *model) {
			m.commit(func(d *inventory.Desired) {
				d.Workload = workload("bbbbbbbbbbbbbbbb", update)
				d.Consent.Erase = []string{consent(m)}
			})
		}
	}
	none := func(*model) string { return "" }
	over := func(content string) func(m *model) string {
		return func(m *model) string {
			return inventory.EraseConsent(hostName, rootDisk, strings.ReplaceAll(content, "ID", m.record.Installed.ID),
				"bbbbbbbbbbbbbbbb")
		}
	}
	for name, c := range map[string]struct {
		update string
		change func(*model)
		reason change.Reason
	}{
		"update: Reinstall":        {schemas.Reinstall, next(schemas.Reinstall, none), change.NeedsConsent},
		"consent over our install": {schemas.OnConsent, next(schemas.OnConsent, over("install:ID")), change.ConsentForOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := installOverOurs(t, c.update)
			c.change(m)
			m.settle(t)
			p := m.look(nowhere)
			if p.Hold == nil || p.Hold.Reason != c.reason || m.disk != "content:v2:f0e1" {
				t.Fatalf("plan = %+v (hold %+v), disk %s, want it held for %s, and the system left", p, p.Hold, m.disk, c.reason)
			}
			want := inventory.EraseConsent(hostName, rootDisk, "content:v2:f0e1", "bbbbbbbbbbbbbbbb")
			if !slices.Equal(p.Hold.Consents, []string{want}) {
				t.Errorf("the hold asks for %q, want the consent over what was found, %q", p.Hold.Consents, want)
			}
			if m.power != inventory.PoweredOn || m.system != "disk" {
				t.Errorf("the machine is %s and runs %q, want the found system to run again", m.power, m.system)
			}
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{want} })
			m.settle(t)
			if id := m.record.Installed; id == nil || id.Inputs != "bbbbbbbbbbbbbbbb" || m.disk != "install:"+id.ID {
				t.Errorf("after the consent the disk holds %s, record %+v, want the new install", m.disk, id)
			}
		})
	}
}

// A system that runs writes files while people agree on the consent to erase it. Once a consent was given and followed, the
// system stays down: the next consent, over what was found then, fits. Without a consent the system runs again.
func TestAConsentOverASystemThatWrites(t *testing.T) {
	t.Parallel()
	t.Run("after an install", func(t *testing.T) { t.Parallel(); agreeTwice(t, func(*model) {}) })
	t.Run("after an operation that was given up unwritten", func(t *testing.T) {
		t.Parallel()
		agreeTwice(t, func(m *model) {
			m.record.Last = &inventory.Operation{ID: "given-up", Stage: inventory.Ended, Outcome: inventory.Quarantined,
				Error: "the machine went off", Disks: []inventory.OperationDisk{{Disk: rootDisk}}}
		})
	})
}

func agreeTwice(t *testing.T, prepare func(*model)) {
	t.Helper()
	m := installOverOurs(t, schemas.Reinstall)
	prepare(m)
	m.commit(func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.Reinstall) })
	m.settle(t)
	agree := func() {
		t.Helper()
		p := m.look(nowhere)
		if p.Hold == nil || len(p.Hold.Consents) != 1 {
			t.Fatalf("plan = %+v, want it held for a consent", p)
		}
		if m.system == "disk" {
			m.disk += "0"
		}
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
		m.settle(t)
	}
	if agree(); m.system == "disk" || m.record.Installed == nil || m.record.Installed.Inputs == "bbbbbbbbbbbbbbbb" {
		t.Fatalf("the machine runs %q with record %+v, want nothing written, and the system down", m.system, m.record)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
	if m.settle(t); m.system != "disk" {
		t.Fatalf("the machine runs %q without a consent, want the system", m.system)
	}
	agree()
	if agree(); m.record.Installed == nil || m.record.Installed.Inputs != "bbbbbbbbbbbbbbbb" {
		t.Errorf("record = %+v after a consent over the content that stayed, want the new install", m.record)
	}
}

// An install without a mark cannot be told from another system: it needs consent, and the plan says so before anything is
// powered off.
func TestAnUnmarkedInstallNeedsConsent(t *testing.T) {
	t.Parallel()
	m := installOverOurs(t, schemas.Reinstall)
	m.disk = "install:" + m.record.Installed.ID
	m.record.Installed.Mark = ""
	m.commit(func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.Reinstall) })
	boots := m.boots
	m.settle(t)
	p := m.look(nowhere)
	if want := inventory.EraseConsent(hostName, rootDisk, "unmarked:"+m.record.Installed.ID, "bbbbbbbbbbbbbbbb"); p.Hold == nil ||
		p.Hold.Reason != change.NeedsConsent || !slices.Equal(p.Hold.Consents, []string{want}) || m.boots != boots {
		t.Fatalf("plan = %+v (hold %+v) after %d effects, want it held for %s without any", p, p.Hold, m.boots-boots, want)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
	m.settle(t)
	if id := m.record.Installed; id == nil || id.Inputs != "bbbbbbbbbbbbbbbb" || id.Mark == "" {
		t.Errorf("record = %+v, want the new install, with a mark", id)
	}
}

// The mark counts once an agent read it back, and while the system does not replace it.
func TestTheMarkOfTheCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table *inventory.Table // by the agent
		disk  string           // by the call
		kept  bool
	}{
		"read back":                 {tableOf("install:o1"), "", true},
		"read back, and called":     {tableOf("install:o1"), markOf("", "o1", rootDisk), true},
		"replaced at the first run": {tableOf("install:o1"), "00000000-0000-4000-a000-000000000002", false},
		"not read back":             {nil, "", false},
		"another table":             {tableOf("content:v2:aa"), "", false},
		"an MBR":                    {&inventory.Table{Kind: inventory.TableMBR, Valid: true}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
			op := inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Working, Attempt: 1,
				Steps: inventory.NewSteps(inventory.Workload{}), Disks: []inventory.OperationDisk{{Disk: rootDisk, Mark: markOf("", "o1", rootDisk)}}}
			rec := inventory.Record{ID: hostName, Operation: &op, Facts: &inventory.Facts{Epoch: 7}}
			rec = act.Begin(rec, act.Action{Kind: act.RecordStep, Table: c.table}, now)
			rec = act.Begin(rec, act.Action{Kind: act.RecordHome, Home: &inventory.PhoneHome{Disk: c.disk, At: now,
				Filesystems: map[string]string{"p": "u"}}}, now)
			i := rec.Installed
			if (i.Mark != "") != c.kept || c.kept && (len(i.Partitions) != 1 || i.Filesystems["p"] != "u") || i.Looked != 7 {
				t.Errorf("Installed = %+v, want the mark kept: %t", i, c.kept)
			}
		})
	}
}

// The consent for a change is spent, and the change is asked for again: no consent can allow it, and the hold says what can
// be done instead.
func TestAConsentIsNotGivenTwice(t *testing.T) {
	t.Parallel()
	m := installOverOurs(t, schemas.OnConsent)
	m.commit(func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent) })
	m.settle(t)
	needed := m.look(nowhere).Hold.Consents
	m.record.Spent = append(m.record.Spent, needed...)
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = needed })
	m.settle(t)
	p := m.look(nowhere)
	if p.Hold == nil || p.Hold.Reason != change.ConsentSpent || !strings.Contains(p.Hold.Message, "cannot be given again") ||
		m.disk != "content:v2:f0e1" {
		t.Fatalf("plan = %+v (hold %+v), disk %s, want it held for a spent consent", p, p.Hold, m.disk)
	}
	m.commit(func(d *inventory.Desired) { d.Workload = workload("cccccccccccccccc", schemas.OnConsent) })
	if p = m.look(nowhere); p.Hold == nil || len(p.Hold.Consents) != 1 || slices.Contains(needed, p.Hold.Consents[0]) {
		t.Fatalf("hold = %+v, want another consent for another change", p.Hold)
	}
}
