package review

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// whyKeptOff says that nothing begins on a machine that somebody keeps off, or "".
func whyKeptOff(d inventory.Desired) string {
	if why := change.KeptOff(d); why != "" {
		return "it is " + why + ": nothing begins before"
	}
	return ""
}

// noteKeptOff adds that another key keeps the machine off, or none any more, where the verdict does not say it
// (judgePower).
func (h *Host) noteKeptOff(before, after inventory.Desired) {
	was, is := change.KeptOff(before), change.KeptOff(after)
	told := h.Verdict == change.TurnOff || h.Verdict == change.TurnOn || h.Verdict == change.HandsOff
	switch {
	case told, was == is:
	case is != "":
		h.Requests = append(h.Requests, is)
	default:
		h.Requests = append(h.Requests, "nobody keeps it off any more (spec.offBy)")
	}
}
