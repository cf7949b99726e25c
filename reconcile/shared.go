package reconcile

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// alone holds a host whose disk another machine reports too, before an operation on it begins and before it is written: what two machines see is
// one volume that both may use. Nor may it be written under a history that cannot be trusted.
func (l *Loop) alone(of subject, next plan.Plan) plan.Plan {
	if next.Action == nil || next.Action.Operation == nil {
		return next
	}
	if kind := next.Action.Kind; kind != plan.OpenOperation && kind != plan.AssignInstall {
		return next
	}
	disk := of.record.Facts.Volume(next.Action.Operation.Disk)
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.frozen(of.host, next.Action.Operation); why != "" {
		return instead(next, plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.Frozen, Message: why}})
	}
	for _, id := range l.census.Reporting(disk) {
		if other := l.hosts[id]; id != of.record.ID && other.record.Facts.Sees(disk) {
			next.Phase, next.Action = plan.Held, nil
			next.Hold = &change.Hold{Reason: change.DiskShared, Message: fmt.Sprintf(
				"disk %s is seen by host %s too, so it is not written: name another disk in spec.rootDisk, or take the volume from one of the machines and have it inspected again", disk.Label(), inventory.Label(other.label(), id))}
			return next
		}
	}
	return next
}
