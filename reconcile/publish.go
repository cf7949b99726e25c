package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// ensurePublished is the effect of act.Publish, and goes before an inspection: Done once the status branch shows the
// host with its operation. All waiting hosts share one push.
func (l *Loop) ensurePublished(record inventory.Record) act.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.branch.ShowsOperation(record.ID, record.OperationID()) {
		return act.Outcome{Result: act.Done}
	}
	l.branch.RequestPush(record.ID)
	queue.SendSignal(l.publish)
	if l.branch.Trouble != "" {
		return act.Outcome{Result: act.Retry, Why: "nothing begins before the status branch can be pushed"}
	}
	return act.Outcome{Result: act.Waits, Why: "the host is being pushed to the status branch"}
}

// owesReceipts reports whether the status branch lacks receipts of erased disks. Nothing is done to a host before the
// push: until then the host's agent can say again which disks it erased.
func (l *Loop) owesReceipts(id inventory.MachineID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.OwesReceipts(id)
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
	if p.failures > 0 {
		if wait := p.last.Add(l.config.BackoffAfter(p.failures)).Sub(l.config.Now()); wait > 0 {
			return rest{wait: wait, woken: l.publish}
		}
	}
	if err := l.mendBranch(ctx); err != nil {
		l.finishPush(ctx, &statusbranch.Change{}, "", err)
		return rest{}
	}
	if l.stoodAside() {
		return rest{ended: true}
	}
	waiting, urgent, claims := l.pendingPush()
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
	if len(next.Files) == 0 && !claims {
		l.settlePush(next)
		return rest{}
	}
	_ = l.pushChange(ctx, next) // mendBranch reads a moved tip first
	if ctx.Err() != nil || l.stoodAside() {
		return rest{ended: true}
	}
	return rest{}
}

// pushChange pushes a change in the name of this life. The error says that somebody else moved the tip, which must be
// read before the next push; every other failure is recorded.
func (l *Loop) pushChange(ctx context.Context, next *statusbranch.Change) error {
	id := l.config.NewID()
	l.mu.Lock()
	l.author.SignPush(id)
	fleet := l.fleetPages()
	l.mu.Unlock()
	next.EncodeFleet(fleet)
	tip, err := l.pushPages(ctx, next)
	if ctx.Err() != nil || l.stoodAside() {
		return nil
	}
	if statusbranch.IsMoved(err) {
		l.gatherAgain()
		return err
	}
	l.finishPush(ctx, next, tip, err)
	return nil
}

// finishPush records the end of a push; the first that succeeds claims the fleet, once the journal takes the claim.
func (l *Loop) finishPush(ctx context.Context, next *statusbranch.Change, tip string, err error) {
	p := &l.pushes
	p.last = l.config.Now()
	l.recordPush(next, tip, err)
	if p.failures++; err == nil && l.settleClaim(ctx) {
		p.failures = 0
	}
}

// mendBranch writes pages again after somebody changed or deleted them. The daemon believes one thing from a changed
// branch: the push of another daemon, before which this daemon stands aside. An error says that the branch cannot be
// read: no push is built on pages that nobody has read.
func (l *Loop) mendBranch(ctx context.Context) error {
	l.branchSlot <- struct{}{}
	defer func() { <-l.branchSlot }()
	if !l.config.Publisher.Strayed() {
		return nil
	}
	files, err := l.readBranch(ctx)
	if err != nil {
		return err
	}
	believed := make(map[string][]byte, len(files))
	for name, file := range files {
		believed[name] = file.Content
	}
	l.judgeTip(believed)
	l.rememberAside(ctx)
	return nil
}

// judgeTip stands aside before another daemon's pages, and has every other page that differs written again.
func (l *Loop) judgeTip(believed map[string][]byte) {
	pages, tip := l.findForeignPages(believed), l.lastCommit()
	writer, err := statusbranch.ReadWriter(believed[status.FleetPath])
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.standAside(fmt.Sprintf("another daemon runs this fleet: %v: %s", err, statusbranch.TakeFleet))
		return
	}
	if why := l.findOtherDaemon(writer, pages, tip); why != "" { // guard: git-fence
		l.runner = writer
		l.standAside(why)
		return
	}
	if differ := l.branch.CompareTip(believed); differ > 0 {
		l.config.Log.Warn("the status branch was changed by somebody else, or a push of ours had no answer: pages "+
			"that differ are written again", "pages", differ)
	}
}

// pushGap is the shortest time between the last push and the next push.
func (l *Loop) pushGap(urgent bool, failures int) time.Duration {
	switch {
	case failures > 0:
		return l.config.BackoffAfter(failures)
	case urgent:
		return 0
	default:
		return l.config.Limits.PublishEvery
	}
}

// pendingPush reports whether there may be pages to push, whether a machine waits for the push, and whether the push
// claims the fleet, which needs no changed page.
func (l *Loop) pendingPush() (waiting, urgent, claims bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, urgent = l.branch.PendingPush()
	claims = !l.author.Claimed && l.mayClaim()
	return waiting || claims, urgent || claims, claims
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
		l.queue.AddHost(id, l.config.Now(), queue.Asked)
	}
	if err == nil {
		for id := range next.HostDocuments() {
			l.watchers.Notify(id)
		}
	}
	l.watchers.Notify("")
}

// gatherAgain lets the next push gather a change again that certainly was not pushed.
func (l *Loop) gatherAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.author.DropPush()
	l.branch.MarkStale()
}

// settlePush records the pushed pages and returns the hosts that waited for them.
func (l *Loop) settlePush(next *statusbranch.Change) (waiting []inventory.MachineID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.SettleChange(next)
}
