package reconcile

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// branch is what the loop knows of the status branch.
type branch struct {
	tip     string
	pushed  map[string][]byte // pages of the whole fleet by path, as they are on the branch
	trouble string            // why the last push failed; "" when it did not
	stale   bool              // the fleet's pages may read differently now
}

// page is a host's document and how much of it is on the status branch. A document is encoded only when it is pushed.
type page struct {
	document  status.Document
	version   int    // counts changes of the document; 0: there is none
	operation string // id of the open operation that it speaks of
	pushed    []byte // on the branch
	current   int    // the version that pushed is of
	published string // id of the open operation that pushed speaks of
	urgent    bool   // the machine waits for this page to be pushed
}

// change is what one push carries.
type change struct {
	files map[string][]byte
	pages map[string]page // by host
}

func newBranch() branch { return branch{pushed: map[string][]byte{}} }

// published is the effect of plan.Publish, and what an inspection waits for: the host, with its operation if it has one, is on the status branch, or soon will
// be. All hosts that wait share one push.
func (l *Loop) published(record inventory.Record) plan.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[record.Host]
	if h.page.current > 0 && h.page.published == record.OperationID() && l.branch.trouble == "" {
		return plan.Outcome{Result: plan.Done}
	}
	h.page.urgent = true
	signal(l.publish)
	if l.branch.trouble != "" {
		return plan.Outcome{Result: plan.Retry, Why: "nothing begins before the status branch can be pushed"}
	}
	return plan.Outcome{Result: plan.Waits, Why: "the host is being pushed to the status branch"}
}

// gather is how long an urgent push waits for company.
const gather = 200 * time.Millisecond

// publishing pushes pages that changed, not more often than configured unless a machine waits, and until they are there.
func (l *Loop) publishing(ctx context.Context) {
	var last time.Time
	failures := 0
	for {
		waiting, urgent := l.pending()
		wait := l.config.Limits.Resync
		if waiting {
			wait = last.Add(l.gap(urgent, failures)).Sub(l.config.Now())
		}
		if wait > 0 {
			if !pause(ctx, wait, l.publish) {
				return
			}
			continue
		}
		if urgent && failures == 0 && !pause(ctx, gather, nil) { // others may be about to wait for a push too
			return
		}
		next := l.unpublished()
		if len(next.files) == 0 {
			l.settle(next)
			continue
		}
		tip, err := l.push(ctx, next)
		if ctx.Err() != nil {
			return
		}
		last = l.config.Now()
		if failures++; err == nil {
			failures = 0
		}
		l.pushed(next, tip, err)
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

func (l *Loop) push(ctx context.Context, next change) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	return l.config.Publisher.Publish(ctx, next.files, l.message(next))
}

// message is the commit's: its subject for people, its trailer naming the commit of the fleet that it speaks of.
func (l *Loop) message(next change) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	subject := fmt.Sprintf("%d hosts changed", len(next.pages))
	if len(next.pages) == 1 {
		for name := range next.pages {
			subject = fmt.Sprintf("%s: %s", name, l.hosts[name].seen.plan.Phase)
		}
	}
	if len(next.pages) == 0 {
		subject = "fleet"
	}
	message := fmt.Sprintf("status: %s [skip ci]\n", subject)
	if l.fleet.commit != "" {
		message += fmt.Sprintf("\nFleet-Commit: %s\n", l.fleet.commit)
	}
	return message
}

// pending reports whether there may be something to push, and whether a machine waits for it.
func (l *Loop) pending() (waiting, urgent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting = l.branch.stale
	for _, h := range l.hosts {
		waiting = waiting || h.page.unpushed()
		urgent = urgent || h.page.urgent && h.page.unpushed()
	}
	return waiting, urgent
}

func (p page) unpushed() bool { return p.version > 0 && (p.urgent || p.version != p.current) }

// unpublished gathers every page whose bytes are not those on the branch. Encoding is slow, so nobody waits for it.
func (l *Loop) unpublished() change {
	next := change{files: map[string][]byte{}, pages: map[string]page{}}
	l.mu.Lock()
	for name, h := range l.hosts {
		if h.page.unpushed() {
			next.pages[name] = h.page
		}
	}
	l.branch.stale = false
	fleet, pushed := l.fleetPages(), maps.Clone(l.branch.pushed)
	l.mu.Unlock()

	for path, content := range fleet() {
		if !bytes.Equal(content, pushed[path]) {
			next.files[path] = content
		}
	}
	for name, p := range next.pages {
		before := p.pushed
		p.pushed, p.current, p.published = p.document.Encode(), p.version, p.operation
		next.pages[name] = p
		if p.urgent || !bytes.Equal(p.pushed, before) {
			next.files[status.Path(name)] = p.pushed
		}
	}
	return next
}

// pushed notes what a push came to. The log hears of changes only; hosts that waited are looked at.
func (l *Loop) pushed(next change, tip string, err error) {
	l.mu.Lock()
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	switch before := l.branch.trouble; {
	case trouble != "" && before == "":
		l.config.Log.Error("status not pushed: it is tried again, and no operation begins before it succeeds", "error", err)
	case trouble == "" && before != "":
		l.config.Log.Info("status pushed again", "tip", tip)
	}
	l.branch.trouble, l.branch.stale = trouble, l.branch.stale || err != nil
	var waiting []string
	if err == nil {
		l.branch.tip = tip
	}
	l.mu.Unlock()
	if err == nil {
		waiting = l.settle(next)
	}
	for _, name := range waiting {
		l.queue.Add(name, l.config.Now())
	}
	if err == nil {
		for name := range next.pages {
			l.news.Tell(name)
		}
	}
	l.news.Tell("")
}

// settle notes what is on the branch now and gives the hosts that waited for it.
func (l *Loop) settle(next change) (waiting []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, content := range next.files {
		if !status.IsHost(path) {
			l.branch.pushed[path] = content
		}
	}
	for name, p := range next.pages {
		h := l.hosts[name]
		h.page.pushed, h.page.current, h.page.published = p.pushed, p.current, p.published
		if p.urgent && h.page.urgent {
			h.page.urgent = false
			waiting = append(waiting, name)
		}
	}
	return waiting
}
