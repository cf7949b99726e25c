package sim

import (
	"maps"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Rules about what a daemon makes of disks, silence and power. A daemon beside another one, or with the memory of
// another moment, may know less: it is judged by what it does.

// begunStays checks that a daemon takes a disk that was really written to for written to.
func (c *checks) begunStays(p *process, view reconcile.HostView) {
	record, slot := view.Observed.Record, c.w.people.now.hosts[string(view.Desired.ID)].slot
	m := c.w.rack[slot].machine
	if c.w.memoryLost || c.w.branchMoved || len(c.w.daemons) > 1 || m == nil || p.dead {
		return
	}
	d, op := m.root(), record.Operation
	if op != nil && d.holds == aPartial && d.install == op.ID && !op.HasBegun() {
		c.breaks("S3 only the disk takes begun back", "disk %s of %s holds half an install of %s, and the record says that "+
			"nothing was written", d.serial, m, op.ID)
	}
	if by := installedBy(record, c.replaced); view.Plan.Phase == plan.Active && by != "" {
		c.breaks("S3 only the disk takes begun back", "host %s is Active by install %s, which operation %s has written over",
			record.ID, record.Installed.ID, by)
	}
}

func installedBy(record inventory.Record, replaced map[string]string) string {
	if record.Installed == nil {
		return ""
	}
	return replaced[record.Installed.ID]
}

// homeDeadline is plan.Deadlines.Home as the loop sets it by default.
const homeDeadline = 30 * time.Minute

// copyStarts notes that a daemon begins with the memory of another daemon.
func (c *checks) copyStarts(from, to *daemon) {
	for start, at := range maps.Clone(c.started) {
		if start.daemon == from.name {
			c.started[poweredOn{to.name, start.host}] = at
		}
	}
}

// deadlineWasHeard checks S7: a host is held for its silence only after its system had the time to be heard. A clock may
// run twice as fast.
func (c *checks) deadlineWasHeard(p *process, host string, view reconcile.HostView) {
	hold, began := view.Plan.Hold, c.started[poweredOn{p.d.name, host}]
	silent := hold != nil && hold.Reason == change.NoPhoneHome && strings.Contains(hold.Message, "has been on for more than")
	if !silent || began == 0 {
		return
	}
	heard := c.w.now - began
	slot := c.w.people.now.hosts[host].slot
	for _, cut := range c.w.cuts {
		if cut.who != slot {
			continue
		}
		heard -= max(0, min(cut.to, c.w.now)-max(cut.from, began))
	}
	if 2*heard < homeDeadline-time.Minute {
		c.breaks("S7 attended time", "host %s is held for its silence, and could be heard for %s", host, heard)
	}
}
