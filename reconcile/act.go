package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// act does the first action of a plan: intent into the journal, the effect, its outcome into the journal. A daemon that dies anywhere in
// between finds the intent again and does the action again, which is harmless for each of them.
func (l *Loop) act(ctx context.Context, desired inventory.Desired, record inventory.Record, next plan.Plan) (inventory.Record, plan.Kind, plan.Outcome) {
	if len(next.Actions) == 0 {
		return record, "", plan.Outcome{}
	}
	action := l.identify(next.Actions[0])
	if action.Kind == plan.OpenBoot && action.Begins(record) { // no machine is powered on to be inspected unless people can read of it
		if outcome := l.published(record); outcome.Result != plan.Done {
			return record, action.Kind, outcome
		}
	}
	intent, err := l.write(ctx, record, plan.Begin(record, action, l.config.Now()))
	if err != nil {
		return record, action.Kind, notWritten(err)
	}
	outcome := l.perform(ctx, desired, intent, action)
	if ctx.Err() != nil && outcome.Result != plan.Done {
		return intent, action.Kind, outcome // we stop: that is no failure of the machine's
	}
	settled, err := l.write(ctx, intent, plan.Settle(intent, action, outcome, l.config.Now()))
	if err != nil {
		return intent, action.Kind, notWritten(err)
	}
	return settled, action.Kind, outcome
}

// perform has the effect of one action. Journal-only actions have none beyond what Begin and Settle write.
func (l *Loop) perform(ctx context.Context, desired inventory.Desired, record inventory.Record, action plan.Action) plan.Outcome {
	switch {
	case action.Kind.JournalOnly():
		return plan.Outcome{Result: plan.Done}
	case action.Kind == plan.Publish:
		return l.published(record)
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Effect)
	defer cancel()
	outcome := l.config.Executor.Do(ctx, desired, record, action)
	if outcome.Result == plan.Done {
		l.config.Log.Info("done", "host", record.Host, "action", action.Kind, "reason", action.Reason)
	}
	return outcome
}

// identify gives new operations and boots their random ids; the planner is pure and has none.
func (l *Loop) identify(action plan.Action) plan.Action {
	if o := action.Operation; action.Kind == plan.OpenOperation && o != nil && o.ID == "" {
		fresh := *o
		fresh.ID = l.config.NewID()
		action.Operation = &fresh
	}
	if b := action.Boot; action.Kind == plan.OpenBoot && b != nil && b.ID == "" {
		fresh := *b
		fresh.ID = l.config.NewID()
		action.Boot = &fresh
	}
	return action
}

// writeTimeout bounds how long a finished effect waits for the journal when the daemon is stopping.
const writeTimeout = 15 * time.Second

// write puts a changed record. What was done is written down even while the daemon is being stopped. After any failure the record is in doubt, and is read
// again before the next decision.
func (l *Loop) write(ctx context.Context, before, after inventory.Record) (inventory.Record, error) {
	if journal.Same(before, after) {
		return after, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	l.mu.Lock()
	h := l.hosts[after.Host]
	revision := h.revision
	l.mu.Unlock()
	revision, err := l.config.Journal.Put(ctx, after, revision)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		h.doubtful = true
		l.disowned(err)
		return before, err
	}
	h.record, h.revision, h.unwritten = after, revision, false
	l.moved(h)
	return after, nil
}

func notWritten(err error) plan.Outcome {
	if errors.Is(err, journal.ErrConflict) {
		return plan.Outcome{Result: plan.Waits, After: time.Millisecond, Why: "its record was changed by somebody else; looking again"}
	}
	return plan.Outcome{Result: plan.Retry, Why: err.Error()}
}
