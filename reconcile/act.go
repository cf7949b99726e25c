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
func (l *Loop) act(ctx context.Context, of *subject, next plan.Plan) (plan.Kind, plan.Outcome) {
	if next.Action == nil {
		return "", plan.Outcome{}
	}
	if outcome, aside := l.standsAside(); aside {
		return next.Action.Kind, outcome
	}
	action := next.Action.Identified(l.config.NewID)
	if action.Kind == plan.OpenBoot && action.Begins(of.record) { // no machine is powered on to be inspected unless people can read of it
		if outcome := l.published(of.record); outcome.Result != plan.Done {
			return action.Kind, outcome
		}
	}
	if err := l.write(ctx, of, plan.Begin(of.record, action, l.config.Now())); err != nil {
		return action.Kind, notWritten(err)
	}
	outcome := l.perform(ctx, of.desired, of.record, action)
	if ctx.Err() != nil && outcome.Result != plan.Done {
		return action.Kind, outcome // we stop: that is no failure of the machine's
	}
	if err := l.write(ctx, of, plan.Settle(of.record, action, outcome, l.config.Now())); err != nil {
		return action.Kind, notWritten(err)
	}
	return action.Kind, outcome
}

// perform has the effect of one action. Journal-only actions have none beyond what Begin and Settle write.
func (l *Loop) perform(ctx context.Context, desired inventory.Desired, record inventory.Record, action plan.Action) plan.Outcome {
	switch {
	case action.Kind.JournalOnly():
		return plan.Outcome{Result: plan.Done}
	case action.Kind == plan.Publish:
		return l.published(record)
	}
	if outcome, aside := l.standsAside(); aside { // since the intent was written
		return outcome
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Effect)
	defer cancel()
	outcome := l.config.Executor.Do(ctx, desired, record, action)
	if outcome.Result == plan.Done {
		l.config.Log.Info("done", "host", record.ID, "action", action.Kind, "reason", action.Reason)
	}
	return outcome
}

// writeTimeout bounds how long a finished effect waits for the journal when the daemon is stopping.
const writeTimeout = 15 * time.Second

// write puts a changed record, if it is still the one that the look began with. What was done is written down even while the daemon is being stopped. After
// any failure the record is in doubt, and is read again before the next decision.
func (l *Loop) write(ctx context.Context, of *subject, after inventory.Record) error {
	h := of.host
	if journal.Same(of.record, after) {
		of.record = after
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	revision, err := l.config.Journal.Put(ctx, after, of.revision)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		h.doubtful = true
		if !errors.Is(err, journal.ErrConflict) { // it may be written: until that is known no other host is the machine
			l.standing.Move(after, h.desired)
		}
		l.disowned(err)
		return err
	}
	of.record, of.revision = after, revision
	h.record, h.revision, h.unwritten = after, revision, false
	l.moved(h)
	return nil
}

func notWritten(err error) plan.Outcome {
	if errors.Is(err, journal.ErrConflict) {
		return plan.Outcome{Result: plan.Waits, After: time.Millisecond, Why: "its record was changed by somebody else; looking again"}
	}
	return plan.Outcome{Result: plan.Retry, Why: err.Error()}
}
