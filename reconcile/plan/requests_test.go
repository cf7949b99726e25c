package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

func asksReboot(id, mode string) func(*inventory.Desired) {
	return func(d *inventory.Desired) { d.Requests.Reboot = &schemas.RebootRequest{ID: id, Mode: mode} }
}

func (m *model) wantDone(t *testing.T, kind requests.Kind, note string, values ...string) {
	t.Helper()
	m.ok(t)
	got := &requests.Done{}
	if m.record.Done != nil {
		got = m.record.Done
	}
	lists := map[requests.Kind][]string{requests.Resume: got.Resume, requests.Inspect: got.Inspect, requests.Reboot: got.Reboot}
	if !slices.Equal(lists[kind], values) || !strings.Contains(got.Notes[kind], note) || note == "" && got.Notes[kind] != "" {
		t.Errorf("done %+v, want %s %v with note %q", got, kind, values, note)
	}
}

// TestAReboot asks a machine in service for reboots, one value after the other: each is sent once, the system calls anew,
// and nothing more happens.
func TestAReboot(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", schemas.RebootSoft, schemas.RebootHard} {
		m := active(t)
		m.settles(t)
		m.wantDone(t, requests.Reboot, "")
		for i, id := range []string{"fw-7", "fw-8"} {
			before, starts := len(m.done), m.starts
			m.commit(asksReboot(id, mode))
			p := m.settles(t)
			if p.Phase != plan.Active || m.power != inventory.PoweredOn || m.starts != starts+1 || len(p.Requests) != 0 {
				t.Errorf("%s %q: %s, %s, %d starts, %v; did %v", id, mode, p.Phase, m.power, m.starts-starts, p.Requests, m.done[before:])
			}
			m.wantDone(t, requests.Reboot, "", []string{"fw-7", "fw-8"}[:i+1]...)
			if m.record.Boot != nil && m.record.Boot.Request != nil {
				t.Errorf("%s: the boot is still for %+v", id, m.record.Boot.Request)
			}
		}
		m.commit(asksReboot("fw-7", mode)) // an earlier value again
		if m.settles(t); !slices.Equal(m.rebooted, []string{"fw-7", "fw-8"}) {
			t.Errorf("%q: sent %v, want each once", mode, m.rebooted)
		}
	}
}

// TestARebootOfAnUnmanagedMachine leaves the machine on, as it was.
func TestARebootOfAnUnmanagedMachine(t *testing.T) {
	t.Parallel()
	m := active(t)
	m.commit(func(d *inventory.Desired) { d.Power = schemas.PowerUnmanaged })
	m.settles(t)
	m.commit(asksReboot("fw-7", ""))
	if m.settles(t); m.power != inventory.PoweredOn {
		t.Errorf("the machine is %s, want it on again", m.power)
	}
	m.wantDone(t, requests.Reboot, "", "fw-7")
}

// TestRebootsThatDoNotEndWell says on the page how each ended, and sends nothing twice.
func TestRebootsThatDoNotEndWell(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode   string
		before func(*model)
		note   string
	}{
		"the system does not shut down": {"", func(m *model) { m.stubborn = true }, "reboot fw-7 (Soft): the system did not shut down within 30m0s"},
		"the system does not call":      {"", func(m *model) { m.silent = true }, "its system has not called within 30m0s"},
		"nor after a reset":             {schemas.RebootHard, func(m *model) { m.silent = true }, "its system has not called within 30m0s"},
		"spec.power is turned off":      {"", func(m *model) { m.commit(func(d *inventory.Desired) { d.Power = schemas.PowerOff }) }, "it was taken back before it was sent"},
		"it is taken back":              {"", func(m *model) { m.commit(func(d *inventory.Desired) { d.Requests.Reboot = nil }) }, "it was taken back before it was sent"},
		"the machine goes off before":   {"", func(m *model) { m.stop() }, "nothing was sent: the machine was off"},
	} {
		m := active(t)
		m.settles(t)
		m.commit(asksReboot("fw-7", test.mode))
		m.until(t, act.OpenBoot)
		test.before(m)
		if p := m.settles(t); p.Phase != plan.Active || len(m.rebooted) > 1 {
			t.Errorf("%s: %s, sent %v", name, p.Phase, m.rebooted)
		}
		m.wantDone(t, requests.Reboot, test.note, "fw-7")
	}
}

// TestARebootedMachineThatIsToBeOff is asked to shut down at once: the request does not wait for the system's call.
func TestARebootedMachineThatIsToBeOff(t *testing.T) {
	t.Parallel()
	m := active(t)
	m.settles(t)
	m.silent = true
	m.commit(asksReboot("fw-7", ""))
	m.until(t, act.PowerOn)
	m.look(nowhere)
	m.commit(func(d *inventory.Desired) { d.OffBy = []string{"ups"} })
	m.settles(t)
	m.wantDone(t, requests.Reboot, "the machine is to be off now", "fw-7")
	if m.power != inventory.PoweredOff {
		t.Errorf("the machine is %s", m.power)
	}
}

// TestADaemonDiesAtAReboot has the daemon die at each point of a reboot: the command is never sent twice, and the machine
// ends on.
func TestADaemonDiesAtAReboot(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{schemas.RebootSoft, schemas.RebootHard} {
		for dies := range 12 {
			for _, where := range []crash{beforeEffect, beforeSettle} {
				m := active(t)
				m.settles(t)
				m.commit(asksReboot("fw-7", mode))
				for look := range 30 {
					if look == dies {
						m.look(where)
					} else {
						m.look(nowhere)
					}
					m.pass(10 * time.Second)
				}
				if p := m.settles(t); p.Phase != plan.Active || m.power != inventory.PoweredOn || len(m.rebooted) > 1 {
					t.Errorf("%s, the daemon dies at look %d (%d): %s, %s, sent %v", mode, dies, where, p.Phase, m.power, m.rebooted)
				}
				m.ok(t)
				if !m.record.Done.Has(requests.Request{Kind: requests.Reboot, Value: "fw-7"}) {
					t.Errorf("%s, the daemon dies at look %d (%d): done %+v", mode, dies, where, m.record.Done)
				}
			}
		}
	}
}

// TestAnUnsentRebootOfAnOldRecord meets a record from before a start of the daemon: nothing is sent, as the record may be
// older than the command.
func TestAnUnsentRebootOfAnOldRecord(t *testing.T) {
	t.Parallel()
	m := active(t)
	m.settles(t)
	m.commit(asksReboot("fw-7", ""))
	m.until(t, act.OpenBoot)
	o := m.observe()
	if p := nextAt(m.desired, o, m.now); p.Action == nil || p.Action.Kind != act.Reboot {
		t.Fatalf("before: %+v, want the command", p)
	}
	o.Attended = inventory.Ages{Start: time.Hour, Interrupted: true}
	p := plan.Next(m.desired, o, m.now)
	if p.Action == nil || p.Action.Kind != act.EndRequest || !strings.Contains(p.Action.Note, "it is not known whether it was sent") {
		t.Errorf("after a start of the daemon: %+v, want the request ended", p.Action)
	}
}

// TestWhatStandsThereIsTakenAsDone has hosts of which nothing is known meet a request: nothing is sent.
func TestWhatStandsThereIsTakenAsDone(t *testing.T) {
	t.Parallel()
	const note = "is taken as done: it stood in the file when the host became known"
	fresh := newModel(inventory.ContentBlank, inventory.PoweredOff)
	fresh.commit(asksReboot("fw-7", ""))
	fresh.settles(t)
	fresh.wantDone(t, requests.Reboot, note, "fw-7")
	for name, forget := range map[string]func(*model){
		"forgotten":               func(m *model) { m.record = act.TakeRequests(act.Forget(m.record), m.desired) },
		"from a page without any": func(m *model) { m.record.Done = nil },
	} {
		m := active(t)
		m.commit(asksReboot("fw-7", ""))
		m.settles(t)
		sent := len(m.rebooted)
		forget(m)
		if m.settles(t); len(m.rebooted) != sent {
			t.Errorf("%s: sent %v, want nothing more", name, m.rebooted)
		}
		m.wantDone(t, requests.Reboot, note, "fw-7")
	}
}

// TestNoRebootBesideWork has a reboot wait until nothing else is due, and be sent then.
func TestNoRebootBesideWork(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.look(nowhere)
	m.commit(asksReboot("fw-7", ""))
	waited := false
	for range 60 {
		p := m.look(nowhere)
		m.pass(20 * time.Second)
		waited = waited || slices.ContainsFunc(p.Requests, func(line string) bool { return strings.HasPrefix(line, "reboot fw-7 (Soft) waits: ") })
		if m.record.Installed == nil && len(m.rebooted) > 0 {
			t.Fatalf("sent %v before the install ended", m.rebooted)
		}
	}
	if m.settles(t); !waited || len(m.rebooted) != 1 {
		t.Errorf("sent %v, waited %t; want it sent after the install", m.rebooted, waited)
	}
	protected := active(t)
	protected.commit(func(d *inventory.Desired) { d.Protect, d.Requests.Reboot = true, &schemas.RebootRequest{ID: "fw-7"} })
	if protected.settles(t); len(protected.rebooted) != 0 {
		t.Errorf("protected, and sent %v", protected.rebooted)
	}
	protected.ok(t)
}

// TestAnInspectionOnce looks at a machine that is off anew, and at a free one; a machine in service waits.
func TestAnInspectionOnce(t *testing.T) {
	t.Parallel()
	asks := func(value string) func(*inventory.Desired) {
		return func(d *inventory.Desired) { d.Requests.Inspect = value }
	}
	m := active(t)
	m.settles(t)
	m.commit(asks("2026-11-29"))
	if p := m.settles(t); m.boots != 1 || !slices.Equal(p.Requests, []string{"inspect 2026-11-29 waits: the machine is in service: it is inspected when it is free, or off by spec.power"}) {
		t.Errorf("in service: %d boots, %v", m.boots, p.Requests)
	}
	looked := m.record.Facts.Epoch
	m.commit(func(d *inventory.Desired) { d.Power = schemas.PowerOff })
	if p := m.settles(t); m.power != inventory.PoweredOff || m.boots != 2 || m.record.Facts.Epoch <= looked || len(p.Requests) != 0 {
		t.Errorf("off by spec.power: %s, %d boots, facts of epoch %d, %v; want a new look, and the machine off", m.power, m.boots, m.record.Facts.Epoch, p.Requests)
	}
	m.wantDone(t, requests.Inspect, "", "2026-11-29")
	free := newModel(inventory.ContentBlank, inventory.PoweredOff)
	free.commit(func(d *inventory.Desired) { d.Workload = nil })
	free.settles(t)
	free.commit(asks("first"))
	free.settles(t)
	free.commit(asks("second"))
	if free.settles(t); free.boots != 2 || free.record.Facts == nil || free.power != inventory.PoweredOff {
		t.Errorf("free: %d boots, %s, facts %v; want two looks, and the machine off", free.boots, free.power, free.record.Facts)
	}
	free.wantDone(t, requests.Inspect, "", "first", "second")
	free.noBoot = true
	free.commit(asks("third"))
	free.settles(t)
	free.wantDone(t, requests.Inspect, "the inspection got nowhere: 3 boots from the ramdisk", "first", "second", "third")
}

// TestAResumeInTheFleet ends a hold by the value that the hold prints; an old value ends nothing, and says so.
func TestAResumeInTheFleet(t *testing.T) {
	t.Parallel()
	m := listing(inventory.Step{Name: schemas.StepHold, ID: "cabling"}, inventory.Step{Name: schemas.StepInstall})
	held := m.settles(t)
	_, value, found := strings.Cut(held.Hold.Message, "{resume: ")
	value = strings.TrimSuffix(value, "}")
	if want := requests.ResumeValue("cabling", m.record.Operation.ID); !found || value != want {
		t.Fatalf("the hold says %q, want the value %q", held.Hold.Message, want)
	}
	m.commit(func(d *inventory.Desired) { d.Requests.Resume = "cabling/0123abcd" })
	if p := m.settles(t); p.Phase != plan.Held {
		t.Fatalf("an old value: %s, want it on hold", p.Phase)
	}
	m.wantDone(t, requests.Resume, "resume cabling/0123abcd resumed nothing: no such hold is left", "cabling/0123abcd")
	m.commit(func(d *inventory.Desired) { d.Requests.Resume = value })
	if p := m.settles(t); p.Phase != plan.Active {
		t.Errorf("the value of the hold: %+v, want it installed", p)
	}
	m.wantDone(t, requests.Resume, "", "cabling/0123abcd", value)
}

// TestAnInspectionGoesBeforeAnInstall: an install that is due may wait for what an inspection finds, such as a disk that
// moved; so the inspection goes first, once.
func TestAnInspectionGoesBeforeAnInstall(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload = nil
	m.settles(t)
	m.commit(func(d *inventory.Desired) {
		d.Workload, d.Requests.Inspect = workload("aaaaaaaaaaaaaaaa", schemas.OnConsent), "moved-1"
	})
	before := len(m.done)
	if p := m.settles(t); p.Phase != plan.Active {
		t.Errorf("ended %+v", p)
	}
	did := m.done[before:]
	if looked, opened := slices.Index(did, act.RecordFacts), slices.Index(did, act.OpenOperation); looked < 0 || opened < looked {
		t.Errorf("did %v, want the look before the operation", did)
	}
	m.wantDone(t, requests.Inspect, "", "moved-1")
}
