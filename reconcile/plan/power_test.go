package plan_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// handedOut is a machine in the ramdisk whose agent has a job that has not begun to write.
func handedOut(t *testing.T, disk string) *model {
	t.Helper()
	m := newModel(disk, inventory.PoweredOff)
	m.desired.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen,
		m.desired.Workload.Inputs)}
	m.untaken = true
	for range 200 {
		m.look(nowhere)
		if job := m.agent.Job; job.State == inventory.JobAssigned {
			return m
		}
		m.pass(5 * time.Second)
	}
	t.Fatalf("no job was handed out: %v", m.done)
	return nil
}

// silentFor is a look at a machine that is on, and whose agent has said nothing for a while.
func silentFor(m *model, silence time.Duration, e inventory.PowerEvidence) plan.Plan {
	o := m.observe()
	o.BMC.Power, o.Evidence = inventory.PoweredOn, e
	o.Agent.Seen = m.now.Add(-silence)
	return nextAt(m.desired, o, m.now)
}

// TestASilentAgentIsAskedAndNotCut has the agent of a machine fall silent before its write: whatever runs there now is
// asked to shut down, however often, and is not cut. After an hour the machine counts as found running.
func TestASilentAgentIsAskedAndNotCut(t *testing.T) {
	t.Parallel()
	m := handedOut(t, foundOnDisk)
	for _, e := range []inventory.PowerEvidence{
		{}, {Asks: 1, AskedLast: 2 * time.Minute, Asked: 2 * time.Minute}, {Asks: 50, Asked: 50 * time.Minute},
	} {
		p := silentFor(m, 20*time.Minute, e)
		if p.Action == nil || p.Action.Kind != act.PowerOff || !p.Action.Graceful {
			t.Errorf("with %+v: action %+v, want the machine asked", e, p.Action)
		}
	}
	if p := silentFor(m, 20*time.Minute, inventory.PowerEvidence{Asks: 1, AskedLast: time.Second}); !p.Action.Wait {
		t.Errorf("a second after it was asked: action %+v, want nothing sent", p.Action)
	}
	p := silentFor(m, 2*time.Hour, inventory.PowerEvidence{})
	if p.Action == nil || p.Action.Kind != act.RecordLost {
		t.Fatalf("after two hours: action %+v, want it to count as found running", p.Action)
	}
	m.record = act.Begin(m.record, *p.Action, m.now)
	if p = silentFor(m, 2*time.Hour, inventory.PowerEvidence{}); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
		t.Fatalf("plan %+v, hold %+v; want it held as found running", p, p.Hold)
	}
	value := p.Hold.Takeover
	back := silentFor(m, time.Second, inventory.PowerEvidence{})
	if back.Hold != nil {
		t.Errorf("its agent speaks again: held with %+v", back.Hold)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Takeover = value })
	if p = silentFor(m, 2*time.Hour, inventory.PowerEvidence{}); p.Action == nil || p.Action.Kind != act.RecordTakeover {
		t.Fatalf("taken over: action %+v, want that recorded", p.Action)
	}
	rec := act.Begin(m.record, *p.Action, m.now)
	if rec.Boot != nil || rec.Adopted != value {
		t.Errorf("taken over: record %+v, want another boot", rec)
	}
	m.record.Adopted, m.record.Spent = rec.Adopted, rec.Spent // by an earlier takeover
	if p = silentFor(m, 2*time.Hour, inventory.PowerEvidence{}); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
		t.Errorf("a takeover that was used before: plan %+v; want it held", p)
	}
}

// TestAHalfWrittenMachineIsBootedAgain has the agent fall silent in mid-write: no system can run from that disk.
func TestAHalfWrittenMachineIsBootedAgain(t *testing.T) {
	t.Parallel()
	m := handedOut(t, inventory.ContentBlank)
	op := m.record.Operation.Clone()
	op.Disks[0].Begun = op.Attempt
	m.record.Operation = op
	m.agent.Job.Begun, m.agent.Job.State = true, inventory.JobRunning
	if p := silentFor(m, 20*time.Minute, inventory.PowerEvidence{}); p.Action == nil || p.Action.Kind != act.OpenBoot {
		t.Errorf("action %+v, want another boot", p.Action)
	}
}

// TestAHeldMachineThatAPersonReset holds a machine in the ramdisk, and has a person start its own system: it is asked to
// shut down, and not cut.
func TestAHeldMachineThatAPersonReset(t *testing.T) {
	t.Parallel()
	m := handedOut(t, foundOnDisk)
	m.record.Operation = nil
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
	for _, asks := range []int{0, 1, 30} {
		p := silentFor(m, 30*time.Minute, inventory.PowerEvidence{Asks: asks, Asked: time.Duration(asks) * time.Minute})
		if p.Phase != plan.Held || p.Action != nil && (p.Action.Kind != act.PowerOff || !p.Action.Graceful) {
			t.Errorf("asked %d times: plan %+v, action %+v; want it held, and no cut", asks, p, p.Action)
		}
	}
}

// TestATakeoverAsksFirst takes a machine over that runs: it is asked to shut down for two minutes before the cut.
func TestATakeoverAsksFirst(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOn)
	m.image = inventory.ImageReady
	m.look(nowhere)
	m.takeOver(t)
	for range 20 {
		o := m.observe()
		p := nextAt(m.desired, o, m.now)
		if p.Action == nil || p.Action.Kind != act.PowerOff {
			m.look(nowhere)
			continue
		}
		if !p.Action.Graceful {
			t.Errorf("action %+v, want the system asked", p.Action)
		}
		o.Evidence = inventory.PowerEvidence{Asks: 2, Asked: time.Minute}
		if p = nextAt(m.desired, o, m.now); !p.Action.Graceful {
			t.Errorf("a minute after it was asked: action %+v, want it asked", p.Action)
		}
		o.Evidence.Asked = 3 * time.Minute
		if p = nextAt(m.desired, o, m.now); p.Action.Graceful || p.Action.Wait {
			t.Errorf("three minutes after it was asked: action %+v, want it cut", p.Action)
		}
		return
	}
	t.Errorf("it was never powered off: %v", m.done)
}

// TestAMachineThatStaysOn has a BMC accept power-offs that change nothing: the pauses grow, and the host is held for
// that reason, with a way out.
func TestAMachineThatStaysOn(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOn)
	m.look(nowhere)
	m.image, m.record.Adopted = inventory.ImageReady, "SN1"
	m.record.Boot = &inventory.Boot{ID: "b", Target: inventory.FromRamdisk, Stage: inventory.Preparing, Attempt: 1,
		Opened: m.now.Add(-time.Hour), Ours: true}
	for _, test := range []struct {
		e    inventory.PowerEvidence
		wait bool
		held change.Reason
	}{
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute}, false, ""},
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute, Cuts: 1, CutLast: 10 * time.Second}, true, ""},
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute, Cuts: 1, CutLast: 16 * time.Second}, false, ""},
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute, Cuts: 2, CutLast: 20 * time.Second}, true,
			change.StaysOn},
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute, Cuts: 2, CutLast: 31 * time.Second}, false,
			change.StaysOn},
		{inventory.PowerEvidence{Asks: 1, Asked: 3 * time.Minute, Cuts: 9, CutLast: 11 * time.Minute}, false,
			change.StaysOn},
	} {
		o := m.observe()
		o.Evidence = test.e
		p := nextAt(m.desired, o, m.now)
		var held change.Reason
		if p.Hold != nil {
			held = p.Hold.Reason
		}
		if p.Action == nil || p.Action.Kind != act.PowerOff || p.Action.Graceful || p.Action.Wait != test.wait ||
			held != test.held {
			t.Errorf("with %+v: action %+v, held %q; want wait %t, held %q", test.e, p.Action, held, test.wait, test.held)
		}
	}
}

// TestAnEjectThatDoesNothing has a medium stay in after the install: the override names the disk, and the machine starts.
func TestAnEjectThatDoesNothing(t *testing.T) {
	t.Parallel()
	m := active(t)
	m.power, m.media, m.override = inventory.PoweredOff, "https://daemon/old", "Cd"
	m.record.Boot = &inventory.Boot{ID: "d", Target: inventory.FromDisk, Stage: inventory.Preparing, Attempt: 1,
		Opened: m.now}
	m.desired.Power = schemas.PowerOn
	for ejects, want := range map[int]act.Kind{0: act.EjectMedia, 2: act.EjectMedia, 3: act.BootFromDisk} {
		o := m.observe()
		o.Evidence = inventory.PowerEvidence{Off: time.Hour, Ejects: ejects}
		p := nextAt(m.desired, o, m.now)
		if p.Action == nil || p.Action.Kind != want || want == act.BootFromDisk && !p.Action.NamesDisk {
			t.Errorf("after %d ejects: action %+v, want %s", ejects, p.Action, want)
		}
	}
	o := m.observe()
	o.Evidence, o.BMC.Override.Target = inventory.PowerEvidence{Off: time.Hour, Ejects: 3}, "Hdd"
	if p := nextAt(m.desired, o, m.now); p.Action == nil || p.Action.Kind != act.PowerOn {
		t.Errorf("with an override that names the disk: action %+v, want it started", p.Action)
	}
}

// TestNothingRestsOnOneReadingOfOff has a BMC say Off once, at any moment of an install and of a life in service.
func TestNothingRestsOnOneReadingOfOff(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	for range 200 {
		o := m.observe()
		o.BMC.Power, o.Evidence = inventory.PoweredOff, inventory.PowerEvidence{Off: 1}
		p := nextAt(m.desired, o, m.now)
		if p.Action != nil && (p.Action.Kind.AtBMC() || p.Action.Kind == act.OpenBoot || p.Action.Kind == act.CloseBoot) {
			t.Fatalf("%s after one reading of Off, record %+v, boot %+v", p.Action.Kind, m.record, m.record.Boot)
		}
		m.look(nowhere)
		m.pass(10 * time.Second)
	}
	if m.record.Installed == nil {
		t.Errorf("the machine was not installed: %v", m.done)
	}
}

// TestAnIdleMachineThatStaysOnIsSaid has nothing to run any more, and the agent fall silent in place of going off: the
// machine is asked to shut down, and after an hour the plan says what a person must see to.
func TestAnIdleMachineThatStaysOnIsSaid(t *testing.T) {
	t.Parallel()
	m := handedOut(t, foundOnDisk)
	m.record.Operation = nil
	m.commit(func(d *inventory.Desired) { d.Workload, d.Claimable = nil, true })
	if p := silentFor(m, 20*time.Minute, inventory.PowerEvidence{}); p.Action == nil || !p.Action.Graceful {
		t.Fatalf("plan %+v, action %+v; want the machine asked", p, p.Action)
	}
	p := silentFor(m, 2*time.Hour, inventory.PowerEvidence{})
	for i := 0; p.Action != nil && i < 3; i++ {
		m.record = act.Begin(m.record, *p.Action, m.now)
		p = silentFor(m, 2*time.Hour, inventory.PowerEvidence{})
	}
	if p.Phase != plan.Unmanaged || p.Waits != "a workload, and the machine to go off" {
		t.Errorf("plan %+v, action %+v; want it said that the machine stays on", p, p.Action)
	}
}
