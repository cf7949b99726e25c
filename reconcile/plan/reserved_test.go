package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// listing is a fresh machine with the given steps.
func listing(list ...inventory.Step) *model {
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload.Steps = list
	return m
}

// A step that reboots is followed by exactly one boot into the ramdisk, then the next step, and no attempt is counted:
// wherever the daemon dies. Behind the last step, and behind a step that is skipped, there is no boot.
func TestAStepThatReboots(t *testing.T) {
	t.Parallel()
	reboots, install := inventory.Step{Name: "before", Reboots: true}, inventory.Step{Name: schemas.StepInstall}
	skipped := reboots
	skipped.When = condition("false")
	for name, test := range map[string]struct {
		list  []inventory.Step
		boots int // into the ramdisk
		ran   []string
	}{
		"none":                   {[]inventory.Step{{Name: "before"}, install}, 1, []string{"before 1"}},
		"before the install":     {[]inventory.Step{reboots, install}, 2, []string{"before 1"}},
		"behind the install":     {[]inventory.Step{install, reboots, {Name: "after"}}, 2, []string{"before 1", "after 1"}},
		"at the end":             {[]inventory.Step{install, reboots}, 1, []string{"before 1"}},
		"skipped":                {[]inventory.Step{skipped, install}, 1, nil},
		"the reserved step":      {[]inventory.Step{{Name: schemas.StepReboot, Reboots: true}, install}, 2, nil},
		"off, as a reserved one": {[]inventory.Step{{Name: "before"}, {Name: schemas.StepPower, Reboots: true}, install}, 2, []string{"before 1"}},
		"on, as a reserved one":  {[]inventory.Step{{Name: schemas.StepPower}, install}, 1, nil},
	} {
		for dieAt := 0; dieAt < 60; dieAt += 4 {
			m := listing(test.list...)
			epochs := map[inventory.Epoch]bool{}
			for look := range 500 {
				at := nowhere
				if look == dieAt {
					at = beforeSettle
				}
				m.look(at)
				m.pass(5 * time.Second)
				if b := m.record.Boot; b != nil && b.Target == inventory.FromRamdisk {
					epochs[b.Epoch] = true
				}
			}
			m.ok(t)
			if diff := cmp.Diff(test.ran, m.ran); diff != "" || m.record.Installed == nil || m.record.Last.Attempt != 1 || len(m.wrote) != 1 {
				t.Fatalf("%s, died at look %d: wrote %v, last %+v, scripts (-want +got):\n%s", name, dieAt, m.wrote, m.record.Last, diff)
			}
			if len(epochs) != test.boots {
				t.Errorf("%s, died at look %d: %d boots into the ramdisk, want %d", name, dieAt, len(epochs), test.boots)
			}
		}
	}
}

// A hold waits for `ingot resume`, however long, with the machine in the ramdisk; each hold waits for a resume of its own.
func TestAHoldWaitsForAPerson(t *testing.T) {
	t.Parallel()
	m := listing(inventory.Step{Name: schemas.StepHold}, inventory.Step{Name: schemas.StepInstall}, inventory.Step{Name: schemas.StepHold, ID: "cabling"}, inventory.Step{Name: "after"})
	for _, step := range []string{"hold", "cabling"} {
		for range 2000 {
			m.look(nowhere)
			m.pass(time.Hour)
			m.agent.Seen = m.now
		}
		m.ok(t)
		p := m.look(nowhere)
		if p.Hold == nil || p.Hold.Reason != change.OnHold || !strings.Contains(p.Hold.Message, "`"+step+"`") || !strings.Contains(p.Hold.Message, "ingot resume web-03") {
			t.Fatalf("at %s: %+v, hold %+v", step, p, p.Hold)
		}
		if m.system != "ramdisk" || len(m.ran) > 0 || (len(m.wrote) > 0) != (step == "cabling") {
			t.Fatalf("at %s: the machine runs %q, wrote %v, ran %v", step, m.system, m.wrote, m.ran)
		}
		m.retry = true
		if p := m.look(nowhere); p.Action == nil || p.Action.Kind != act.RecordStep {
			t.Fatalf("at %s, resumed: %+v", step, p)
		}
		m.retry = false
	}
	m.run(400)
	m.ok(t)
	if m.record.Installed == nil || !slices.Equal(m.ran, []string{"after 1"}) || m.record.Last.Attempt != 1 {
		t.Errorf("ran %v, installed %+v", m.ran, m.record.Installed)
	}
}

// A fleet that asks for something else ends an operation on hold that has written nothing.
func TestAHoldOfAnUnwantedOperation(t *testing.T) {
	t.Parallel()
	m := listing(inventory.Step{Name: schemas.StepHold}, inventory.Step{Name: schemas.StepInstall})
	m.run(300)
	m.commit(func(d *inventory.Desired) { d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent) })
	m.run(400)
	m.ok(t)
	if m.record.Installed == nil || m.record.Installed.Inputs != "bbbbbbbbbbbbbbbb" {
		t.Errorf("installed %+v, operation %+v", m.record.Installed, m.record.Operation)
	}
}
