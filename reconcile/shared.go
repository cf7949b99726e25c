package reconcile

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// alone holds a host whose disk another machine reports too, before an operation on it begins and before it is written: what two machines see is
// one volume that both may use. Nor may it be written under a history that cannot be trusted.
func (l *Loop) alone(of subject, next plan.Plan) plan.Plan {
	if len(next.Actions) == 0 || next.Actions[0].Operation == nil {
		return next
	}
	if kind := next.Actions[0].Kind; kind != plan.OpenOperation && kind != plan.AssignInstall {
		return next
	}
	disk := of.record.Facts.Volume(next.Actions[0].Operation.Disk)
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.frozen(of.host, next.Actions[0].Operation); why != "" {
		return instead(next, plan.Plan{Phase: plan.Held, Hold: &plan.Hold{Reason: plan.Frozen, Message: why}})
	}
	for _, id := range l.census.Reporting(disk) {
		if other := l.hosts[id]; id != of.record.ID && other.record.Facts.Sees(disk) {
			next.Phase, next.Actions = plan.Held, nil
			next.Hold = &plan.Hold{Reason: plan.DiskShared, Message: fmt.Sprintf(
				"disk %s is seen by host %s too, so it is not written: name another disk in spec.rootDisk, or take the volume from one of the machines and have it inspected again", disk.Label(), inventory.Label(other.label(), id))}
			return next
		}
	}
	return next
}
