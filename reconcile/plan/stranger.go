package plan

import (
	"fmt"
	"reflect"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkIdentity answers when BMC or agent speak for another machine than the known one: nothing is done to it until the
// fleet gives the host the machine. A machine that contradicts nothing is pinned.
//
//	the machine                                     due
//	is another one, nothing was done to the known   PinIdentity, anew, where the fleet names the new machine (isCorrected)
//	is another one, and the takeover names it       RecordTakeover: nothing known counts; never a machine that the
//	                                                file denies, or that is known under another id
//	is another one                                  hold
//	shows a value that is not pinned                PinIdentity
func (h *host) checkIdentity() (Plan, bool) {
	if h.Observed.BMC.Reach != inventory.Reached {
		return Plan{}, false
	}
	s := change.FindStranger(h.Desired, h.Observed)
	switch {
	case h.isCorrected(s):
		shown := change.ShownIdentity(h.Desired, h.Observed)
		why := "the fleet names another machine, and nothing was done to the one before"
		return planAction(Waiting, act.Action{Kind: act.PinIdentity, Pinned: &shown, Anew: true, Reason: why}), true
	case s == nil:
		return h.pinShown()
	case s.MayBeTakenOver() && h.Record.GivesTakeover(h.Desired.Consent.Takeover, s.Machine):
		return h.recordTakeover(*s), true
	default:
		return h.holdHost(s.Hold(h.Desired, h.Record)), true
	}
}

// pinIdentity pins what the BMC shows, if the machine is the one that the host means.
func (h *host) pinIdentity() (Plan, bool) {
	if h.Observed.BMC.Reach != inventory.Reached || h.whyStranger() != "" {
		return Plan{}, false
	}
	return h.pinShown()
}

// pinShown pins what the BMC shows of the host's machine, as far as it is not pinned yet. What is pinned stays.
func (h *host) pinShown() (Plan, bool) {
	next := h.Record.Identity().Fill(change.ShownIdentity(h.Desired, h.Observed))
	if next.BMC == h.Record.BMC || reflect.DeepEqual(next.BMC, h.Record.BMC) {
		return Plan{}, false
	}
	return planAction(Waiting, act.Action{Kind: act.PinIdentity, Pinned: &next, Reason: "the BMC shows its machine"}), true
}

// recordTakeover gives the host the machine in place of the known one.
func (h *host) recordTakeover(s change.Stranger) Plan {
	why := "spec.consent.takeover names the machine that is there now"
	return planAction(Waiting, act.Action{Kind: act.RecordTakeover, Takeover: h.Record.TakeoverConsent(s.Machine),
		Replaced: true, Pinned: &s.Machine, Reason: why})
}

// isCorrected reports whether the pins are taken anew: nothing was done to the pinned machine, and the fleet leads to
// another one by another address, or declares what is shown now.
func (h *host) isCorrected(s *change.Stranger) bool {
	known, shown := h.Record.Pinned, change.ShownIdentity(h.Desired, h.Observed)
	if known.BMC == nil || !h.Record.Untouched() || s != nil && s.Undeclared {
		return false
	}
	moved := known.BMC.Address != "" && known.BMC.Address != shown.BMC.Address && !known.Shares(shown)
	named := s != nil && shown.Says(h.Desired.Identity)
	return moved || named
}

// whyStranger says why the BMC speaks for a machine that the host does not mean, or "".
func (h *host) whyStranger() string {
	if s := change.FindShownStranger(h.Desired, h.Observed); s != nil {
		return s.Why
	}
	return ""
}

// holdReplaced answers where the fleet declares another machine than the known one: with a takeover that names what the
// BMC shows, the host gets that machine. Anything else is left alone.
func (h *host) holdReplaced() Plan {
	p := h.keepHandsOff()
	shown := change.ShownIdentity(h.Desired, h.Observed)
	if p.Action != nil || h.Observed.BMC.Reach != inventory.Reached || shown.Denies(h.Desired.Identity) != "" {
		return p
	}
	s := change.Stranger{Machine: shown, Why: p.Hold.Message}
	if h.Record.GivesTakeover(h.Desired.Consent.Takeover, shown) {
		return h.recordTakeover(s)
	}
	hold := *p.Hold
	hold.Takeover = h.Record.TakeoverConsent(shown)
	hold.Message = fmt.Sprintf("%s: if the machine was replaced: %s; another machine needs an id of its own in metadata.id",
		h.change.Why[0], change.TakeoverCommand(h.Desired, hold.Takeover))
	p.Hold = &hold
	return p
}
