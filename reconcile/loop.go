package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
	"github.com/gitmetal/ingot/reconcile/watch"
	"github.com/gitmetal/ingot/schemas"
)

// Loop converges machines to the fleet. Make one with New, run it with Run.
type Loop struct {
	config   Config
	queue    *queue.Queue
	healthy  lane
	trouble  lane
	refresh  chan struct{} // holds one token when the source shall be looked at soon
	publish  chan struct{} // holds one token when there may be something to publish
	fatal    context.CancelCauseFunc
	watchers watch.Notifier
	turns    []*resting // what Turn steps
	failed   error      // why Turn does nothing any more
	restores int        // that failed, in a row
	pushing  pushing
	onTip    lane // of who reads or pushes the status branch: what is read is judged before anything is built upon it

	mu       sync.Mutex
	hosts    map[inventory.MachineID]*host
	standing *standing.Index
	admit    *admit.View
	fleet    fleet
	branch   *statusbranch.Branch
	another  string    // why nothing is done: another daemon runs this fleet
	awoke    time.Time // when a look at the source and the branch ended last, by the wall clock
	life     inventory.Life
}

// host is what the loop knows of one machine. Who holds its turn writes it: one look at a time, or an operator's
// `ingot forget`.
type host struct {
	turn     lane
	desired  inventory.Desired
	orphaned bool               // in the journal, but not in the fleet
	standing inventory.Standing // who its machine is known as
	record   inventory.Record
	revision int64
	doubtful bool        // the record must be read again before anything is based on it
	attempt  *attempt    // a write of the record without an answer yet; nil when the journal has none on its way
	live     admit.Live  // what its record does not say, and others go by; no commit changes that
	state    admit.State // in its ring, at its last look
	failures int         // looks in a row that got nowhere
	retry    bool        // an operator's `ingot retry` was not acted upon yet
	repeats  int         // times in a row that the same action was done
	seen     seen
}

func newHost(record inventory.Record) *host { return &host{turn: make(lane, 1), record: record} }

// subject is what one look goes by: a host, what is asked of it, and its record with the revision that it was read with.
type subject struct {
	host     *host
	desired  inventory.Desired
	record   inventory.Record
	revision int64
	observed inventory.Observed
	retry    bool // an operator asked for another try
}

// seen is what a look saw, decided and did.
type seen struct {
	at       time.Time
	observed inventory.Observed
	plan     plan.Plan
	action   plan.Kind // what was done; "" when nothing was due
	outcome  plan.Outcome
	again    time.Time // the next look
}

// lane bounds how many looks happen at a time.
type lane chan struct{}

// New makes a loop; it does nothing until Run.
func New(config Config) (*Loop, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	return &Loop{
		config:   config,
		queue:    queue.New(),
		healthy:  make(lane, config.Limits.Workers),
		trouble:  make(lane, config.Limits.Workers),
		refresh:  make(chan struct{}, 1),
		publish:  make(chan struct{}, 1),
		onTip:    make(lane, 1),
		hosts:    map[inventory.MachineID]*host{},
		standing: standing.New(inventory.Fleet{}, nil),
		admit:    admit.New(),
		branch:   statusbranch.New(),
	}, nil
}

// The program is a pure function with a loop around it. These are its seven lines, in their order:
//
//	Source.Latest      accept       the newest accepted commits
//	load.Fleet         accept       what they ask of every host, or findings
//	Observer.Observe   look         what is true of one machine
//	plan.Next          look         the one action that is due
//	Executor.Do        perform      that action
//	status.Summarize   summarize    what people are told of it
//	Publisher.Publish  push         onto the status branch

// accept is the first half of the program: what the fleet asks for. Whatever is wrong with the newest commit, the
// last good fleet stays.
func (l *Loop) accept(ctx context.Context) {
	fetching, cancel := context.WithTimeout(ctx, l.config.Limits.Fetch)
	defer cancel()
	sources, err := l.config.Source.Latest(fetching)
	if err != nil || l.known(sources) {
		l.sourceAnswered(ctx, err)
		return
	}
	fleet, findings := l.config.Load(sources) // load.Fleet
	if findings = l.refuseEmpty(fleet, sources, findings); schemas.Fatal(findings) {
		l.refuse(sources, findings)
		return
	}
	l.adopt(ctx, sources, fleet, findings)
}

// look is the second half, for one host: look at it, decide, do the one thing that is due, say what was seen and done.
func (l *Loop) look(ctx context.Context, id inventory.MachineID) {
	h := l.takeTurn(id)
	defer h.endTurn()
	of, err := l.wanted(ctx, h)
	if err != nil {
		l.postpone(id, h, err)
		return
	}
	observed := l.observe(ctx, of)
	observed.Standing = l.standingOf(of, observed)
	of.observed = observed
	next := l.admitted(of, plan.Next(of.desired, observed, l.config.Now()))
	action, outcome := l.act(ctx, &of, next)
	observed.Record = of.record
	l.report(of.host, seen{at: l.config.Now(), observed: observed, plan: next, action: action, outcome: outcome})
}

// observe looks at a host, after this daemon answers the boot that is under way. Where what is known of the host cannot
// be read nobody asks the machine, or serves it anything.
func (l *Loop) observe(ctx context.Context, of subject) inventory.Observed {
	if of.record.Unreadable != "" {
		return inventory.Observed{Record: of.record, Retry: of.retry}
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Observe)
	defer cancel()
	served := l.config.Executor.Serve(ctx, of.desired, of.record)
	observed := l.config.Observer.Observe(ctx, of.desired, of.record)
	observed.Agent = served.Agent(observed.Agent, of.record.Epoch)
	observed.Record, observed.Retry = of.record, of.retry
	return observed
}

// perform has the effect of one action. Journal-only actions have none beyond what Begin and Settle write.
func (l *Loop) perform(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action plan.Action) plan.Outcome {
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

// summarize writes what the last look saw and did onto the host's page, and reports whether it reads differently now.
func (l *Loop) summarize(h *host) bool {
	id := h.record.ID
	document := status.Summarize(l.branch.Document(id), status.Result{
		At: h.seen.at, Desired: h.desired, Observed: h.seen.observed, Plan: h.seen.plan, Action: h.seen.action, Outcome: h.seen.outcome,
	})
	if h.record.Unreadable != "" {
		return l.branch.Show(id, document)
	}
	return l.branch.Write(id, document, h.record.OperationID())
}

// push puts pages onto the status branch, and gives its tip. A daemon that stands aside pushes nothing.
func (l *Loop) push(ctx context.Context, next *statusbranch.Change) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	l.onTip <- struct{}{}
	defer func() { <-l.onTip }()
	l.mu.Lock()
	if l.another != "" {
		defer l.mu.Unlock()
		return "", errors.New(l.another)
	}
	message := next.Message(l.fleet.commit)
	l.mu.Unlock()
	return l.config.Publisher.Publish(ctx, next.Files, message)
}

// Nudge asks for a look at a host soon. It says nothing about what is to be seen there, and may be called at any time
// from anywhere.
func (l *Loop) Nudge(id inventory.MachineID) {
	l.mu.Lock()
	_, known := l.hosts[id]
	ready := l.fleet.commit != ""
	l.mu.Unlock()
	if known && ready {
		l.queue.Add(id, l.config.Now())
	}
}

// Refresh asks for a look at the source soon.
func (l *Loop) Refresh() { signal(l.refresh) }

// followOnce looks at the source. It is looked at again as often as configured, and when somebody asks for it.
// Whoever asks soon after a look waits a little, together with all who ask meanwhile: a burst of pushes is few looks,
// the last of them at the newest commit.
func (l *Loop) followOnce(ctx context.Context) rest {
	l.accept(ctx)
	if l.config.Publisher.Strayed() {
		l.mend(ctx)
		signal(l.publish)
	}
	l.awake()
	return rest{settle: l.config.Limits.Settle, wait: l.config.poll(), woken: l.refresh}
}

// lookInTurn waits for a place. Hosts in trouble have places of their own: nothing they hang on is waited for by a
// healthy host.
func (l *Loop) lookInTurn(ctx context.Context, id inventory.MachineID) {
	places := l.healthy
	l.mu.Lock()
	if h := l.hosts[id]; h != nil && h.failures > 0 {
		places = l.trouble
	}
	l.mu.Unlock()
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
		l.look(ctx, id)
	case <-ctx.Done():
	}
}

// takeTurn waits until nobody else writes what is known of a host; endTurn lets the next one.
func (l *Loop) takeTurn(id inventory.MachineID) *host {
	l.mu.Lock()
	h := l.hosts[id]
	l.mu.Unlock()
	h.turn <- struct{}{}
	return h
}

func (h *host) endTurn() { <-h.turn }

// wanted is what the fleet asks of a host and its record, read again when it is in doubt. The caller has the host's
// turn.
func (l *Loop) wanted(ctx context.Context, h *host) (subject, error) {
	of := subject{host: h}
	l.mu.Lock()
	doubtful := h.doubtful
	l.mu.Unlock()
	if doubtful {
		if err := l.reread(ctx, h); err != nil {
			return of, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	of.desired, of.record, of.revision, of.retry = h.desired, h.record, h.revision, h.retry
	return of, nil
}

func (l *Loop) reread(ctx context.Context, h *host) error {
	record, read, err := l.config.Journal.Get(ctx, h.record.ID)
	if err != nil {
		return err
	}
	record, revision, err := l.overtake(ctx, h, record, read)
	if err != nil {
		return err
	}
	l.mu.Lock()
	record, unrecorded := recovery.Reread(h.record, journal.Entry{Record: record, Revision: revision})
	h.record, h.revision, h.doubtful, h.attempt = record, revision, false, nil
	l.moved(h)
	l.mu.Unlock()
	if unrecorded {
		return l.write(ctx, &subject{host: h, revision: revision}, record)
	}
	return nil
}

// standingOf says who a host's machine is known as, by what a look saw.
func (l *Loop) standingOf(of subject, observed inventory.Observed) inventory.Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := l.standing.Of(of.desired, of.record, observed)
	if of.host.desired.Commit == of.desired.Commit { // else another commit was accepted meanwhile
		of.host.standing = who
	}
	return who
}

// failure is why a context ended, when that was not its owner's wish.
func failure(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the loop stopped: %w", err)
	}
	return nil
}

// disowned ends the loop when the journal has another owner: nothing may be started any more.
func (l *Loop) disowned(err error) bool {
	if !errors.Is(err, journal.ErrNotOwner) {
		return false
	}
	l.fatal(err)
	return true
}
