package reconcile

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// published is the effect of plan.Publish, and what an inspection waits for: the host, with its operation if it has one, is on the status branch, or soon will
// be. All hosts that wait share one push.
func (l *Loop) published(record inventory.Record) plan.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.branch.Shows(record.ID, record.OperationID()) {
		return plan.Outcome{Result: plan.Done}
	}
	l.branch.Urge(record.ID)
	signal(l.publish)
	if l.branch.Trouble != "" {
		return plan.Outcome{Result: plan.Retry, Why: "nothing begins before the status branch can be pushed"}
	}
	return plan.Outcome{Result: plan.Waits, Why: "the host is being pushed to the status branch"}
}

// gather is how long an urgent push waits for company.
const gather = 200 * time.Millisecond

// pushing is how pushes went; publishOnce alone uses it.
type pushing struct {
	last     time.Time // the end of the last one
	failures int       // in a row
	gathered bool      // an urgent push waited for company
}

// publishOnce pushes pages that changed, not more often than configured unless a machine waits, and until they are
// there.
func (l *Loop) publishOnce(ctx context.Context) rest {
	p := &l.pushing
	if l.mend(ctx); l.aside() {
		return rest{ended: true}
	}
	waiting, urgent := l.pending()
	wait := l.config.Limits.Resync
	if waiting {
		wait = p.last.Add(l.gap(urgent, p.failures)).Sub(l.config.Now())
	}
	if wait > 0 {
		return rest{wait: wait, woken: l.publish}
	}
	if urgent && p.failures == 0 && !p.gathered { // others may be about to wait for a push too
		p.gathered = true
		return rest{settle: gather}
	}
	p.gathered = false
	next := l.unpublished()
	if len(next.Files) == 0 {
		l.settle(next)
		return rest{}
	}
	tip, err := l.push(ctx, next)
	if ctx.Err() != nil || l.aside() {
		return rest{ended: true}
	}
	p.last = l.config.Now()
	if p.failures++; err == nil {
		p.failures = 0
	}
	if moved(err) { // what is there is read first
		l.again()
		return rest{}
	}
	l.pushed(next, tip, err)
	return rest{}
}

// mend writes pages again that somebody else changed or deleted. While the daemon lives it believes nothing that it reads there, but that another daemon wrote
// it: then it stands aside.
func (l *Loop) mend(ctx context.Context) {
	l.onTip <- struct{}{}
	defer func() { <-l.onTip }()
	if !l.config.Publisher.Strayed() {
		return
	}
	files, err := l.onBranch(ctx)
	if err != nil && l.config.Publisher.Strayed() {
		return // it cannot be reached: the next look or push tries again
	}
	believed := make(map[string][]byte, len(files)) // where they cannot be read, every page is written again
	for name, file := range files {
		believed[name] = file.Content
	}
	pages, tip := l.foreignPages(believed), l.lastCommit()
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.anotherDaemon(pages, tip); why != "" {
		l.standAside(why)
		return
	}
	if differ := l.branch.Compare(believed); differ > 0 {
		l.config.Log.Warn("the status branch is not as it was left: somebody else changed it, or a push of ours had no answer; pages that are not as they should be are written again", "pages", differ, "error", err)
	}
}

// gap is the shortest time since the last push.
func (l *Loop) gap(urgent bool, failures int) time.Duration {
	switch {
	case failures > 0:
		return l.config.backoff(failures)
	case urgent:
		return 0
	default:
		return l.config.Limits.PublishEvery
	}
}

// pending reports whether there may be something to push, and whether a machine waits for it.
func (l *Loop) pending() (waiting, urgent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.Pending()
}

// unpublished gathers every page whose bytes are not those on the branch. Encoding is slow, so nobody waits for it.
func (l *Loop) unpublished() *statusbranch.Change {
	l.mu.Lock()
	next := l.branch.Change(l.fleetPages())
	l.mu.Unlock()
	next.Encode()
	return next
}

// pushed notes what a push came to. The log hears of changes only; hosts that waited are looked at.
func (l *Loop) pushed(next *statusbranch.Change, tip string, err error) {
	l.mu.Lock()
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	switch before := l.branch.Trouble; {
	case trouble != "" && before == "":
		l.config.Log.Error("status not pushed: it is tried again, and no operation begins before it succeeds", "error", err)
	case trouble == "" && before != "":
		l.config.Log.Info("status pushed again", "tip", tip)
	}
	l.branch.Trouble = trouble
	var waiting []inventory.MachineID
	if err == nil {
		l.branch.Tip = tip
	} else {
		l.branch.Touch()
	}
	l.mu.Unlock()
	if err == nil {
		waiting = l.settle(next)
	}
	for _, id := range waiting {
		l.queue.Add(id, l.config.Now())
	}
	if err == nil {
		for id := range next.Hosts() {
			l.watchers.Notify(id)
		}
	}
	l.watchers.Notify("")
}

// again has a change gathered anew that was not pushed.
func (l *Loop) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.branch.Touch()
}

// settle notes what is on the branch now and gives the hosts that waited for it.
func (l *Loop) settle(next *statusbranch.Change) (waiting []inventory.MachineID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.branch.Settle(next)
}
