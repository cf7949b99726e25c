package plan_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// bootAnHourAgo is a machine whose boot into the ramdisk came to a stage an hour ago.
func bootAnHourAgo(stage inventory.BootStage) *model {
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.image = inventory.ImageReady
	for range 5 {
		m.look(nowhere)
	}
	boot := *m.record.Boot
	boot.Stage, boot.Opened, boot.Started = stage, m.now.Add(-time.Hour), m.now.Add(-time.Hour)
	m.record.Boot = &boot
	return m
}

// TestAnotherSystemAfterAGap has nobody watch a machine for a while in mid-boot, and find it on: without a read of its
// medium, or its agent, it counts as found running, at every stage of the boot.
func TestAnotherSystemAfterAGap(t *testing.T) {
	t.Parallel()
	for _, stage := range []inventory.BootStage{inventory.Preparing, inventory.Powering, inventory.Running} {
		m := bootAnHourAgo(stage)
		o := m.observe()
		o.Record, o.BMC.Power, o.Media.Reads = m.record, inventory.PoweredOn, 0
		o.Attended = inventory.Ages{Start: time.Hour, Opened: time.Hour, Started: time.Hour, Interrupted: true}
		if p := plan.Next(m.desired, o, m.now); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
			t.Errorf("%s: plan %+v, want it held as found running", stage, p)
		}
		o.Attended.Interrupted = false
		if p := plan.Next(m.desired, o, m.now); p.Hold != nil && stage != inventory.Preparing {
			t.Errorf("%s: held with %+v, though it was watched all the time", stage, p.Hold)
		}
	}
}

// TestAnotherSystemAfterTheMediumWasTaken has somebody take the medium and the boot override away in mid-boot, before the
// machine has read anything: what is on then starts from its disk, and counts as found running.
func TestAnotherSystemAfterTheMediumWasTaken(t *testing.T) {
	t.Parallel()
	in := inventory.Slot{ID: "Cd", Inserted: true, Image: "http://media/b"}
	cd, none := inventory.Override{Target: "Cd", Enabled: "Continuous"}, inventory.Override{Target: "None"}
	for name, test := range map[string]struct {
		media    []inventory.Slot
		override inventory.Override
		reads    int
		held     bool
	}{
		"both are gone":                       {[]inventory.Slot{{ID: "Cd"}}, none, 0, true},
		"both are gone, the medium was read":  {[]inventory.Slot{{ID: "Cd"}}, none, 3, false},
		"both are there":                      {[]inventory.Slot{in}, cd, 0, false},
		"the override was used up":            {[]inventory.Slot{in}, none, 0, false},
		"the BMC dropped the medium":          {[]inventory.Slot{{ID: "Cd"}}, cd, 0, false},
		"the BMC shows no drive for a moment": {nil, none, 0, false},
	} {
		m := bootAnHourAgo(inventory.Running)
		o := m.observe()
		o.Record, o.BMC.Power, o.BMC.Media, o.BMC.Override = m.record, inventory.PoweredOn, test.media, test.override
		o.Media.Reads, o.Media.Last = test.reads, m.now
		p := nextAt(m.desired, o, m.now)
		if closed := p.Action != nil && p.Action.Kind == act.CloseBoot; closed != test.held {
			t.Errorf("%s: plan %+v, the boot closed: %v, want %v", name, p, closed, test.held)
			continue
		}
		if !test.held {
			continue
		}
		o.Record, o.BMC.Media = act.Begin(o.Record, *p.Action, m.now), nil // the evidence may go, the record stays
		if p = nextAt(m.desired, o, m.now); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
			t.Errorf("%s: then plan %+v, want it held as found running", name, p)
		}
	}
}

// TestAForgottenInstallThatCalls has the firmware start the disk in place of the ramdisk, on a host that was forgotten: the
// system on the disk calls, and serves. The machine counts as found running, and is not asked to shut down.
func TestAForgottenInstallThatCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call *inventory.PhoneHome
		held bool
	}{
		"no call":               {nil, false},
		"a call of before":      {&inventory.PhoneHome{Install: "i0", At: time.Time{}}, false},
		"a call since power-on": {&inventory.PhoneHome{Install: "i0"}, true},
	} {
		m := bootAnHourAgo(inventory.Running)
		o := m.observe()
		o.Record, o.BMC.Power, o.Media.Reads, o.Agent = m.record, inventory.PoweredOn, 0, inventory.AgentState{PhoneHome: test.call}
		if test.held {
			test.call.At = m.now.Add(-time.Minute)
		}
		p := nextAt(m.desired, o, m.now)
		if closed := p.Action != nil && p.Action.Kind == act.CloseBoot; closed != test.held {
			t.Errorf("%s: plan %+v, the boot closed: %v, want %v", name, p, closed, test.held)
			continue
		}
		if !test.held {
			continue
		}
		o.Record = act.Begin(o.Record, *p.Action, m.now)
		if p = nextAt(m.desired, o, m.now); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
			t.Errorf("%s: then plan %+v, want it held as found running", name, p)
		}
	}
}
