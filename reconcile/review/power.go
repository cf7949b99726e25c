package review

import (
	"cmp"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// judgePower sets the verdict for another spec.power on a machine whose system stays. asked is the change that the
// base asks for. A machine that somebody keeps off is asked for as Off (WantedPower).
//
//	before          after           verdict
//	the same        the same        Nothing
//	any             Off             TurnOff
//	Off, Unmanaged  On              TurnOn: if the machine is off
//	any             Unmanaged       Nothing: a Rule says so
func (h *Host) judgePower(before, after inventory.Desired, asked change.Change, record inventory.Record) {
	if h.Verdict != change.Nothing || record.Installed == nil || asked.Verdict != change.Nothing {
		return
	}
	was, is := cmp.Or(before.WantedPower(), schemas.PowerOn), cmp.Or(after.WantedPower(), schemas.PowerOn)
	if was == is {
		return
	}
	h.Why = []string{explainPower(before, after)}
	switch is {
	case schemas.PowerOff:
		h.Verdict = change.TurnOff
	case schemas.PowerOn:
		h.Verdict = change.TurnOn
	case schemas.PowerUnmanaged:
		h.Why = nil
	default:
		panic("review: unknown power " + is)
	}
}

// explainPower says why a machine gets another power state.
func explainPower(before, after inventory.Desired) string {
	keptOff, released := change.KeptOff(after), change.KeptOff(before)
	is := cmp.Or(after.Power, schemas.PowerOn)
	switch {
	case keptOff != "":
		return "it is " + keptOff
	case released != "":
		return fmt.Sprintf("nobody keeps it off any more (spec.offBy), and spec.power is %s", is)
	default:
		return fmt.Sprintf("spec.power %s → %s", cmp.Or(before.Power, schemas.PowerOn), is)
	}
}
