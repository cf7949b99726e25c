package reconcile

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// reportLook keeps the result of a look, writes the host's page, and queues the next look.
func (l *Loop) reportLook(h *host, s lookResult) {
	l.mu.Lock()
	id := h.record.ID
	before := h.live
	h.live.Admitted = false // the record or the phase shows the place now
	h.live.Waiting = before.Waiting && (s.plan.Phase == plan.Waiting || s.plan.Phase == plan.Pending)
	h.countFailures(s)
	if s.outcome.Result == plan.Done && (s.action == plan.OpenBoot || s.action == plan.OpenOperation) {
		h.retry = false // the retry begins
	}
	s.again = s.at.Add(l.config.Limits.NextLook(queue.Look{At: s.at, Plan: s.plan, Outcome: s.outcome,
		Failures: h.failures,
		Repeats:  h.repeats}, l.config.Jitter))
	if s.outcome.Result == plan.Retry &&
		(h.lastLook.outcome.Result != plan.Retry || h.lastLook.outcome.Why != s.outcome.Why) {
		l.config.Log.Warn("effect failed", "host", id, "action", s.action, "why", s.outcome.Why, "again", s.again)
	}
	if s.plan.Phase != h.lastLook.plan.Phase {
		l.config.Log.Info("phase", "host", id, "phase", s.plan.Phase, "was", h.lastLook.plan.Phase)
	}
	h.lastLook = s
	l.indexHost(h)
	now := l.admit.GetMachine(id)
	freed := before.Placed && !now.Busy || before.Waiting && !now.Busy && !now.Waiting
	if state := now.State; h.desired.Ring != "" && state != h.state {
		h.state, freed = state, true // hosts of this ring and of later rings may have their turn
		l.watchers.Notify("")
	}
	h.live.Placed = now.Busy
	l.indexHost(h)
	changed := l.summarizeHost(h)
	l.mu.Unlock()
	if freed {
		l.wakeWaiting()
	}
	l.watchers.Notify(id)
	if changed {
		sendSignal(l.publish)
	}
	l.queue.FinishLook(id, s.again)
}

// postponeLook ends a look that could not begin, and queues the next look.
func (l *Loop) postponeLook(id inventory.MachineID, h *host, err error) {
	l.mu.Lock()
	h.failures++
	if h.failures == 1 {
		l.config.Log.Error("no look without its record", "host", id, "error", err)
	}
	h.lastLook.outcome = plan.Outcome{Result: plan.Retry, Why: err.Error()}
	again := l.config.Now().Add(l.config.backoffAfter(h.failures))
	l.mu.Unlock()
	l.watchers.Notify(id)
	l.queue.FinishLook(id, again)
}

// countFailures counts failed looks in a row, looks with a failing BMC in a row, and repetitions of one action.
func (h *host) countFailures(s lookResult) {
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
	if s.outcome.Result == plan.Done && h.lastLook.outcome.Result == plan.Done && s.action == h.lastLook.action {
		h.repeats++
	} else {
		h.repeats = 0
	}
}
