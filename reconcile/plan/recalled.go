package plan

import "github.com/gitmetal/ingot/inventory"

// recalled answers for what was begun and is known from the status branch alone, until the machine speaks: the agent of the boot, whose certificate no old
// page can bring back, or the system that the operation installed. The page may be older than what happened, by a push or, if somebody put it back, by years:
// the machine may run what it should, so it is neither powered off nor written to.
//
//	known of it                        the machine                  due
//	operation                          its system phoned home       it succeeded
//	any                                the agent of the boot speaks go on
//	operation, not armed, unwanted     any                          it ends, in the journal only
//	operation, Written or Starting     off                          go on: it starts from its disk
//	boot, without an operation         off                          go on
//	any                                any                          hold
func (h host) recalled() (Plan, bool) {
	if !h.rec.Recalled || h.rec.AtRest() {
		return Plan{}, false
	}
	b, a, op := h.rec.Boot, h.o.Agent, h.rec.Operation
	if op != nil && a.PhoneHome != nil && a.PhoneHome.Install == op.ID {
		return act(Starting, Action{Kind: RecordHome, Home: a.PhoneHome, Reason: "the installed system phoned home"}), true
	}
	if a.Alarm == "" && b != nil && a.Boot == b.ID && a.Epoch == b.Epoch {
		return act(Waiting, Action{Kind: RecordWord, Reason: "the machine speaks of what was read from the status branch"}), true
	}
	if op != nil {
		if p, over := h.superseded(*op); over {
			return p, true
		}
	}
	off := h.o.BMC.Reach == inventory.Reached && h.o.BMC.Power == inventory.PoweredOff
	if off && (op == nil || op.Stage == inventory.Written || op.Stage == inventory.Starting) {
		return Plan{}, false
	}
	return Plan{Phase: Held, Hold: &Hold{Reason: Recalled, Message: "what was begun on it is known from the status branch alone, since the journal was lost, and the machine does not speak of it: the page may be older than what happened. " +
		"It goes on when the machine's agent speaks or its system phones home. Else look at the machine, stop the daemon, delete the host's page from the status branch and start the daemon: the host counts as never seen then"}}, true
}
