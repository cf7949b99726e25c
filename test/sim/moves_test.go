package sim

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Acts at whole machines: disks move with what is on them.

// movesDisks exchanges all disks of two machines, with the systems on them. Some hours later they go back, or the fleet
// names each disk where it is now.
func movesDisks(w *world, d deed) bool {
	a, b := w.machineOf(d), w.machines[(d.who+1)%len(w.machines)]
	if w.swapped || a == b || a.runs == inRamdisk || b.runs == inRamdisk {
		return false
	}
	w.swapped = true
	w.exchangeDisks(a, b)
	w.after(time.Duration(d.size*float64(6*time.Hour)), func() {
		w.step()
		w.swapped = false
		if d.size > 0.5 {
			w.nameDisks(a)
			w.nameDisks(b)
			return
		}
		w.exchangeDisks(a, b)
	})
	return true
}

func (w *world) exchangeDisks(a, b *machine) {
	a.cut("a person")
	b.cut("a person")
	a.disks, b.disks, w.disksMoved = b.disks, a.disks, true
	w.say("a person exchanges the disks of %s and %s", a, b)
	for _, m := range []*machine{a, b} {
		w.after(m.dice.between(time.Second, 20*time.Minute), func() {
			if m.runs == off {
				m.powerOn("a person")
			}
		})
	}
}

// nameDisks has the fleet name the disks that a machine has, on the host that declares the machine.
func (w *world) nameDisks(m *machine) {
	data := ""
	for _, d := range m.disks {
		if d.data {
			data = d.serial
		}
	}
	w.people.changeOf(m.declared, "the disks as they are", func(h *hostSpec) { h.disk, h.hint, h.data = m.root().serial, "", data })
}

// changeOf changes the file of the host that declares a machine, also a file that was deleted and may come back.
func (p *people) changeOf(serial, title string, edit func(*hostSpec)) {
	for id, h := range p.deleted {
		if h.serial == serial {
			edit(&h)
			p.deleted[id] = h
		}
	}
	for _, id := range p.now.ids() {
		if p.now.hosts[id].serial == serial {
			p.change(id, title, edit)
		}
	}
}

// replacesMachine puts another machine into the slot, with the disks of the machine before: its board was replaced. The
// fleet says so now or later.
func replacesMachine(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.runs == inRamdisk {
		return false
	}
	m.cut("a person")
	old := m.serial
	m.replaced++
	m.serial = fmt.Sprintf("SN%02d-%d", m.index, m.replaced)
	m.uuid = fmt.Sprintf("4c4c4544-0000-4000-9000-%06d%06d", m.index, m.replaced)
	m.mac = fmt.Sprintf("52:54:00:01:%02x:%02x", m.replaced, m.index)
	m.moved = w.now
	w.say("a person puts the disks of %s into %s, in the same place", old, m)
	w.after(time.Duration(d.size*float64(time.Hour)), func() {
		w.step()
		w.people.changeOf(m.declared, "another machine", func(h *hostSpec) { h.serial = m.serial })
		m.declared = m.serial
		m.powerOn("a person")
	})
	return true
}

// systemIsHere checks that no host is Active by an install that called from other machines only, where the BMC has just
// shown which machine is there.
func (c *checks) systemIsHere(view reconcile.HostView) {
	installed, shown := view.Observed.Record.Installed, view.Observed.BMC.System.Serial
	if view.Observed.BMC.Reach != inventory.Reached || view.Plan.Phase != plan.Active || installed == nil || installed.PhoneHome.IsZero() || shown == "" {
		return
	}
	if from := c.calledFrom[installed.ID]; len(from) > 0 && !from[shown] {
		c.breaks("Active after a call", "host %s is Active by install %s: its BMC shows %s, and the calls came from %v",
			view.Desired.ID, installed.ID, shown, from)
	}
}
