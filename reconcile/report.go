package reconcile

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// report keeps what a look saw, puts it on the host's page, and says when the next look is due.
func (l *Loop) report(h *host, s seen) {
	l.mu.Lock()
	id := h.record.ID
	before := h.live
	h.live.Admitted = false // from here on it shows
	h.live.Waiting = before.Waiting && (s.plan.Phase == plan.Waiting || s.plan.Phase == plan.Pending)
	h.count(s)
	if s.outcome.Result == plan.Done && (s.action == plan.OpenBoot || s.action == plan.OpenOperation) {
		h.retry = false // it is being tried again
	}
	s.again = s.at.Add(l.config.Limits.Next(queue.Look{At: s.at, Plan: s.plan, Outcome: s.outcome, Failures: h.failures,
		Repeats: h.repeats}, l.config.Jitter))
	if s.outcome.Result == plan.Retry && (h.seen.outcome.Result != plan.Retry || h.seen.outcome.Why != s.outcome.Why) {
		l.config.Log.Warn("effect failed", "host", id, "action", s.action, "why", s.outcome.Why, "again", s.again)
	}
	if s.plan.Phase != h.seen.plan.Phase {
		l.config.Log.Info("phase", "host", id, "phase", s.plan.Phase, "was", h.seen.plan.Phase)
	}
	h.seen = s
	l.moved(h)
	now := l.admit.Machine(id)
	freed := before.Placed && !now.Busy || before.Waiting && !now.Busy && !now.Waiting
	if state := now.State; h.desired.Ring != "" && state != h.state {
		h.state, freed = state, true // others of the ring, and of rings after it, may have their turn
		l.watchers.Notify("")
	}
	h.live.Placed = now.Busy
	l.moved(h)
	changed := l.summarize(h)
	l.mu.Unlock()
	if freed {
		l.placeFreed()
	}
	l.watchers.Notify(id)
	if changed {
		signal(l.publish)
	}
	l.queue.Done(id, s.again)
}

// postpone ends a look that could not begin.
func (l *Loop) postpone(id inventory.MachineID, h *host, err error) {
	l.mu.Lock()
	h.failures++
	if h.failures == 1 {
		l.config.Log.Error("no look without its record", "host", id, "error", err)
	}
	h.seen.outcome = plan.Outcome{Result: plan.Retry, Why: err.Error()}
	again := l.config.Now().Add(l.config.backoff(h.failures))
	l.mu.Unlock()
	l.watchers.Notify(id)
	l.queue.Done(id, again)
}

// count keeps the row of looks that got nowhere.
func (h *host) count(s seen) {
	switch {
	case s.outcome.Result == plan.Retry, s.outcome.Result == plan.Stalled, s.observed.BMC.Reach.Failed():
		h.failures++
	default:
		h.failures = 0
	}
	refused := s.outcome.Result == plan.Stalled || s.outcome.Result == plan.Retry && s.action.AtBMC()
	if refused || s.observed.BMC.Reach.Failed() {
		h.live.Troubled++
	} else {
		h.live.Troubled = 0
	}
	if s.outcome.Result == plan.Done && h.seen.outcome.Result == plan.Done && s.action == h.seen.action {
		h.repeats++
	} else {
		h.repeats = 0
	}
}
