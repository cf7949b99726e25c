package plan_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// A daemon that cannot tell what the agent said does nothing: a machine in the middle of its write is not powered off for it, however long it is in
// the ramdisk, and whatever was merged meanwhile.
func TestNoWordIsNotSilence(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.until(t, act.AssignStep)
	for range 3 {
		m.pass(20 * time.Minute)
		m.commit(func(*inventory.Desired) {})
		o := m.observe()
		o.Agent = inventory.AgentState{Unknown: "the journal does not answer"}
		p := nextAt(m.desired, o, m.now)
		if p.Action != nil || p.Phase != plan.Waiting || p.Waits == "" {
			t.Fatalf("plan %+v, want a wait", p)
		}
	}
}
