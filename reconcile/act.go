package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// actOnPlan does the action of a plan: intent into the journal, the effect, the outcome into the journal. A daemon
// that dies in between finds the intent after its restart and does the action again; every action may be repeated.
func (l *Loop) actOnPlan(ctx context.Context, in *lookInput, next plan.Plan) (act.Kind, act.Outcome) {
	if next.Action == nil {
		return l.takeRequests(ctx, in)
	}
	if outcome, aside := l.checkStandAside(); aside {
		return next.Action.Kind, outcome
	}
	action := next.Action.Identified(l.config.NewID).Marked(in.record.ID, l.config.Mark)
	// a page shows the host before an inspection powers it on, and a reboot before its command is sent
	shown := action.Kind == act.OpenBoot && action.Begins(in.record) || action.Kind == act.Reboot
	if shown || l.owesReceipts(in.record.ID) {
		if outcome := l.ensurePublished(in.record); outcome.Result != act.Done {
			return action.Kind, outcome
		}
	}
	if outcome, taken := l.reserveRun(in.record.ID, action); taken {
		return action.Kind, outcome
	}
	if err := l.writeRecord(ctx, in, act.Begin(in.record, action, l.config.Now())); err != nil {
		return action.Kind, unwrittenOutcome(err)
	}
	outcome := l.performAction(ctx, in.desired, in.record, action)
	in.host.attention.time = in.host.attention.time.Note(action, outcome)
	if ctx.Err() != nil && outcome.Result != act.Done {
		return action.Kind, outcome // the daemon stops: the machine did not fail
	}
	if err := l.writeRecord(ctx, in, act.Settle(in.record, action, outcome, l.config.Now())); err != nil {
		return action.Kind, unwrittenOutcome(err)
	}
	return action.Kind, outcome
}

// takeRequests has the journal know which requests were done on a machine at rest that it knows.
func (l *Loop) takeRequests(ctx context.Context, in *lookInput) (act.Kind, act.Outcome) {
	if _, aside := l.checkStandAside(); !aside && in.record.Done == nil && in.revision > 0 && in.record.Unreadable == "" {
		_ = l.writeRecord(ctx, in, in.record) // after a failed write the next look reads the record again
	}
	return "", act.Outcome{}
}

// writeTimeout bounds how long a finished effect waits for the journal while the daemon stops.
const writeTimeout = 15 * time.Second

// pendingWrite is a write of a record without an answer from the journal: the write may have happened, may happen
// later, or may never happen.
type pendingWrite struct {
	record   inventory.Record
	revision int64 // the revision that the write replaces
}

// indexStanding says by which records other hosts tell whether their machine is this host's machine. A record on its way
// to the journal counts as written; the journal may still have the record before, so that record counts too. The caller
// holds the lock.
func (l *Loop) indexStanding(h *host) {
	if h.pending == nil {
		l.standing.Move(h.record, h.desired)
		return
	}
	l.standing.Move(h.pending.record, h.desired, h.record)
}

// errClaimed says that another host's look met the same machine first and records it.
var errClaimed = errors.New("its machine is known under another id since it was looked at")

// writeRecord writes a changed record, if the journal's record still has the revision of the look's start. A finished
// effect is recorded even while the daemon stops. After a failed write the record is in doubt: the next look reads the
// record again before any decision.
func (l *Loop) writeRecord(ctx context.Context, in *lookInput, after inventory.Record) error {
	h := in.host
	after = act.TakeRequests(inventory.NoteErase(in.record, after, l.config.Now()), in.desired)
	if journal.Same(in.record, after) {
		in.record = after
		return nil
	}
	if !l.claimMachine(in, after) {
		return errClaimed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	after, revision, err := l.putRecord(ctx, after, in.revision)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		h.doubtful = true
		l.stopIfDisowned(err)
		return err
	}
	in.record, in.revision = after, revision
	h.record, h.revision, h.pending = after, revision, nil
	l.indexHost(h)
	return nil
}

// claimMachine notes the record before the write, so that no other host's look takes the machine for a new machine. False
// means that what the record says, or its first boot, would claim a machine that another host claimed before.
func (l *Loop) claimMachine(in *lookInput, after inventory.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	says := after.Facts != nil && in.record.Facts != after.Facts || after.BMC != nil && in.record.BMC != after.BMC
	was, is := in.observed.Standing, inventory.Standing{}
	if firstBoot := in.record.Epoch == 0 && after.Epoch > 0; says || firstBoot {
		is = l.standing.Of(in.desired, in.record, in.observed)
	}
	if was.KnownAs == "" && is.KnownAs != "" || was.Shows == "" && is.Shows != "" {
		return false
	}
	in.host.pending = &pendingWrite{after, in.revision}
	l.indexStanding(in.host)
	return true
}

// overtakeWrite makes sure that an unanswered write which the journal does not show comes too late: overtakeWrite
// writes the read record once more and returns the record with the new revision. An unreadable record stays untouched:
// no decision uses it.
func (l *Loop) overtakeWrite(ctx context.Context, h *host, read inventory.Record, revision int64) (inventory.Record,
	int64, error) {
	l.mu.Lock()
	pending := h.pending != nil && h.pending.revision == revision
	l.mu.Unlock()
	if !pending || read.Unreadable != "" {
		return read, revision, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	read, revision, err := l.putRecord(ctx, read, revision)
	l.stopIfDisowned(err)
	return read, revision, err
}

// putRecord is the only writer of records: each write carries the daemon's life and the record's next revision.
func (l *Loop) putRecord(
	ctx context.Context, record inventory.Record, revision int64,
) (inventory.Record, int64, error) {
	record.Life, record.Revision = l.life, record.Revision+1
	revision, err := l.config.Journal.Put(ctx, record, revision)
	return record, revision, err
}

// unwrittenOutcome is the outcome of an action whose record was not written.
func unwrittenOutcome(err error) act.Outcome {
	switch {
	case errors.Is(err, journal.ErrConflict):
		return act.Outcome{Result: act.Waits, After: time.Millisecond,
			Why: "its record was changed by somebody else; looking again"}
	case errors.Is(err, errClaimed):
		return act.Outcome{Result: act.Waits, After: time.Millisecond, Why: err.Error() + "; looking again"}
	}
	return act.Outcome{Result: act.Retry, Why: err.Error(), Unwritten: true}
}
