package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// changing is a machine that runs a system of ours, and shall get another one under a consent that names it.
func changing(t *testing.T) *model {
	t.Helper()
	m := active(t)
	m.commit(func(d *inventory.Desired) { d.Workload = workload(target, schemas.OnConsent) })
	needed := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{needed} })
	return m
}

// secondAttempt goes on until the first attempt has failed.
func (m *model) secondAttempt(t *testing.T) {
	t.Helper()
	for range 500 {
		if op := m.record.Operation; op != nil && op.Attempt == 2 {
			return
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
		m.ok(t)
	}
	t.Fatalf("no attempt failed: %v", m.done)
}

// Three attempts that wrote nothing forget no system and spend no consent: the machine runs what it ran, and it is tried again when a person says so.
func TestAttemptsThatWroteNothingChangeNothing(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(*model){
		"each fails before the first write": func(m *model) { m.jobFails = true },
		"no agent takes its job up":         func(m *model) { m.untaken = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := changing(t)
			disk, installed := m.disk, m.record.Installed
			break_(m)
			p := m.settles(t)
			if p.Phase != plan.Failed || p.Hold.Reason != change.InstallFailed ||
				!strings.Contains(p.Hold.Message, "ingot retry") {
				t.Fatalf("ended %+v, hold %+v", p, p.Hold)
			}
			if m.disk != disk || m.record.Installed == nil || m.record.Installed.ID != installed.ID ||
				len(m.record.Spent) > 0 {
				t.Errorf("disk %s, record %+v; want what it had, and no consent spent", m.disk, m.record)
			}
			if m.power != inventory.PoweredOn || m.system != "disk" {
				t.Errorf("power %s, runs %q; want it to run what it ran", m.power, m.system)
			}
			if tries := m.writes(); tries != 1+3 {
				t.Errorf("%d jobs after the first install, want 3 attempts", tries-1)
			}
			m.jobFails, m.untaken, m.retry = false, false, true
			if p := m.settles(t); p.Phase != plan.Active || m.record.Installed.Inputs != target ||
				len(m.record.Spent) != 1 {
				t.Errorf("retried: ended %+v, record %+v", p, m.record)
			}
		})
	}
}

// A machine that served, and whose ramdisk does not start, goes back to what it ran; it is asked to shut down on the way, as it may run that already.
func TestARamdiskThatDoesNotStartTakesNoMachineDown(t *testing.T) {
	t.Parallel()
	for _, power := range []string{schemas.PowerOn, schemas.PowerUnmanaged} {
		m := changing(t)
		m.commit(func(d *inventory.Desired) { d.Power = power })
		disk := m.disk
		m.noRamdisk = true
		p := m.settles(t)
		if p.Phase != plan.Failed || p.Hold.Reason != change.InstallFailed || m.disk != disk ||
			len(m.record.Spent) > 0 || m.record.Installed == nil {
			t.Errorf("%s: ended %+v, hold %+v, with %s on the disk, record %+v", power, p, p.Hold, m.disk, m.record)
		}
		if m.power != inventory.PoweredOn || m.system != "disk" {
			t.Errorf("%s: power %s, runs %q; want it to run what it ran", power, m.power, m.system)
		}
		m.noRamdisk, m.retry = false, true
		if p := m.settles(t); p.Phase != plan.Active || m.record.Installed.Inputs != target {
			t.Errorf("%s, retried: ended %+v", power, p)
		}
	}
}

// Where the fleet says nothing about a machine's power, one that was on is on again after an install that came to nothing, and one that was off is off.
func TestUnmanagedPowerIsLeftAsItWasFound(t *testing.T) {
	t.Parallel()
	for _, found := range []inventory.PowerState{inventory.PoweredOn, inventory.PoweredOff} {
		m := changing(t)
		m.commit(func(d *inventory.Desired) { d.Power = schemas.PowerUnmanaged })
		if found == inventory.PoweredOff {
			m.stop()
		}
		m.until(t, act.RecordFacts)
		m.commit(func(d *inventory.Desired) { d.Workload = workload(earlier, schemas.OnConsent) })
		if p := m.settles(t); p.Phase != plan.Active || m.power != found {
			t.Errorf("found %s: ended %+v, power %s", found, p, m.power)
		}
	}
}

// A blank disk that no attempt wrote to is not tried for ever either.
func TestABlankDiskIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.jobFails = true
	if p := m.settles(t); p.Phase != plan.Failed || m.writes() != 3 || m.power != inventory.PoweredOff {
		t.Errorf("ended %+v after %d attempts, power %s", p, m.writes(), m.power)
	}
}

// An attempt that may have written ends what was known of the disk, whatever a later one says.
func TestOneAttemptThatWroteCounts(t *testing.T) {
	t.Parallel()
	m := changing(t)
	m.halfWritten = true
	m.secondAttempt(t)
	m.halfWritten, m.jobFails = false, true
	if p := m.settles(t); p.Phase != plan.Held || m.record.Installed != nil || len(m.record.Spent) != 1 {
		t.Errorf("ended %+v, record %+v; want the consent spent, and no system known", p, m.record)
	}
}

// A retry of what wrote nothing asks again for all that let the first attempt begin. What is taken back meanwhile ends the operation, unspent.
func TestARetryAsksAgain(t *testing.T) {
	t.Parallel()
	for name, takeBack := range map[string]func(*inventory.Desired){
		"consent": func(d *inventory.Desired) { d.Consent.Erase = nil },
		"signers": func(d *inventory.Desired) {
			d.Signatures = &inventory.Signatures{Tag: "v1",
				Signer: "jo"}
		},
		"workload":         func(d *inventory.Desired) { d.Workload = workload("cccccccccccccccc", schemas.OnConsent) },
		"no workload":      func(d *inventory.Desired) { d.Workload = nil },
		"what it had":      func(d *inventory.Desired) { d.Workload = workload(earlier, schemas.OnConsent) },
		"consent to other": func(d *inventory.Desired) { d.Consent.Erase = []string{"DISK1/0000000000000000"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := changing(t)
			m.jobFails = true
			m.secondAttempt(t)
			jobs, disk := m.writes(), m.disk
			m.commit(takeBack)
			m.settles(t)
			if m.writes() > jobs || m.disk != disk || len(m.record.Spent) > 0 || m.record.Installed == nil ||
				m.system != "disk" {
				t.Errorf("%d more jobs, disk %s, runs %q, record %+v", m.writes()-jobs, m.disk, m.system, m.record)
			}
		})
	}
}

// Every action that takes a machine to an attempt that nothing was written in asks the loop for leave, whichever attempt it is.
func TestEveryUnwrittenAttemptIsArmed(t *testing.T) {
	t.Parallel()
	m := changing(t)
	m.jobFails = true
	asked := map[int]bool{}
	for range 200 {
		p := nextAt(m.desired, m.observe(), m.now)
		if p.Action != nil && p.Action.Kind == act.AssignStep {
			if !p.Action.Arms(m.record) {
				t.Fatalf("attempt %d is handed out without being asked for: %+v", m.record.Operation.Attempt,
					m.record.Operation)
			}
			if p.Otherwise == nil {
				t.Errorf("attempt %d: nothing is due when it may not go on, though the machine served",
					m.record.Operation.Attempt)
			}
			asked[m.record.Operation.Attempt] = true
		}
		m.look(nowhere)
		m.pass(10 * time.Second)
	}
	if len(asked) != 3 {
		t.Errorf("attempts = %v, want three", asked)
	}
}

// What a person takes back between the steps of a job ends it before its install step, and counts for nothing.
func TestLeaveTakenBackBetweenSteps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*inventory.Desired)
		phase  plan.Phase
	}{
		"protect":      {func(d *inventory.Desired) { d.Protect = true }, plan.Protected},
		"file deleted": {func(d *inventory.Desired) { d.Lifecycle = "" }, plan.Orphaned},
		"unmanaged":    {func(d *inventory.Desired) { d.Lifecycle = schemas.Unmanaged }, plan.Unmanaged},
		"consent":      {func(d *inventory.Desired) { d.Consent.Erase = nil }, plan.Held},
		"signers": {func(d *inventory.Desired) { d.Signatures = &inventory.Signatures{Tag: "v1", Signer: "jo"} },
			plan.Held},
		"superseded": {func(d *inventory.Desired) { d.Workload = workload("cccccccccccccccc", schemas.OnConsent) },
			plan.Held},
		"reverted": {func(d *inventory.Desired) { d.Workload = workload(earlier, schemas.OnConsent) }, plan.Active},
	} {
		for _, state := range []inventory.JobState{inventory.JobAssigned, inventory.JobRunning} {
			t.Run(name+" "+string(state), func(t *testing.T) {
				t.Parallel()
				m := changing(t)
				disk := m.disk
				for m.agent.Job.State != state || m.agent.Job.Kind != "write" {
					m.look(nowhere)
					if m.agent.Job.State != state {
						m.pass(5 * time.Second)
					}
					m.ok(t)
				}
				m.commit(test.change)
				p := m.settles(t)
				if p.Phase != test.phase || m.disk != disk || len(m.record.Spent) > 0 {
					t.Errorf("ended %+v with %s on the disk, want %s and %s; spent %v", p, m.disk, test.phase, disk,
						m.record.Spent)
				}
				if test.phase == plan.Active && m.system != "disk" {
					t.Errorf("runs %q", m.system)
				}
				m.commit(func(d *inventory.Desired) { // all is given back
					d.Protect, d.Lifecycle, d.Signatures, d.Workload = false, schemas.Managed, nil,
						workload(target, schemas.OnConsent)
				})
				needed := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
				m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{needed} })
				if p := m.settles(t); p.Phase != plan.Active || m.record.Installed.Inputs != target ||
					m.record.Last.Attempt-m.record.Last.Withdrawn != 1 {
					t.Errorf("given back: ended %+v, last %+v", p, m.record.Last)
				}
			})
		}
	}
}

// The stages of an operation never go back.
func TestStagesNeverGoBack(t *testing.T) {
	t.Parallel()
	for _, stage := range []inventory.Stage{inventory.Confirming, inventory.Ended} {
		for _, kind := range []act.Kind{act.AssignStep, act.RecordStep, act.RecordFailed} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of an operation that is %s was taken", kind, stage)
					}
				}()
				act.Begin(inventory.Record{Operation: &inventory.Operation{ID: "o1", Kind: inventory.Install,
					Stage: stage, Attempt: 1}}, act.Action{Kind: kind}, time.Now())
			}()
		}
	}
}

// halfWay is a machine whose second attempt is due after one that may have written.
func halfWay(t *testing.T) *model {
	t.Helper()
	m := changing(t)
	m.halfWritten = true
	m.secondAttempt(t)
	m.halfWritten = false
	return m
}

// An attempt over somebody's data failed in the middle: what the record has of the disk is from before the write, and the
// agent looks again at the open disk. What the attempt left is written again; what a person put there meanwhile is not.
func TestAnAttemptThatWroteIsRepeated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		meanwhile func(*model)
		active    bool
	}{
		"the disk holds what the attempt left": {func(*model) {}, true},
		"a person put data on the disk":        {func(m *model) { m.disk = "content:0123456789abcdef" }, false},
	} {
		m := newModel(foundOnDisk, inventory.PoweredOff)
		m.settles(t)
		needed := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{needed} })
		m.halfWritten = true
		m.secondAttempt(t)
		m.halfWritten = false
		test.meanwhile(m)
		disk := m.disk
		if p := m.settles(t); (p.Phase == plan.Active) != test.active || !test.active && m.disk != disk {
			t.Errorf("%s: ended %+v, hold %+v, disk %s", name, p, p.Hold, m.disk)
		}
	}
}

// Leave that is taken back after an attempt that may have written holds the next one: it is not handed out and taken back for ever.
func TestLeaveTakenBackAfterAnAttemptThatWrote(t *testing.T) {
	t.Parallel()
	m := halfWay(t)
	m.commit(func(d *inventory.Desired) { d.Signatures = &inventory.Signatures{Tag: "v1", Signer: "jo"} })
	jobs := m.writes()
	if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.NeedsSigners || m.writes() > jobs {
		t.Errorf("ended %+v, hold %+v, after %d more jobs", p, p.Hold, m.writes()-jobs)
	}
	m.commit(func(d *inventory.Desired) { d.Signatures.Second = "ann" })
	if p := m.settles(t); p.Phase != plan.Active || m.record.Installed.Inputs != target {
		t.Errorf("signed: ended %+v, record %+v", p, m.record)
	}
}

// All attempts under a consent came to no write: it is not spent, whatever it was over, and lets the next operation begin.
func TestAConsentThatCameToNothingCountsAgain(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) *model{
		"over a disk that nobody looked at": func(*testing.T) *model {
			m := newModel(foundOnDisk, inventory.PoweredOff)
			m.commit(func(d *inventory.Desired) {
				d.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen, d.Workload.Inputs)}
			})
			return m
		},
		"over what a failed install left": func(t *testing.T) *model {
			m := halfWay(t)
			m.halfWritten = true
			m.settles(t)
			needed := change.Decide(m.desired, inventory.Standing{}, m.record).Root.Needed
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{needed} })
			m.halfWritten = false
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := prepare(t)
			m.jobFails = true
			if p := m.settles(t); p.Phase != plan.Failed || p.Hold.Reason != change.InstallFailed {
				t.Errorf("ended %+v, hold %+v", p, p.Hold)
			}
			m.jobFails, m.retry = false, true
			if p := m.settles(t); p.Phase != plan.Active || len(m.record.Spent) == 0 {
				t.Errorf("retried: ended %+v, hold %+v", p, p.Hold)
			}
			over := inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen, m.desired.Workload.Inputs)
			m.record.Installed = nil
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{over} })
			if c := change.Decide(m.desired, inventory.Standing{}, m.record); c.Hold == nil {
				t.Errorf("change = %+v: what was installed there may be erased as if nobody had looked", c)
			}
		})
	}
}

// An agent that is lost before it began to write wrote nothing: what the machine runs is known still, the consent is not spent, and what came onto the disk since
// is not erased.
func TestAnAgentThatIsLostBeforeItBegan(t *testing.T) {
	t.Parallel()
	for _, state := range []inventory.JobState{inventory.JobAssigned, inventory.JobRunning} {
		m := changing(t)
		installed, disk := m.record.Installed.ID, m.disk
		for m.agent.Job.State != state || m.agent.Job.Kind != "write" {
			m.look(nowhere)
			if m.agent.Job.State != state {
				m.pass(5 * time.Second)
			}
		}
		m.stop()
		m.now = m.now.Add(6 * time.Minute)
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
		if p := m.settles(t); p.Phase != plan.Held || m.disk != disk || m.record.Installed == nil ||
			m.record.Installed.ID != installed || len(m.record.Spent) > 0 {
			t.Errorf("%s: ended %+v, hold %+v, record %+v", state, p, p.Hold, m.record)
		}
		if m.system != "disk" {
			t.Errorf("%s: runs %q", state, m.system)
		}
	}
}

// A change that is held for what an agent saw of the disks goes on after a retry, when the disks are as they should be: the machine is
// looked at again, in service too, and what is not mended holds the change as before.
func TestARetryLooksAtTheDisksAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen   func(inventory.Disk) []inventory.Disk
		reason change.Reason
	}{
		"no disk":      {func(inventory.Disk) []inventory.Disk { return nil }, change.NoDisk},
		"another disk": {func(d inventory.Disk) []inventory.Disk { d.Serial = "OTHER"; return []inventory.Disk{d} }, change.NoDisk},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := changing(t)
			facts := *m.record.Facts
			facts.Disks = test.seen(facts.Disks[0])
			m.record.Facts = &facts
			if p := m.settles(t); p.Phase != plan.Held || p.Hold == nil || p.Hold.Reason != test.reason || m.system != "disk" {
				t.Fatalf("phase %s, hold %+v, runs %q", p.Phase, p.Hold, m.system)
			}
			m.retry = true
			p := m.settles(t)
			m.ok(t)
			if p.Phase != plan.Active || m.record.Installed.Inputs != target {
				t.Errorf("phase %s, hold %+v, requests %q", p.Phase, p.Hold, p.Requests)
			}
		})
	}
}

// A Workload with onFailure: Keep leaves the machine in the ramdisk when the operation was given up, whether something was written or
// not, until a person switches it off or the fleet asks for something else. Without it the machine goes off, or back to its system.
func TestAMachineThatIsKeptOnAfterAFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fails func(*model)
		keeps bool
		on    bool
		runs  string
	}{
		"nothing written, kept": {func(m *model) { m.jobFails = true }, true, true, "ramdisk"},
		"nothing written":       {func(m *model) { m.jobFails = true }, false, true, "disk"},
		"written, kept":         {func(m *model) { m.halfWritten = true }, true, true, "ramdisk"},
		"written":               {func(m *model) { m.halfWritten = true }, false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := changing(t)
			m.commit(func(d *inventory.Desired) { d.Workload.StaysOn = test.keeps })
			test.fails(m)
			p := m.settles(t)
			if p.Phase != plan.Failed && p.Phase != plan.Held || p.Hold == nil || (m.power == inventory.PoweredOn) != test.on || m.system != test.runs {
				t.Fatalf("phase %s, hold %+v, power %s, runs %q", p.Phase, p.Hold, m.power, m.system)
			}
			if kept := strings.Contains(p.Waits, "spec.onFailure"); kept != test.keeps || m.record.Operation != nil {
				t.Errorf("waits for %q, operation %+v", p.Waits, m.record.Operation)
			}
			m.stop() // a person switches it off
			p = m.settles(t)
			m.ok(t)
			if m.system == "ramdisk" || m.record.Boot != nil && m.record.Boot.Target == inventory.FromRamdisk {
				t.Errorf("after a person switched it off: runs %q, boot %+v, phase %s", m.system, m.record.Boot, p.Phase)
			}
		})
	}
}
