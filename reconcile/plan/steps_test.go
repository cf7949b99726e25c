package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// threeSteps is a fresh machine whose workload has a script in front of the install and one behind it.
func threeSteps() *model {
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload.Steps = []inventory.Step{{Name: "before"}, {Name: schemas.StepInstall}, {Name: "after"}}
	return m
}

// Each script runs once in an attempt, whenever the daemon dies, and the system is written once.
func TestEachStepRunsOnceInAnAttempt(t *testing.T) {
	t.Parallel()
	want := []string{"before 1", "after 1"}
	for dieAt := range 60 {
		for _, die := range []crash{beforeEffect, beforeSettle} {
			m := threeSteps()
			for look := range 400 {
				at := nowhere
				if look == dieAt {
					at = die
				}
				m.look(at)
				m.pass(5 * time.Second)
			}
			m.ok(t)
			if diff := cmp.Diff(want, m.ran); diff != "" || m.record.Installed == nil || len(m.wrote) != 1 {
				t.Errorf("died at look %d (%d): wrote %v, installed %+v, scripts (-want +got):\n%s", dieAt, die,
					m.wrote, m.record.Installed, diff)
			}
		}
	}
}

// A retry begins at the first step that may be repeated. What is written and verified is not written again, and no
// script in front of it is run over it.
func TestARetryBeginsAtTheFirstStepThatMayBeRepeated(t *testing.T) {
	t.Parallel()
	for fails, test := range map[string]struct {
		want   []string
		writes int
	}{
		"before": {[]string{"before 1", "before 2", "after 2"}, 1},
		"after":  {[]string{"before 1", "after 1", "after 2"}, 1},
	} {
		m := threeSteps()
		m.scriptFails = fails
		for range 400 {
			m.look(nowhere)
			m.pass(5 * time.Second)
			if slices.Contains(m.ran, fails+" 1") {
				m.scriptFails = ""
			}
		}
		m.ok(t)
		if diff := cmp.Diff(test.want, m.ran); diff != "" || m.record.Installed == nil || len(m.wrote) != test.writes {
			t.Errorf("%s fails: wrote %v, installed %+v, scripts (-want +got):\n%s", fails, m.wrote, m.record.Installed,
				diff)
		}
	}
}

// A script behind the system that fails in all attempts ends the operation, which has written.
func TestAScriptThatFailsBehindTheInstall(t *testing.T) {
	t.Parallel()
	m := threeSteps()
	m.scriptFails = "after"
	for range 600 {
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	m.ok(t)
	if last := m.record.Last; last == nil || last.Outcome != inventory.Quarantined || !last.HasBegun() ||
		len(m.ran) != 4 || m.record.Installed != nil {
		t.Errorf("last = %+v after %v, installed %+v", last, m.ran, m.record.Installed)
	}
}

// Nothing is done to a machine that is protected between two steps; it goes on behind that.
func TestProtectedBetweenTwoSteps(t *testing.T) {
	t.Parallel()
	for cursor := 1; cursor <= 2; cursor++ {
		m := threeSteps()
		for range 400 {
			if op := m.record.Operation; op != nil && op.Cursor == cursor {
				break
			}
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.commit(func(d *inventory.Desired) { d.Protect = true })
		done, ran, wrote := len(m.done), len(m.ran), len(m.wrote)
		p := m.looks(t, 5)
		if p.Phase != plan.Protected || len(m.done) != done || len(m.ran) != ran || len(m.wrote) != wrote {
			t.Errorf("at step %d: phase %s, done %v, ran %v, wrote %v", cursor+1, p.Phase, m.done[done:], m.ran,
				m.wrote)
		}
		m.commit(func(d *inventory.Desired) { d.Protect = false })
		for range 400 {
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.ok(t)
		if m.record.Installed == nil || len(m.wrote) != 1 {
			t.Errorf("at step %d: installed %+v after %v, %v", cursor+1, m.record.Installed, m.ran, m.done)
		}
	}
}

// An agent's word about another step or attempt than the present one changes nothing.
func TestALateResult(t *testing.T) {
	t.Parallel()
	m := threeSteps()
	for range 400 {
		if op := m.record.Operation; op != nil && op.Cursor == 2 {
			break
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	op := *m.record.Operation
	for id, attempt := range map[string]int{op.ID: 1, op.ID + ".1.1": 1, op.ID + ".2.1": 1, op.ID + ".3.2": 2,
		"another.3.1": 1} {
		for _, state := range []inventory.JobState{inventory.JobSucceeded, inventory.JobFailed,
			inventory.JobWithdrawn} {
			o := m.observe()
			o.Agent.Job = inventory.Job{ID: id, Attempt: attempt, State: state, Over: true}
			p := nextAt(m.desired, o, m.now)
			if p.Action == nil || p.Action.Kind != act.AssignStep {
				t.Errorf("job %s of attempt %d is %s: %+v, want the step at the cursor handed out", id, attempt, state,
					p)
			}
		}
	}
}

// With the journal lost, an agent that works on a later step or attempt than the page tells is believed: its step is
// handed out again, so that the hub knows it, and no other one.
func TestAnAgentIsAheadOfThePage(t *testing.T) {
	t.Parallel()
	for _, runs := range []string{"1.1", "2.1", "3.1", "1.2", "3.2"} {
		m := threeSteps()
		m.until(t, act.AssignStep)
		o := m.observe()
		o.Record = o.Record.RecoveredFrom(o.Record)
		o.Agent.Job, o.Agent.Quiet = inventory.Job{}, true
		if p := nextAt(m.desired, o, m.now); p.Action != nil {
			t.Fatalf("an agent that did not speak yet: %+v", p.Action)
		}
		o.Agent.Quiet, o.Agent.Runs = false, fmt.Sprintf("%s.%s", o.Record.Operation.ID, runs)
		p := nextAt(m.desired, o, m.now)
		if p.Action == nil || p.Action.Kind != act.RecordWord {
			t.Fatalf("%s: %+v, want the word", runs, p)
		}
		o.Record = act.Begin(o.Record, *p.Action, m.now)
		p = nextAt(m.desired, o, m.now)
		if p.Action == nil || p.Action.Kind != act.AssignStep || p.Action.Operation.JobID() != o.Agent.Runs ||
			p.Action.Operation.Root().Begun != inventory.BegunUnknown {
			t.Errorf("%s: %+v, want that step", runs, p.Action)
		}
	}
}
