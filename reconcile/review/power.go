package review

import (
	"cmp"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// judgePower sets the verdict for another spec.power on a machine whose system stays. asked is the change that the
// base asks for.
//
//	before          after           verdict
//	the same        the same        Nothing
//	any             Off             TurnOff
//	Off, Unmanaged  On              TurnOn: if the machine is off
//	any             Unmanaged       Nothing
func (h *Host) judgePower(before, after inventory.Desired, asked change.Change, record inventory.Record) {
	if h.Verdict != change.Nothing || record.Installed == nil || asked.Verdict != change.Nothing {
		return
	}
	was, is := cmp.Or(before.Power, schemas.PowerOn), cmp.Or(after.Power, schemas.PowerOn)
	if was == is {
		return
	}
	switch is {
	case schemas.PowerOff:
		h.Verdict = change.TurnOff
	case schemas.PowerOn:
		h.Verdict = change.TurnOn
	case schemas.PowerUnmanaged:
		return
	default:
		panic("review: unknown power " + is)
	}
	h.Why = []string{fmt.Sprintf("spec.power %s → %s", was, is)}
}
