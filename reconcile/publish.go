package reconcile

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// ensurePublished is the effect of plan.Publish, and goes before an inspection: Done once the status branch shows the
// host with its operation. All waiting hosts share one push.
func (l *Loop) ensurePublished(record inventory.Record) plan.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.branch.ShowsOperation(record.ID, record.OperationID()) {
		return plan.Outcome{Result: plan.Done}
	}
	l.branch.RequestPush(record.ID)
	sendSignal(l.publish)
	if l.branch.Trouble != "" {
		return plan.Outcome{Result: plan.Retry, Why: "nothing begins before the status branch can be pushed"}
	}
	return plan.Outcome{Result: plan.Waits, Why: "the host is being pushed to the status branch"}
}

// gatherTime is how long an urgent push waits for further hosts.
const gatherTime = 200 * time.Millisecond

// pushState is the history of pushes; only publishOnce uses it.
type pushState struct {
	last     time.Time // end of the last push
	failures int       // failed pushes in a row
	gathered bool      // the urgent push waited for further hosts
}

// publishOnce pushes the changed pages: at once when a machine waits, otherwise at the configured pace, and again
// after a failure.
func (l *Loop) publishOnce(ctx context.Context) rest {
	p := &l.pushes
	if l.mendBranch(ctx); l.stoodAside() {
		return rest{ended: true}
	}
	waiting, urgent := l.pendingPush()
	wait := l.config.Limits.Resync
	if waiting {
		wait = p.last.Add(l.pushGap(urgent, p.failures)).Sub(l.config.Now())
	}
	if wait > 0 {
		return rest{wait: wait, woken: l.publish}
	}
	if urgent && p.failures == 0 && !p.gathered { // further hosts may soon need a push
		p.gathered = true
		return rest{settle: gatherTime}
	}
	p.gathered = false
	next := l.gatherChange()
	if len(next.Files) == 0 {
		l.settlePush(next)
		return rest{}
	}
	tip, err := l.pushPages(ctx, next)
	if ctx.Err() != nil || l.stoodAside() {
		return rest{ended: true}
	}
	p.last = l.config.Now()
	if p.failures++; err == nil {
		p.failures = 0
	}
	if tipMoved(err) { // mendBranch reads the new tip first
		l.gatherAgain()
		return rest{}
	}
	l.recordPush(next, tip, err)
	return rest{}
}

// mendBranch writes pages again after somebody changed or deleted them. The daemon believes one thing from a changed
// branch: the page of another daemon, before which this daemon stands aside.
func (l *Loop) mendBranch(ctx context.Context) {
	l.branchSlot <- struct{}{}
	defer func() { <-l.branchSlot }()
	if !l.config.Publisher.Strayed() {
		return
	}
	files, err := l.readBranch(ctx)
	if err != nil && l.config.Publisher.Strayed() {
		return // unreachable: the next look or push tries again
	}
	believed := make(map[string][]byte, len(files)) // empty when unreadable: then every page is written again
	for name, file := range files {
		believed[name] = file.Content
	}
	pages, tip := l.findForeignPages(believed), l.lastCommit()
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.findOtherDaemon(pages, tip); why != "" {
		l.standAside(why)
		return
	}
	if differ := l.branch.CompareTip(believed); differ > 0 {
		l.config.Log.Warn("the status branch was changed by somebody else, or a push of ours had no answer: pages "+
			"that differ are written again", "pages", differ, "error", err)
	}
}

// pushGap is the shortest time between the last push and the next push.
func (l *Loop) pushGap(urgent bool, failures int) time.Duration {
	switch {
	case failures > 0:
		return l.config.backoffAfter(failures)
	case urgent:
		return 0
	default:
		return l.config.Limits.PublishEvery
	}
}

// pendingPush reports whether there may be pages to push, and whether a machine waits for the push.
func (l *Loop) pendingPush() (waiting, urgent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.PendingPush()
}

// gatherChange gathers every page with other bytes than on the branch. The slow encoding happens without the lock.
func (l *Loop) gatherChange() *statusbranch.Change {
	l.mu.Lock()
	next := l.branch.GatherChange(l.fleetPages())
	l.mu.Unlock()
	next.EncodeFiles()
	return next
}

// recordPush records the result of a push and queues the hosts that waited for the push. The log tells changes only.
func (l *Loop) recordPush(next *statusbranch.Change, tip string, err error) {
	l.mu.Lock()
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	switch before := l.branch.Trouble; {
	case trouble != "" && before == "":
		l.config.Log.Error("status not pushed: it is tried again, and no operation begins before it succeeds", "error",
			err)
	case trouble == "" && before != "":
		l.config.Log.Info("status pushed again", "tip", tip)
	}
	l.branch.Trouble = trouble
	var waiting []inventory.MachineID
	if err == nil {
		l.branch.Tip = tip
	} else {
		l.branch.MarkStale()
	}
	l.mu.Unlock()
	if err == nil {
		waiting = l.settlePush(next)
	}
	for _, id := range waiting {
		l.queue.AddHost(id, l.config.Now())
	}
	if err == nil {
		for id := range next.HostDocuments() {
			l.watchers.Notify(id)
		}
	}
	l.watchers.Notify("")
}

// gatherAgain lets the next push gather a change again that was not pushed.
func (l *Loop) gatherAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.branch.MarkStale()
}

// settlePush records the pushed pages and returns the hosts that waited for them.
func (l *Loop) settlePush(next *statusbranch.Change) (waiting []inventory.MachineID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.SettleChange(next)
}
