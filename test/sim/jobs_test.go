package sim

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
)

// Jobs implements reconcile.Executor.
func (p *process) Jobs(_ context.Context, desired inventory.Desired) ([]settings.Job, error) {
	s := p.slotOf(desired)
	if s == nil {
		return nil, nil
	}
	if err := s.request(p); err != nil {
		return nil, err
	}
	if s.w.meets(jobsUnread, s.index) {
		return nil, bmcError{inventory.Refused, "500: the task service is not ready"}
	}
	p.freeOf[s.index] = s.w.now
	if s.w.meets(jobRuns, s.index) {
		delete(p.freeOf, s.index)
		return []settings.Job{{Path: "/redfish/v1/TaskService/Tasks/1", Name: "Update", State: "Running"}}, nil
	}
	return nil, nil
}

// longestReading is how old a reading of the jobs may be when a power command is sent: a BMC may be slow.
const longestReading = 2 * time.Minute

// powerIsSent checks that no power command is sent to a machine while a job runs at its BMC: the daemon has just read that
// none does.
func (c *checks) powerIsSent(p *process, desired inventory.Desired, action act.Action) {
	s := p.slotOf(desired)
	if s == nil || !action.Kind.ChangesPower() || action.Wait {
		return
	}
	read, free := p.freeOf[s.index]
	if !free || c.w.now-read > longestReading {
		c.breaks("no power command while a job runs", "%s is sent to slot %d, and the jobs of its BMC were not read", action.Kind,
			s.index)
	}
}
