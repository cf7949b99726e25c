package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// ForgetHost drops the record of a host at the word of an operator; act.Forget says what stays. The machine is not
// touched: the next look observes the machine as it is. The host's page is written anew, even while the source is
// down. An error says why the record was not dropped, or that the journal's answer is missing.
func (l *Loop) ForgetHost(ctx context.Context, id inventory.MachineID) error {
	if _, known := l.ViewHost(id); !known {
		return fmt.Errorf("there is no host %s: `ingot status` lists them", id)
	}
	h := l.takeTurn(id)
	defer h.endTurn()
	if outcome, aside := l.checkStandAside(); aside {
		return errors.New(outcome.Why)
	}
	in, err := l.readInput(ctx, h)
	if err != nil {
		return err
	}
	if why := act.KeepsRecord(in.record); why != "" {
		return fmt.Errorf("host %s is not forgotten: %s", in.desired.Label(), why)
	}
	l.mu.Lock()
	call := h.lastLook.observed.Agent.PhoneHome
	l.mu.Unlock()
	if err := l.writeRecord(ctx, &in, act.Forget(in.record.CountCall(call))); err != nil {
		return err
	}
	l.showForgotten(h)
	l.RequestLook(id)
	return nil
}

// showForgotten writes onto a host's page that the record was forgotten, until the next look.
func (l *Loop) showForgotten(h *host) {
	l.mu.Lock()
	h.live.Admitted, h.live.Waiting, h.refused, h.retry, h.failures, h.repeats = false, false, false, false, 0, 0
	h.lastLook = lookResult{
		at: l.config.Now(), observed: inventory.Observed{Record: h.record},
		plan: plan.Plan{Host: h.record.ID, Phase: plan.Waiting, Waits: "a look, as what was known of it is forgotten"},
	}
	l.indexHost(h)
	l.summarizeHost(h)
	l.mu.Unlock()
	queue.SendSignal(l.publish)
	l.watchers.Notify(h.record.ID)
	l.wakeWaiting()
}
