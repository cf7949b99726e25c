package reconcile

import (
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Leave says why an operation may not begin to write on a host now, or "": the fleet does not want or allow it any more, nothing is to be done to the host, the
// fleet or its ring is paused, or nothing is erased as the history cannot be trusted. It goes by the newest accepted commit, not by the last look. An error
// means that nobody can tell yet. It takes the loop's lock, does nothing else, and may be called at any time.
func (l *Loop) Leave(id inventory.MachineID, operation string) (refusal string, err error) {
	if outcome, aside := l.standsAside(); aside {
		return "", errors.New(outcome.Why)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[id]
	switch {
	case l.fleet.commit == "":
		return "", errors.New("no commit was accepted since the start")
	case h == nil:
		return "no such host is known", nil
	case h.doubtful:
		return "", errors.New("the host's record is being read again")
	case h.record.OperationID() != operation:
		return "the operation is not under way any more", nil
	case h.record.Unproved():
		return "", errors.New("what is known of the operation is from the status branch, and not proved yet")
	}
	if why := change.Refusal(h.desired, h.standing, h.record); why != "" {
		return why, nil
	}
	if h.record.Operation.Erases() {
		if why := l.admit.Untrusted(h.desired.Ring); why != "" {
			return why, nil
		}
	}
	if l.fleet.settings.Paused || l.fleet.rings[h.desired.Ring].Spec.Paused {
		return "the fleet, or the host's ring, is paused", nil
	}
	return "", nil
}

// Retry has a host that was given up, or that is held because its installed system does not call, tried again: an operator asked for it. What was written and
// verified is not written again for it, and no consent is given by it. An error says why there is nothing to try.
func (l *Loop) Retry(id inventory.MachineID) error {
	l.mu.Lock()
	h := l.hosts[id]
	switch {
	case h == nil:
		l.mu.Unlock()
		return fmt.Errorf("there is no host %s: `ingot status` lists them", id)
	case !retriable(h.seen.plan):
		l.mu.Unlock()
		return fmt.Errorf("host %s is %s: there is nothing to try again, see `ingot status %[1]s`", h.label(), h.seen.plan.Phase)
	}
	h.retry = true
	l.mu.Unlock()
	l.queue.Add(id, l.config.Now())
	return nil
}

// retriable reports whether a plan waits for a person to say that it shall be tried again.
func retriable(p plan.Plan) bool {
	if p.Hold == nil {
		return false
	}
	switch p.Hold.Reason {
	case change.NoPhoneHome, change.BootFailed:
		return true
	case change.InstallFailed:
		return p.Phase == plan.Failed
	default:
		return false
	}
}
