package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// A script that may run only once, and fails, is not run again: the operation waits for a person.
func TestAStepThatRunsOnlyOnce(t *testing.T) {
	t.Parallel()
	for fails, once := range map[string]string{"before": "before", "after": "before"} {
		m := threeSteps()
		for i, step := range m.desired.Workload.Steps {
			m.desired.Workload.Steps[i].Once = step.Name == once
		}
		m.scriptFails = fails
		for range 400 {
			m.look(nowhere)
			m.pass(5 * time.Second)
			if fails == "after" && len(m.ran) > 1 {
				m.scriptFails = ""
			}
		}
		m.ok(t)
		last := m.record.Last
		if fails == "before" && (len(m.ran) != 1 || last == nil || last.Outcome != inventory.Quarantined || !strings.Contains(last.Error, "step before is not run again")) {
			t.Errorf("%s failed: ran %v, last %+v, want one run and a person", fails, m.ran, last)
		}
		if want := []string{"before 1", "after 1", "after 2"}; fails == "after" && (cmp.Diff(want, m.ran) != "" || m.record.Installed == nil) {
			t.Errorf("%s failed behind the step: ran %v, installed %+v", fails, m.ran, m.record.Installed)
		}
	}
}

// A script that failed for good is not run again, in front of the install and behind it.
func TestAScriptThatFailedForGood(t *testing.T) {
	t.Parallel()
	for fails, want := range map[string][]string{"before": {"before 1"}, "after": {"before 1", "after 1"}} {
		m := threeSteps()
		m.scriptFails, m.final = fails, true
		for range 400 {
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.ok(t)
		if last := m.record.Last; cmp.Diff(want, m.ran) != "" || last == nil || last.Outcome != inventory.Quarantined || last.HasBegun() != (fails == "after") {
			t.Errorf("%s failed for good: ran %v, last %+v, want %v and a person", fails, m.ran, last, want)
		}
	}
}

// Steps that are no part of the inputs come and go: a new one waits for the next operation, and one that is gone is left
// out. The list of an operation stays, as the ids of jobs count it.
func TestLookingStepsComeAndGo(t *testing.T) {
	t.Parallel()
	list := func(names ...string) []inventory.Step {
		var steps []inventory.Step
		for _, name := range names {
			steps = append(steps, inventory.Step{Name: name, Looks: name != schemas.StepInstall})
		}
		return steps
	}
	for name, test := range map[string]struct {
		at         func(*inventory.Operation) bool
		were, are  []inventory.Step
		want       []string
		wantsSteps int
	}{
		"new before the first hand-out":  {func(op *inventory.Operation) bool { return op.Stage == inventory.Published }, list("install"), list("look", "install"), nil, 1},
		"gone before the first hand-out": {func(op *inventory.Operation) bool { return op.Stage == inventory.Published }, list("look", "install"), list("install"), nil, 2},
		"new while the list runs":        {func(op *inventory.Operation) bool { return op.Cursor == 1 }, list("look", "install"), list("look", "install", "more"), []string{"look 1"}, 2},
		"gone while the list runs":       {func(op *inventory.Operation) bool { return op.Cursor == 1 }, list("look", "install", "more"), list("look", "install"), []string{"look 1"}, 3},
		"gone at the cursor": {func(op *inventory.Operation) bool {
			return op.Cursor == 2 && op.Steps[2].State == inventory.StepWaiting
		}, list("look", "install", "more"), list("look", "install"), []string{"look 1"}, 3},
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.desired.Workload.Steps = test.were
		changed := false
		for range 400 {
			if op := m.record.Operation; op != nil && !changed && test.at(op) {
				changed = true
				m.commit(func(d *inventory.Desired) {
					w := *d.Workload
					w.Steps = test.are
					d.Workload = &w
				})
			}
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.ok(t)
		if diff := cmp.Diff(test.want, m.ran); diff != "" || !changed || m.record.Installed == nil || len(m.wrote) != 1 || len(m.record.Last.Steps) != test.wantsSteps {
			t.Errorf("%s: changed %t, wrote %v, installed %+v, last %+v, scripts (-want +got):\n%s", name, changed, m.wrote, m.record.Installed, m.record.Last, diff)
		}
	}
}
