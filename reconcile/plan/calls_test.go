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

// TestACallCountsForItsAttempt has a system call while its machine is started from its disk.
func TestACallCountsForItsAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call   func(op inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome
		counts bool
		held   change.Reason
	}{
		"of the attempt that installed": {func(op inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: op.ID, Epoch: epoch - 1, Attempt: 2}
		}, true, ""},
		"of an ingot that knew no attempts": {func(op inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: op.ID, Epoch: epoch - 1}
		}, true, ""},
		"of the attempt before": {func(op inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: op.ID, Epoch: epoch - 2, Attempt: 1}
		}, false, ""},
		"of another install": {func(_ inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: "another", Epoch: epoch - 2, Attempt: 2}
		}, false, ""},
		"of an attempt that is not known": {func(op inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: op.ID, Epoch: epoch, Attempt: 3}
		}, false, change.MemoryOld},
		"of a boot that is not known": {func(_ inventory.Operation, epoch inventory.Epoch) inventory.PhoneHome {
			return inventory.PhoneHome{Install: "another", Epoch: epoch + 1, Attempt: 1}
		}, false, change.MemoryOld},
	} {
		m := starting(t)
		op := *m.record.Operation.Clone()
		op.Attempt = 2
		for i := range op.Steps {
			op.Steps[i].Attempt = 2
		}
		m.record.Operation = &op
		o := m.observe()
		call := test.call(op, m.record.Epoch)
		o.Agent.PhoneHome = &call
		p := nextAt(m.desired, o, m.now)
		counts := p.Action != nil && p.Action.Kind == act.RecordHome
		var held change.Reason
		if p.Hold != nil {
			held = p.Hold.Reason
		}
		if counts != test.counts || held != test.held {
			t.Errorf("a call %s counts: %t, held %q; want %t, %q: %+v", name, counts, held, test.counts, test.held, p)
		}
	}
}

// TestACallNewerThanMemory puts back a memory in which the machine is nothing, is to be installed, or serves: whatever is
// remembered, nothing is done until an operator has the memory forgotten, and then the call holds nothing up.
func TestACallNewerThanMemory(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*model{
		"nothing is known": newModel(inventory.ContentBlank, inventory.PoweredOff),
		"it serves":        active(t), "it is being started": starting(t),
	} {
		call := inventory.PhoneHome{Install: "later", Epoch: m.record.Epoch + 3, Attempt: 1}
		o := m.observe()
		o.Agent.PhoneHome = &call
		if p := nextAt(m.desired, o, m.now); p.Action != nil || p.Hold == nil || p.Hold.Reason != change.MemoryOld {
			t.Errorf("%s: plan %+v, hold %+v; want it held", name, p, p.Hold)
		}
		o.Record = act.Forget(o.Record.CountCall(&call))
		if p := nextAt(m.desired, o, m.now); p.Hold != nil && p.Hold.Reason == change.MemoryOld {
			t.Errorf("%s: held still, after its memory was forgotten: %+v", name, p.Hold)
		}
	}
}

// TestACallFromAnotherMachine: the disk with the written system moved to another machine before its first call. The host is not
// Active by that call, and a person reads where the system runs; back at its machine, the system's call counts.
func TestACallFromAnotherMachine(t *testing.T) {
	t.Parallel()
	m := starting(t)
	call := inventory.PhoneHome{Install: m.record.Operation.ID, Epoch: m.record.Epoch - 1, At: m.now}
	look := func(machine string) plan.Plan {
		o := m.observe()
		call.Machine = machine
		o.Agent.PhoneHome, o.BMC.Power, o.Attended.Started = &call, inventory.PoweredOn, 2*time.Hour
		o.Record.Boot = &inventory.Boot{Target: inventory.FromDisk, Stage: inventory.Running, Attempt: 1}
		return nextAt(m.desired, o, m.now)
	}
	const another = "4c4c4544-0000-4000-8000-0000000000ff"
	if p := look(another); p.Action != nil || p.Hold == nil || p.Hold.Reason != change.NoPhoneHome || !strings.Contains(p.Hold.Message, another) {
		t.Errorf("a call from another machine: %+v, hold %+v; want it held with the UUID", p, p.Hold)
	}
	for _, machine := range []string{uuid, "", "00000000-0000-0000-0000-000000000000"} {
		if p := look(machine); p.Action == nil || p.Action.Kind != act.RecordHome {
			t.Errorf("a call from machine %q: %+v, want it to count", machine, p)
		}
	}
}
