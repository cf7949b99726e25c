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

// attempt is a write of a record that the journal has not answered: it may be done, may never be done, or may be done
// later.
type attempt struct {
	record   inventory.Record
	revision int64 // the revision that the write replaces
}

// moveStanding says by which records other hosts tell whether their machine is this host's. A record that may be in the
// journal counts as if it were there; the journal may have the record of before still, so that counts too. The caller
// holds the lock.
func (l *Loop) moveStanding(h *host) {
	if h.attempt == nil {
		l.standing.Move(h.record, h.desired)
		return
	}
	l.standing.Move(h.attempt.record, h.desired, h.record)
}

// errClaimed says that another host had a look at the same machine meanwhile, and writes it down as its own.
var errClaimed = errors.New("its machine is known under another id since it was looked at")

// write puts a changed record, if it is still the one that the look began with. What was done is written down even
// while the daemon is being stopped. After any failure the record is in doubt, and is read again before the next
// decision.
func (l *Loop) write(ctx context.Context, of *subject, after inventory.Record) error {
	h := of.host
	if journal.Same(of.record, after) {
		of.record = after
		return nil
	}
	if !l.claim(of, after) {
		return errClaimed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	after, revision, err := l.putRecord(ctx, after, of.revision)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		h.doubtful = true
		l.disowned(err)
		return err
	}
	of.record, of.revision = after, revision
	h.record, h.revision, h.attempt, h.doubtful = after, revision, nil, false
	l.moved(h)
	return nil
}

// claim notes what is about to be written, so that no other host's look takes the machine for a new one. False means
// that the record would say of a machine for the first time that it is this host's, and that another host was faster.
func (l *Loop) claim(of *subject, after inventory.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	says := after.Facts != nil && of.record.Facts != after.Facts || after.BMC != nil && of.record.BMC != after.BMC
	if says && of.observed.Standing.KnownAs == "" && l.standing.Of(of.desired, of.record, of.observed).KnownAs != "" {
		return false
	}
	of.host.attempt = &attempt{after, of.revision}
	l.moveStanding(of.host)
	return true
}

// overtake has a write without an answer come too late, if it was not done when the record was read: the same record is
// written once more, at a later revision, which it gives with the record. A record that cannot be read stays as it is:
// nothing is decided by it.
func (l *Loop) overtake(ctx context.Context, h *host, read inventory.Record, revision int64) (inventory.Record, int64, error) {
	l.mu.Lock()
	pending := h.attempt != nil && h.attempt.revision == revision
	l.mu.Unlock()
	if !pending || read.Unreadable != "" {
		return read, revision, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	read, revision, err := l.putRecord(ctx, read, revision)
	l.disowned(err)
	return read, revision, err
}

// putRecord is the one writer of records: each write has the daemon's life and the record's next revision.
func (l *Loop) putRecord(
	ctx context.Context, record inventory.Record, revision int64,
) (inventory.Record, int64, error) {
	record.Life, record.Revision = l.life, record.Revision+1
	revision, err := l.config.Journal.Put(ctx, record, revision)
	return record, revision, err
}

func notWritten(err error) plan.Outcome {
	switch {
	case errors.Is(err, journal.ErrConflict):
		return plan.Outcome{Result: plan.Waits, After: time.Millisecond, Why: "its record was changed by somebody else; looking again"}
	case errors.Is(err, errClaimed):
		return plan.Outcome{Result: plan.Waits, After: time.Millisecond, Why: err.Error() + "; looking again"}
	}
	return plan.Outcome{Result: plan.Retry, Why: err.Error()}
}
