package reconcile

import (
	"reflect"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// reportLook keeps the result of a look, writes the host's page, and queues the next look.
func (l *Loop) reportLook(in lookInput, s lookResult) {
	l.mu.Lock()
	h := in.host
	id := h.record.ID
	before := h.live
	h.live.Admitted = false // the record or the phase shows the place now
	h.live.AtWork = s.plan.AtWork
	h.live.Waiting = before.Waiting && s.plan.AwaitsTurn()
	h.countFailures(s)
	if h.live.InTrouble() {
		s.plan = plan.ShowRefusal(s.plan, h.refusal)
	}
	h.retry = h.retry && (s.outcome.Result != act.Done || !s.action.EndsRetry())
	look := queue.Look{At: s.at, Plan: s.plan, Outcome: s.outcome, Failures: h.failures, Repeats: h.repeats}
	wait := l.config.Limits.NextLook(look, l.config.Jitter)
	s.again = s.at.Add(wait)
	l.planLook(h, wait)
	if s.outcome.Result == act.Retry &&
		(h.lastLook.outcome.Result != act.Retry || h.lastLook.outcome.Why != s.outcome.Why) {
		l.config.Log.Warn("effect failed", "host", id, "action", s.action, "why", s.outcome.Why, "again", s.again)
	}
	if s.plan.Phase != h.lastLook.plan.Phase {
		l.config.Log.Info("phase", "host", id, "phase", s.plan.Phase, "was", h.lastLook.plan.Phase)
	}
	h.lastLook, h.refused = s, h.refused && s.plan.Turn != ""
	if in.desired.Commit != h.desired.Commit && l.isDecidedAnew(h) { // the commit came during the look
		l.queue.AddHost(id, s.at, queue.Asked)
	}
	l.indexHost(h)
	now := l.admit.GetMachine(id)
	freed := before.Placed && !now.Busy || before.Waiting && !now.Busy && !now.Waiting
	if state := now.State; h.desired.Ring != "" && state != h.state {
		h.state, freed = state, true // hosts of this ring and of later rings may have their turn
		l.watchers.Notify("")
	}
	lost := admit.IsUnderWay(h.record, h.live) && (!now.Busy || h.live.Lost) // it counts again, and was not admitted
	if placed := now.Busy && !lost; h.live.Placed != placed || h.live.Lost != lost {
		h.live.Placed, h.live.Lost = placed, lost
		l.indexHost(h)
	}
	h.met = h.met || (s.observed.BMC.Reach != inventory.NotAsked || h.desired.BMC == nil) &&
		(in.desired.BMC == h.desired.BMC || reflect.DeepEqual(in.desired.BMC, h.desired.BMC))
	l.queue.SetLane(id, h.lane())
	changed := l.summarizeHost(h)
	l.mu.Unlock()
	if freed {
		l.wakeWaiting()
	}
	l.watchers.Notify(id)
	if changed {
		queue.SendSignal(l.publish)
	}
	l.queue.FinishLook(id, s.again, look.Priority())
}

// lane is where the host waits for its next look. No commit, operator or restart moves a host that is in trouble to the
// healthy ones: only an answer of its BMC does. The caller holds the lock.
func (h *host) lane() queue.Lane {
	switch {
	case !h.met:
		return queue.FirstContact
	case h.live.Troubled > 0:
		return queue.Troubled
	default:
		return queue.Healthy
	}
}

// postponeLook ends a look that could not begin, and queues the next look.
func (l *Loop) postponeLook(id inventory.MachineID, h *host, err error) {
	l.mu.Lock()
	h.failures++
	if h.failures == 1 {
		l.config.Log.Error("no look without its record", "host", id, "error", err)
	}
	h.lastLook.action, h.lastLook.outcome = "", act.Outcome{Result: act.Retry, Why: err.Error()}
	again := l.config.Now().Add(l.config.BackoffAfter(h.failures))
	l.mu.Unlock()
	l.watchers.Notify(id)
	l.queue.FinishLook(id, again, queue.Routine)
}

// countFailures counts failed looks in a row, looks with a failing BMC in a row, and repetitions of one action. A look
// that only waits, after a refused action, tried nothing and ends no row.
func (h *host) countFailures(s lookResult) {
	refused := s.outcome.Result == act.Stalled || s.outcome.Result == act.Retry && s.action.AtBMC()
	silent := s.observed.BMC.Reach.Failed()
	waits := s.action == "" && s.plan.Waits != "" && h.refusal != (plan.Refusal{})
	switch {
	case refused || silent:
		h.failures, h.live.Troubled, h.refusal = h.failures+1, h.live.Troubled+1, plan.Refusal{}
		if refused && s.action.AtBMC() {
			h.refusal = plan.Refusal{Action: s.action, Words: s.outcome.Why}
		}
	case s.outcome.Result == act.Retry:
		h.failures, h.live.Troubled, h.refusal = h.failures+1, 0, plan.Refusal{}
	case !waits:
		h.failures, h.live.Troubled, h.refusal = 0, 0, plan.Refusal{}
	}
	if s.outcome.Result == act.Done && h.lastLook.outcome.Result == act.Done && s.action == h.lastLook.action {
		h.repeats++
	} else {
		h.repeats = 0
	}
}
