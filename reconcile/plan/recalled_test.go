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

func TestWhatOnlyThePageKnowsIsToBeProved(t *testing.T) {
	t.Parallel()
	silent := func(o *inventory.Observed) { o.Agent = inventory.AgentState{} }
	off := func(o *inventory.Observed) { o.Agent, o.BMC.Power = inventory.AgentState{}, inventory.PoweredOff }
	stage := func(s inventory.Stage, then func(*inventory.Observed)) func(*inventory.Observed) {
		return func(o *inventory.Observed) {
			op := *o.Record.Operation
			op.Stage = s
			o.Record.Operation = &op
			then(o)
		}
	}
	// as far as the hub knows, whose memory is gone
	idle := func(o *inventory.Observed) { o.Agent.Job = inventory.Job{} }
	asked := func(then func(*inventory.Observed)) func(*inventory.Observed) {
		return func(o *inventory.Observed) {
			then(o)
			op := *o.Record.Operation
			op.Inputs = "another" // than the fleet asks for now
			o.Record.Operation = &op
		}
	}
	quiet := func(then func(*inventory.Observed)) func(*inventory.Observed) {
		return func(o *inventory.Observed) {
			idle(o)
			o.Agent.Quiet = true
			then(o)
		}
	}
	for name, test := range map[string]struct {
		seen func(*inventory.Observed)
		want act.Kind // "": held
	}{
		"its agent speaks of the job": {func(
			*inventory.Observed) {
		}, act.RecordWord},
		"its agent speaks of the job, and the fleet has another workload": {asked(
			func(*inventory.Observed) {}), act.RecordWord},
		"its agent speaks of the job, and the page says not armed, and the fleet has another workload": {stage(
			inventory.Published, asked(func(*inventory.Observed) {})), act.RecordWord},
		"its agent speaks": {idle, act.AssignStep},
		"its agent speaks, and the page says not armed": {stage(inventory.Published, idle),
			act.AssignStep},
		"its agent speaks, and the page says not on the branch": {stage(inventory.Intended, idle),
			act.Publish},
		"its agent speaks, and the fleet has another workload": {asked(idle), ""},
		"its agent speaks, not armed, and the fleet has another workload": {stage(inventory.Published, asked(idle)),
			""},
		"its agent spoke, not armed, unwanted, and the machine is off": {stage(inventory.Published,
			asked(func(o *inventory.Observed) { idle(o); o.BMC.Power = inventory.PoweredOff })), act.RecordWord},
		"its agent speaks, and what was written is": {stage(inventory.Confirming, asked(idle)), act.RecordWord},
		"its agent is known, has not spoken, and the machine is off": {quiet(func(o *inventory.Observed) {
			o.BMC.Power = inventory.PoweredOff
		}), ""},
		"its agent is known, and has not spoken for long": {quiet(func(o *inventory.Observed) {
			o.Agent.Seen = o.Agent.Seen.Add(-time.Hour)
		}), ""},
		"its agent is known, and the machine is off, and what was written is": {stage(inventory.Confirming, quiet(
			func(o *inventory.Observed) { o.BMC.Power = inventory.PoweredOff })), act.OpenBoot},
		"nobody speaks":         {silent, ""},
		"another boot speaks":   {func(o *inventory.Observed) { o.Agent.Boot = "another" }, ""},
		"its agent is shut out": {func(o *inventory.Observed) { o.Agent.Alarm = "two keys" }, ""},
		"its system phoned home": {func(o *inventory.Observed) {
			o.Agent = inventory.AgentState{PhoneHome: &inventory.PhoneHome{Install: o.Record.Operation.ID}}
		}, act.RecordHome},
		"another system phoned home": {func(o *inventory.Observed) {
			o.Agent = inventory.AgentState{PhoneHome: &inventory.PhoneHome{Install: "another"}}
		}, ""},
		"armed, and the machine is off":   {off, ""},
		"written, and the machine runs":   {stage(inventory.Confirming, silent), ""},
		"written, and the machine is off": {stage(inventory.Confirming, off), act.OpenBoot},
		"not armed, and the fleet has no such workload": {stage(inventory.Published, func(o *inventory.Observed) {
			silent(o)
			o.Record.Operation.Inputs = "another"
		}), ""},
		"a boot alone, and the machine runs": {func(o *inventory.Observed) { silent(o); o.Record.Operation = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			m.until(t, act.AssignStep)
			o := m.observe()
			test.seen(&o)
			o.Record = o.Record.RecoveredFrom(o.Record)
			p := nextAt(m.desired, o, m.now)
			held := p.Phase == plan.Held && p.Hold != nil && p.Hold.Reason == change.Recalled && p.Action == nil
			if test.want == "" != held || !held && (p.Action == nil || p.Action.Kind != test.want) {
				t.Errorf("plan = %+v, hold %+v; want %q", p, p.Hold, test.want)
			}
		})
	}
}

// TestTheAgentsJobProvesMore has the page lag behind the agent that speaks of its job: the record is what the job proves, so that a fleet that changed meanwhile
// ends no write that has begun.
func TestTheAgentsJobProvesMore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page inventory.Operation // its stage and attempt
		job  int                 // the attempt
		want inventory.Operation
	}{
		"not on the branch": {inventory.Operation{Stage: inventory.Intended, Attempt: 1},
			1, inventory.Operation{Stage: inventory.Working, Attempt: 1}},
		"not armed": {inventory.Operation{Stage: inventory.Published, Attempt: 1}, 1,
			inventory.Operation{Stage: inventory.Working, Attempt: 1}},
		"working": {inventory.Operation{Stage: inventory.Working, Attempt: 1},
			1, inventory.Operation{Stage: inventory.Working, Attempt: 1}},
		"an earlier attempt": {inventory.Operation{Stage: inventory.Working, Attempt: 1},
			2, inventory.Operation{Stage: inventory.Working, Attempt: 2}},
		"written": {inventory.Operation{Stage: inventory.Confirming, Attempt: 2}, 2,
			inventory.Operation{Stage: inventory.Confirming, Attempt: 2}},
		"written in an earlier one": {inventory.Operation{Stage: inventory.Confirming, Attempt: 1}, 2,
			inventory.Operation{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			m.until(t, act.AssignStep)
			o := m.observe()
			o.Record = o.Record.RecoveredFrom(o.Record)
			op := o.Record.Operation.Clone()
			op.Attempt = test.job
			o.Agent.Job.ID, o.Agent.Job.Attempt, o.Agent.Job.State, o.Agent.Job.Begun = op.JobID(), test.job,
				inventory.JobRunning, true
			op.Stage, op.Attempt = test.page.Stage, test.page.Attempt
			if op.Disks[0].Begun = 1; op.Stage == inventory.Intended || op.Stage == inventory.Published {
				op.Disks[0].Begun = 0
			}
			o.Record.Operation = op
			desired := m.desired
			desired.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent)
			p := nextAt(desired, o, m.now)
			if test.want.Stage == "" { // it was verified: an agent that works on it again is for a person to look at
				if p.Phase != plan.Held || p.Action != nil || !strings.Contains(p.Hold.Message, "ingot forget") {
					t.Errorf("plan = %+v, hold %+v, want a hold, and the way out of it", p, p.Hold)
				}
				return
			}
			if p.Action == nil || p.Action.Kind != act.RecordWord {
				t.Fatalf("plan = %+v, want the word", p)
			}
			o.Record = act.Begin(o.Record, *p.Action, m.now)
			got := o.Record.Operation
			if o.Record.Unproved() || got.Stage != test.want.Stage || got.Attempt != test.want.Attempt ||
				got.Root().Begun != inventory.BegunUnknown {
				t.Errorf("record = %+v, %+v, want %+v", o.Record, got, test.want)
			}
			if p = nextAt(desired, o, m.now); got.Stage == inventory.Working && p.Action != nil {
				t.Errorf("then %+v, want the write left alone", p.Action)
			}
		})
	}
}
