package plan_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
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
	for name, test := range map[string]struct {
		seen func(*inventory.Observed)
		want plan.Kind // "": held
	}{
		"its agent speaks":      {func(*inventory.Observed) {}, plan.RecordWord},
		"nobody speaks":         {silent, ""},
		"another boot speaks":   {func(o *inventory.Observed) { o.Agent.Boot = "another" }, ""},
		"its agent is shut out": {func(o *inventory.Observed) { o.Agent.Alarm = "two keys" }, ""},
		"its system phoned home": {func(o *inventory.Observed) {
			o.Agent = inventory.AgentState{PhoneHome: &inventory.PhoneHome{Install: o.Record.Operation.ID}}
		}, plan.RecordHome},
		"another system phoned home": {func(o *inventory.Observed) {
			o.Agent = inventory.AgentState{PhoneHome: &inventory.PhoneHome{Install: "another"}}
		}, ""},
		"armed, and the machine is off":   {off, ""},
		"written, and the machine runs":   {stage(inventory.Written, silent), ""},
		"written, and the machine is off": {stage(inventory.Written, off), plan.OpenBoot},
		"not armed, and the fleet has no such workload": {stage(inventory.Published, func(o *inventory.Observed) {
			silent(o)
			o.Record.Operation.Inputs = "another"
		}), plan.CloseOperation},
		"a boot alone, and the machine runs": {func(o *inventory.Observed) { silent(o); o.Record.Operation = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			m.until(t, plan.AssignInstall)
			o := m.observe()
			o.Record.Recalled = true
			test.seen(&o)
			p := plan.Host(m.desired, o, m.now)
			held := p.Phase == plan.Held && p.Hold != nil && p.Hold.Reason == plan.Recalled && len(p.Actions) == 0
			if test.want == "" != held || !held && (len(p.Actions) != 1 || p.Actions[0].Kind != test.want) {
				t.Errorf("plan = %+v, hold %+v; want %q", p, p.Hold, test.want)
			}
		})
	}
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.until(t, plan.AssignInstall)
	record := m.observe().Record
	record.Recalled = true
	if after := plan.Begin(record, plan.Action{Kind: plan.RecordWord}, m.now); after.Recalled {
		t.Error("the machine's word is not kept")
	}
}
