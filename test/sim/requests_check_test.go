package sim

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// rebootIsSent checks that a requested reboot is asked for by the accepted commit or by one that it followed, is in the
// journal and on the status branch before its command, meets no operation, and is sent once for a machine.
func (c *checks) rebootIsSent(p *process, m *machine, record inventory.Record, run requests.Run) {
	host := record.ID
	key := fmt.Sprint(host, " ", m.serial, " ", run.Value)
	forgotten := c.w.memoryLost && c.w.branchMoved // nobody can remember
	kept := journal.ReadRecord(host, p.d.dir.records[host].bytes)
	same := p.journal.dir() == p.d.dir && p.journal.fence == p.d.dir.fence
	writes := m.agent != nil && m.root().writer == m.agent.writer && !m.agent.writer.dead
	accepted, _ := p.loop.AcceptedCommit()
	c.reboots[key]++
	switch h, there := c.hostOf(p, m.slot); {
	case !there || h.protect || h.lifecycle != "" && h.lifecycle != "Managed":
		c.breaks("S10 protected", "%s: reboot %s, and the accepted commit forbids it", m, run.Value)
	case h.offBy != "" || h.power == "Off":
		c.breaks("kept off", "%s: reboot %s of a machine that is to be off", m, run.Value)
	case c.w.people.commits[accepted].paused:
		c.breaks("S10 paused", "%s: reboot %s while the fleet is paused", m, run.Value)
	case record.Operation != nil || writes:
		c.breaks("no reboot in an operation", "%s: reboot %s during an operation", m, run.Value)
	case same && (kept.Boot == nil || kept.Boot.Request == nil || kept.Boot.Request.Sent.IsZero() ||
		!kept.Done.Has(requests.Request{Kind: requests.Reboot, Value: run.Value})):
		c.breaks("recorded before it is sent", "%s: reboot %s, and the journal does not say so", m, run.Value)
	case !c.isPublished(string(host), run.Value):
		c.breaks("recorded before it is sent", "%s: reboot %s, and the status branch does not say so", m, run.Value)
	case c.reboots[key] > 1 && !forgotten:
		c.breaks("a request acts once", "%s: reboot %s is sent %d times", m, run.Value, c.reboots[key])
	}
	c.rebooting[string(host)] = c.w.now
	c.w.reach("reboot")
}
