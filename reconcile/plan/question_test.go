package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Leave rests on a look at the fleet that began after the question. While the fleet cannot be looked at, an earlier good
// look counts for as long as trust.maxStale.
func TestLeaveRestsOnALookAtTheFleet(t *testing.T) {
	t.Parallel()
	m := asking(t)
	asked := m.agent.Job.Question.At
	now := asked.Add(time.Hour)
	for name, test := range map[string]struct {
		fleet inventory.FleetState
		given bool
	}{
		"a look from before the question":   {inventory.FleetState{StartedAt: asked.Add(-1), LookedAt: asked}, false},
		"a look that began with it":         {inventory.FleetState{StartedAt: asked, LookedAt: now}, false},
		"a look after it":                   {inventory.FleetState{StartedAt: asked.Add(1), LookedAt: now}, true},
		"Git is away, the last look is new": {inventory.FleetState{StartedAt: now, LookedAt: now.Add(-time.Minute), Error: "away", MaxStale: time.Minute}, true},
		"Git is away, the last look is old": {inventory.FleetState{StartedAt: now, LookedAt: now.Add(-time.Minute - 1), Error: "away", MaxStale: time.Minute}, false},
		"Git is away since the start":       {inventory.FleetState{StartedAt: now, Error: "away", MaxStale: time.Minute}, false},
	} {
		o := m.observe()
		o.Fleet = test.fleet
		p := nextAt(m.desired, o, now)
		given := p.Action != nil && p.Action.Kind == act.GiveLeave
		if given != test.given || !given && (p.Action != nil || !p.NeedsFleet || !strings.Contains(p.Waits, "a look at the fleet")) {
			t.Errorf("%s: plan %+v, action %+v; want leave given: %t", name, p, p.Action, test.given)
		}
	}
}

// Begun is taken back by a look that finds the disk as it was when leave was given, and by nothing else.
func TestOnlyTheDiskTakesBegunBack(t *testing.T) {
	t.Parallel()
	m := asking(t)
	p := nextAt(m.desired, m.observe(), m.now)
	if p.Action == nil || p.Action.Kind != act.GiveLeave {
		t.Fatalf("action %+v, want leave", p.Action)
	}
	begun := act.Begin(m.record, *p.Action, m.now)
	if begun.Operation.Root().Begun != 1 {
		t.Fatalf("disks %+v after leave, want begun by attempt 1", begun.Operation.Disks)
	}
	failed := act.Begin(begun, act.Action{Kind: act.RecordFailed, Operation: begun.Operation, Error: "no image"}, m.now)
	if !failed.Operation.HasBegun() {
		t.Error("the word of a failed attempt took begun back")
	}
	asSeen := p.Action.Question.Disks[0]
	for name, test := range map[string]struct {
		change func(*inventory.Disk)
		begun  bool
	}{
		"as it was":        {func(*inventory.Disk) {}, false},
		"another content":  {func(d *inventory.Disk) { d.Content = inventory.Content{Signature: "0123456789abcdef"} }, true},
		"cannot be read":   {func(d *inventory.Disk) { d.Content = inventory.Content{Unreadable: "input/output error"} }, true},
		"another GPT GUID": {func(d *inventory.Disk) { d.Table = &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: "x"} }, true},
		"another disk":     {func(d *inventory.Disk) { d.Serial, d.WWN = "OTHER", "" }, true},
	} {
		disk := asSeen
		test.change(&disk)
		facts := *m.record.Facts
		facts.Disks = []inventory.Disk{disk}
		after := act.Begin(begun, act.Action{Kind: act.RecordFacts, Facts: &facts}, m.now)
		if after.Operation.HasBegun() != test.begun {
			t.Errorf("%s: begun %t, want %t", name, after.Operation.HasBegun(), test.begun)
		}
	}
}

// An old ramdisk boots no machine; one that boots already goes on.
func TestAnUnusableRamdiskBootsNothing(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.image = inventory.ImageReady
	for range 40 {
		o := m.observe()
		o.Ramdisk = "the ramdisk is old: run `ingot ramdisk build`"
		p := nextAt(m.desired, o, m.now)
		if p.Action != nil && (p.Action.Kind == act.OpenBoot || p.Action.Kind == act.PowerOn) {
			t.Fatalf("action %+v with an old ramdisk", p.Action)
		}
		if p.Hold != nil {
			if p.Hold.Reason != change.RamdiskUnusable || p.Hold.Message != o.Ramdisk || p.Phase != plan.Held {
				t.Errorf("held with %+v", p.Hold)
			}
			return
		}
		if p.Action == nil {
			t.Fatalf("plan %+v, want it held", p)
		}
		m.record = act.Begin(m.record, m.identified(*p.Action), m.now)
		m.record = act.Settle(m.record, *p.Action, act.Outcome{Result: act.Done}, m.now)
	}
	t.Error("never held")
}
