package review

import (
	"cmp"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// power says what another spec.power does to a machine that runs what it shall, before, as asked says, and after.
//
//	before          after           verdict
//	the same        the same        Nothing
//	any             Off             TurnOff
//	Off, Unmanaged  On              TurnOn: if it is off
//	any             Unmanaged       Nothing
func (h *Host) power(before, after inventory.Desired, asked change.Change, record inventory.Record) {
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
