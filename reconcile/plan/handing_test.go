package plan_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// handing is a machine that served, at the moment in which its job is to be handed out. The daemon dies in the middle of that.
func handing(t *testing.T, die crash) *model {
	t.Helper()
	m := changing(t)
	for range 200 {
		p := nextAt(m.desired, m.observe(), m.now)
		if p.Action != nil && p.Action.Kind == act.AssignStep {
			m.look(die)
			return m
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	t.Fatalf("no job was handed out: %v", m.done)
	return nil
}

// The daemon noted that the job is handed out, and died before it was: what the machine runs is on its disk still.
func TestAJobThatWasNotedAndNotHandedOut(t *testing.T) {
	t.Parallel()
	t.Run("the machine goes back when the job may not be handed out", func(t *testing.T) {
		t.Parallel()
		m := handing(t, beforeEffect)
		if p := nextAt(m.desired, m.observe(), m.now); p.Otherwise == nil || p.Otherwise.Action == nil {
			t.Errorf("plan = %+v, otherwise %+v; want the machine to leave the ramdisk", p, p.Otherwise)
		}
	})
	t.Run("a machine that went back by itself is asked to shut down", func(t *testing.T) {
		t.Parallel()
		m := handing(t, beforeEffect)
		m.stop()
		m.media = ""
		m.start()
		m.record.Boot = nil
		for range 20 {
			p := nextAt(m.desired, m.observe(), m.now)
			if p.Action != nil && p.Action.Kind == act.PowerOff {
				if !p.Action.Graceful {
					t.Errorf("plan = %+v, want it asked", p)
				}
				return
			}
			m.look(nowhere)
		}
		t.Errorf("it was never powered off: %v", m.done)
	})
}

// Leave was given, the daemon died before it could settle that, and the machine was lost in the middle of the write: its
// disk holds no system, whatever the fleet asks for then.
func TestAWriteThatWasNotSettled(t *testing.T) {
	t.Parallel()
	m := asking(t)
	m.look(beforeSettle)
	id := m.record.Operation.ID
	if !m.agent.Job.Begun || m.record.Operation.Root().Begun != 1 || m.record.Installed != nil {
		t.Fatalf("job %+v, record %+v; want leave given", m.agent.Job, m.record)
	}
	m.disk, m.wrote[id] = "failed:"+id, false
	m.stop()
	m.now = m.now.Add(time.Minute)
	m.commit(func(d *inventory.Desired) { d.Workload = workload(earlier, schemas.OnConsent) })
	if p := m.settles(t); p.Phase == plan.Active || m.record.Installed != nil || len(m.record.Spent) != 1 {
		t.Errorf("ended %+v with %s on the disk, record %+v", p, m.disk, m.record)
	}
}

// asking is a machine that served, at the moment in which its agent asks for leave to write.
func asking(t *testing.T) *model {
	t.Helper()
	m := changing(t)
	for range 200 {
		if m.agent.Job.Question != nil {
			return m
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	t.Fatalf("nobody asked for leave: %v", m.done)
	return nil
}
