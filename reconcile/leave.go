package reconcile

import (
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// CheckLeave says why an operation must not begin to write on a host now, or "". Reasons are that the fleet dropped or
// forbids the operation, that the host is excluded, that the fleet or the ring is paused, or that the history cannot
// be trusted, so that no disk is erased. CheckLeave goes by the newest accepted commit, not by the last look. An error
// means that the answer is not known yet. CheckLeave only takes the loop's lock; safe at any time.
func (l *Loop) CheckLeave(id inventory.MachineID, operation string) (refusal string, err error) {
	if outcome, aside := l.checkStandAside(); aside {
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
		if why := l.admit.WhyUntrusted(h.desired.Ring); why != "" {
			return why, nil
		}
	}
	if l.fleet.settings.Paused || l.fleet.rings[h.desired.Ring].Spec.Paused {
		return "the fleet, or the host's ring, is paused", nil
	}
	return "", nil
}

// RetryHost lets an operator retry a host that was given up, or that is held because the installed system does not
// call home. A written and verified disk is not written again, and a retry gives no consent. An error says why there
// is nothing to retry.
func (l *Loop) RetryHost(id inventory.MachineID) error {
	l.mu.Lock()
	h := l.hosts[id]
	switch {
	case h == nil:
		l.mu.Unlock()
		return fmt.Errorf("there is no host %s: `ingot status` lists them", id)
	case !h.canRetry():
		l.mu.Unlock()
		return fmt.Errorf("host %s is %s: there is nothing to try again, see `ingot status %[1]s`", h.displayName(),
			h.lastLook.plan.Phase)
	}
	h.retry = true
	l.mu.Unlock()
	l.queue.AddHost(id, l.config.Now())
	return nil
}

// canRetry reports whether a host waits for an operator's retry: it was given up before any write, whatever the last
// look showed, or the last look held it for a start that an operator may repeat.
func (h *host) canRetry() bool {
	hold := h.lastLook.plan.Hold
	return plan.IsGivenUp(h.desired, h.record) ||
		hold != nil && (hold.Reason == change.NoPhoneHome || hold.Reason == change.BootFailed)
}
