package act

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Identified gives an action for a new operation or boot an id. Plans have no ids, as the same values give the same
// plan.
func (a Action) Identified(newID func() string) Action {
	if o := a.Operation; a.Kind == OpenOperation && o != nil && o.ID == "" {
		fresh := *o
		fresh.ID = newID()
		a.Operation = &fresh
	}
	if b := a.Boot; a.Kind == OpenBoot && b != nil && b.ID == "" {
		fresh := *b
		fresh.ID = newID()
		a.Boot = &fresh
	}
	if w := a.Work; a.Kind == OpenSettings && w != nil && w.ID == "" {
		fresh := *w
		fresh.ID = newID()
		a.Work = &fresh
	}
	if r := a.Run; a.Kind == OpenRun && r != nil && r.ID == "" {
		fresh := *r
		fresh.ID = newID()
		a.Run = &fresh
	}
	return a
}

// Marked gives the new operation of an action its mark.
func (a Action) Marked(id inventory.MachineID, mark func(inventory.MachineID, string, inventory.DiskID) string) Action {
	if a.Kind == OpenOperation && a.Operation != nil {
		a.Operation = change.Marked(*a.Operation, func(op string, disk inventory.DiskID) string { return mark(id, op, disk) })
	}
	return a
}
