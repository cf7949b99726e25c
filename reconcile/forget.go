package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Forget drops what is known of a host, at the word of an operator: plan.Forget says what stays. Nothing is done to
// the machine, which the next look finds as it is. The host's page is written anew, also while the source is down. An
// error says why nothing was dropped, or that the journal may have it or not.
func (l *Loop) Forget(ctx context.Context, id inventory.MachineID) error {
	if _, known := l.Host(id); !known {
		return fmt.Errorf("there is no host %s: `ingot status` lists them", id)
	}
	h := l.takeTurn(id)
	defer h.endTurn()
	if outcome, aside := l.standsAside(); aside {
		return errors.New(outcome.Why)
	}
	of, err := l.wanted(ctx, h)
	if err != nil {
		return err
	}
	if why := l.keepsRecord(ctx, of); why != "" {
		l.Nudge(id)
		return fmt.Errorf("host %s is not forgotten: %s", of.desired.Label(), why)
	}
	if err := l.write(ctx, &of, plan.Forget(of.record)); err != nil {
		return err
	}
	l.showForgotten(h)
	l.Nudge(id)
	return nil
}

// keepsRecord says why a host is not forgotten, or "". What its record does not say yet its agent is asked, as the write
// of the record may have failed. No leave to write is given from then on, until the record is written or read again.
func (l *Loop) keepsRecord(ctx context.Context, of subject) string {
	observed := inventory.Observed{Record: of.record}
	why := plan.KeepsRecord(of.desired, observed)
	if op := of.record.Operation; why != "" || op == nil || op.Stage != inventory.Armed {
		return why
	}
	l.mu.Lock()
	of.host.doubtful = true
	l.mu.Unlock()
	return plan.KeepsRecord(of.desired, l.observe(ctx, of))
}

// showForgotten puts on a host's page that nothing is known of the host, until the next look.
func (l *Loop) showForgotten(h *host) {
	l.mu.Lock()
	h.live.Admitted, h.live.Waiting, h.retry, h.failures, h.repeats = false, false, false, 0, 0
	h.seen = seen{
		at: l.config.Now(), observed: inventory.Observed{Record: h.record},
		plan: plan.Plan{Host: h.record.ID, Phase: plan.Waiting, Waits: "a look, as what was known of it is forgotten"},
	}
	l.moved(h)
	l.summarize(h)
	l.mu.Unlock()
	signal(l.publish)
	l.watchers.Notify(h.record.ID)
	l.placeFreed()
}
