package review

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
)

// whyKeptOff says that nothing begins on a machine that somebody keeps off, or "".
func whyKeptOff(d inventory.Desired) string {
	if why := change.KeptOff(d); why != "" {
		return "it is " + why + ": nothing begins before"
	}
	return ""
}

// foresee gives what a fleet says of a host's requests, by the functions that decide for the daemon.
func (s side) foresee(id inventory.MachineID) requested.Outlook {
	d := s.Hosts[id]
	is := requested.Outlook{Desired: d, Turn: s.whyLater(id, admit.Disturb), Behind: s.whyLater(id, admit.HandOut)}
	if d.BMC != nil && d.Requests.Rotate != "" {
		is.Refused = s.accounts.Refuse(d)
	}
	return is
}

// whyLater says what keeps a step of a host from being done now, by the files and the time, and until when; "" for nothing.
func (s side) whyLater(id inventory.MachineID, step admit.Step) string {
	answer := s.view.AskFiles(id, admit.Question{Step: step}, s.now)
	if answer.Until.IsZero() {
		return answer.Why
	}
	return answer.Why + "; the next one opens at " + answer.Until.UTC().Format(time.RFC3339)
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
