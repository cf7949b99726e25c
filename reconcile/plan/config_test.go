package plan_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

func TestAConfigThatCannotBeRenderedHoldsTheMachine(t *testing.T) {
	t.Parallel()
	const why = "the config of workload web cannot be rendered for this host: secret app has no key \"x\""
	for name, stage := range map[string]inventory.Stage{"nothing begun": "", "published": inventory.Published,
		"armed, no job": inventory.Working} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.record = seen(inventory.Content{Blank: true})
		m.record.Pinned = m.machine()
		if m.image = inventory.ImageReady; stage != "" {
			m.record.Operation = &inventory.Operation{ID: "o1", Kind: inventory.Install, Inputs: target,
				Update: schemas.OnConsent, Stage: stage, Attempt: 1,
				Disks: []inventory.OperationDisk{{Disk: rootDisk, Content: inventory.ContentBlank}}}
		}
		o := m.observe()
		o.Config.Error = why
		p := nextAt(m.desired, o, m.now)
		if p.Phase != plan.Held || p.Action != nil || p.Hold == nil || p.Hold.Reason != change.ConfigUnusable ||
			!strings.HasPrefix(p.Hold.Message, why) {
			t.Errorf("%s: plan = %+v, want it held and nothing done", name, p)
		}
		o.Config.Error = ""
		if p := nextAt(m.desired, o, m.now); p.Hold != nil {
			t.Errorf("%s: plan = %+v, want it to go on", name, p)
		}
	}
}

// A job that its agent has is not disturbed: the config went with it.
func TestAConfigThatCannotBeRenderedDisturbsNoWrite(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.until(t, act.AssignStep)
	o := m.observe()
	o.Config.Error = "secret app is gone"
	if p := nextAt(m.desired, o, m.now); p.Hold != nil || p.Phase != plan.Installing {
		t.Errorf("plan = %+v, want the write to go on", p)
	}
}
