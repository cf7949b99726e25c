package reconcile

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admission"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// An accepted commit gives every host its new Desired, and has only those machines looked at that the commit concerns:
//
//	the host                                                            what follows
//	is asked for something else, is new, or orphaned; a Secret          a look, before looks by routine
//	  that the host uses has other content (fleetdiff.Changes)
//	is held until a later commit (change.Reason.EndsWithCommit)         a look
//	is known as another machine now, by what its last look saw          a look
//	waits for its turn, and may have the turn now (package admit)       a look, of as many hosts as have places
//	waits for its turn for another reason, or has another file now      its page is written anew
//	any other                                                           nothing: the host keeps its time
//
// What the last look observed answers here only whether another look is due, and what a page says. It is no ground for
// an effect: every effect follows a look of its own (lookAtHost), and so do pins, facts and attended time. A host that
// was not looked at yet is in the queue, and keeps its time.

// isDecidedAnew reports whether the last look of a host would be decided otherwise now, although the fleet asks the
// same of the host. The caller holds the lock.
func (l *Loop) isDecidedAnew(h *host) bool {
	last := h.lastLook
	if last.at.IsZero() || h.record.Unreadable != "" {
		return false
	}
	ended := last.plan.Hold != nil && last.plan.Hold.Reason.EndsWithCommit()
	return ended || l.standing.Of(h.desired, h.record, last.observed) != last.observed.Standing
}

// reviseWaits asks package admit again for every host that its last answer made wait, and gives the hosts whose turn it
// is. The pages of the others say what the host waits for now. The caller holds the lock.
func (l *Loop) reviseWaits() (turn []inventory.MachineID) {
	now := l.config.Now()
	turn = l.admit.NextWaiting(now)
	for id, h := range l.hosts {
		if !h.refused || slices.Contains(turn, id) {
			continue
		}
		switch answer := l.admit.AskStep(id, h.question, now); {
		case !answer.IsAllowed():
			l.rewritePage(h, admission.ReviseWait(h.lastLook.plan, answer))
		case h.live.Waiting: // a host before it has the place
			l.rewritePage(h, admission.ReviseWait(h.lastLook.plan, l.admit.AwaitPlace()))
		default:
			turn = append(turn, id)
		}
	}
	return turn
}

// rewritePage writes what the last look saw onto a host's page anew, with a plan that reads differently. During a look
// the page stays: the look writes the page. The caller holds the lock.
func (l *Loop) rewritePage(h *host, p plan.Plan) {
	if h.lastLook.at.IsZero() || len(h.turn) > 0 {
		return
	}
	h.lastLook.plan, h.lastLook.observed.Record = p, h.record
	if l.summarizeHost(h) {
		l.watchers.Notify(h.record.ID)
	}
}

// RequestImageLooks asks for a look at every host that is not installed with an image, or waits for a kernel, as the fetch of the image ended.
// Safe at any time from any goroutine.
func (l *Loop) RequestImageLooks(sha256 string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, h := range l.hosts {
		w, run := h.desired.Workload, l.batches.FindWork(id)
		if (w != nil && w.Fetches(sha256) && !h.record.Has(w) || run.Fetches(sha256)) && l.fleet.commit != "" {
			l.queue.AddHost(id, l.config.Now(), queue.Routine)
		}
	}
}
