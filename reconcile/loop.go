package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/batches/store"
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
	config     Config
	queue      *queue.Queue
	refresh    chan struct{} // holds one token when the source shall be looked at soon
	publish    chan struct{} // holds one token when there may be something to publish
	fatal      context.CancelCauseFunc
	watchers   watch.Notifier
	tasks      []*task // the tasks of Turn
	failed     error   // why Turn does nothing more
	restores   int     // failed attempts to restore, in a row
	pushes     pushState
	acceptSlot slots        // held to write the accepted commit into the journal
	turned     atomic.Int64 // elapsed time at the last turn; see noteTurn
	branchSlot slots        // held to read or push the status branch: pages are judged before a push builds on them
	batchSlot  slots        // held to write batches into the journal
	batchStore *store.Store // the holder of batchSlot uses it

	mu           sync.Mutex
	hosts        map[inventory.MachineID]*host
	standing     *standing.Index
	admit        *admit.View
	batches      *batches.View
	fleet        fleet
	branch       *statusbranch.Branch
	otherDaemon  string               // why the daemon stands aside: another daemon runs this fleet
	runner       *status.Daemon       // the other daemon; nil when the branch does not name it
	lastFollowed time.Time            // end of the last look at source and branch, by the wall clock
	looked       inventory.FleetState // the last look at source and branch
	life         inventory.Life
	lastLife     inventory.Life      // the last claimed one
	author       statusbranch.Author // this life, as the writer of the status branch
	remembered   string              // the otherDaemon that the journal has
	clock        *queue.Clock
}

// host is what the loop knows of one machine. The holder of the host's turn writes these fields: one look at a time,
// or an operator's `ingot forget`.
type host struct {
	turn     slots
	desired  inventory.Desired
	orphaned bool // in the journal, but not in the fleet
	record   inventory.Record
	revision int64
	doubtful bool           // the record must be read again before the next decision
	pending  *pendingWrite  // a write of the record without an answer; nil when no write is on the way
	live     admit.Live     // facts for other hosts' admission beyond the record; no commit changes them
	question admit.Question // the last question to package admit
	refused  bool           // the answer was a no, and nothing else was decided since
	state    admit.State    // in the host's ring, at the last look
	met      bool           // a look asked the host's BMC since the start, and since the fleet named this BMC
	failures int            // failed looks in a row
	refusal  plan.Refusal   // of the last action that was tried, if its BMC refused it
	retry    bool           // an operator's `ingot retry` still waits for an action
	repeats  int            // repetitions of the same action in a row
	asks     bool           // the host waits for a look at the fleet that begins after its question
	lastLook lookResult
	// attention is the host's attended time.
	attention attention
}

func newHost(record inventory.Record) *host { return &host{turn: make(slots, 1), record: record} }

// lookInput is the ground of one look: a host, the fleet's desire, and the record with the revision of its read.
type lookInput struct {
	host     *host
	desired  inventory.Desired
	record   inventory.Record
	revision int64
	observed inventory.Observed
	retry    bool // an operator asked for a retry
}

// lookResult is what a look observed, decided and did.
type lookResult struct {
	at       time.Time
	observed inventory.Observed
	plan     plan.Plan
	action   act.Kind // the action of the look; "" when no action was due
	outcome  act.Outcome
	again    time.Time // the next look
}

// slots bounds how many goroutines do something at a time: a sender takes a slot, a receiver gives the slot back.
type slots chan struct{}

// New makes a loop; it does nothing until Run.
func New(config Config) (*Loop, error) {
	if err := config.SetDefaults(); err != nil {
		return nil, err
	}
	return &Loop{
		config:     config,
		queue:      queue.New(config.Limits.Workers),
		refresh:    make(chan struct{}, 1),
		publish:    make(chan struct{}, 1),
		acceptSlot: make(slots, 1),
		branchSlot: make(slots, 1),
		batchSlot:  make(slots, 1),
		batches:    batches.New(),
		batchStore: store.New(config.Batches),
		hosts:      map[inventory.MachineID]*host{},
		standing:   standing.NewEmpty(0),
		admit:      admit.New(0),
		branch:     statusbranch.New(),
		clock:      &queue.Clock{Wall: config.Now, Elapsed: config.Elapsed},
	}, nil
}

// The program is a pure function with a loop around it. These are its seven lines, in their order:
//
//	Source.Latest      acceptCommit    the newest accepted commits
//	load.Fleet         acceptCommit    the fleet of these commits, or findings
//	Observer.Observe   lookAtHost      the state of one machine
//	plan.Next          lookAtHost      the one action that is due
//	Executor.Do        performAction   the action
//	status.Summarize   summarizeHost   the host's page for people
//	Publisher.Publish  pushPages       the page on the status branch

// acceptCommit is the first half of the program: it takes the newest commits as the fleet. With a broken source or a
// bad commit the last good fleet stays. An error says why the newest commits could not be read, or not be written to the
// journal: the daemon then does not know whether the fleet that it goes by is the newest.
func (l *Loop) acceptCommit(ctx context.Context) error {
	fetching, cancel := context.WithTimeout(ctx, l.config.Limits.Fetch)
	defer cancel()
	sources, err := l.config.Source.Latest(fetching)
	if err != nil || l.isExamined(sources) {
		l.recordSource(ctx, err)
		return err
	}
	fleet, findings := l.config.Load(sources) // load.Fleet
	if findings = l.refuseEmpty(fleet, sources, findings); schemas.Fatal(findings) {
		l.refuseCommit(sources, findings)
		return nil
	}
	return l.adoptFleet(ctx, sources, fleet, findings)
}

// lookAtHost is the second half, for one host: observe the host, decide, do the one due action, report.
func (l *Loop) lookAtHost(ctx context.Context, id inventory.MachineID) {
	h := l.takeTurn(id)
	defer h.endTurn()
	in, err := l.readInput(ctx, h)
	if err != nil {
		l.postponeLook(id, h, err)
		return
	}
	observed := l.observeHost(ctx, in)
	observed.Standing, observed.Order = l.findStanding(in, observed), l.orderRun(id)
	observed.Attended, observed.Evidence = l.attendHost(ctx, in, observed)
	observed.Deadlines = l.config.Deadlines
	in.observed = observed
	next := l.admitPlan(in, plan.Next(in.desired, observed, l.config.Now()))
	l.awaitFleet(h, next)
	action, outcome := l.actOnPlan(ctx, &in, next)
	observed.Record = in.record
	l.reportLook(in,
		lookResult{at: l.config.Now(), observed: observed, plan: next, action: action, outcome: outcome})
	l.keepBatches(ctx)
}

// observeHost observes a host, after this daemon answers the boot of the record. Where the record cannot be read,
// observeHost asks neither BMC nor agent, and serves no medium.
func (l *Loop) observeHost(ctx context.Context, in lookInput) inventory.Observed {
	if in.record.Unreadable != "" {
		return inventory.Observed{Record: in.record, Retry: in.retry}
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Observe)
	defer cancel()
	served := l.config.Executor.Serve(ctx, in.desired, in.record)
	observed := l.config.Observer.Observe(ctx, in.desired, in.record)
	observed.Agent = served.Agent(observed.Agent, in.record.Epoch)
	observed.Record, observed.Retry, observed.Fleet = in.record, in.retry, l.fleetState()
	return observed
}

// performAction does the effect of one action. A journal-only action has no effect besides the writes of the record.
func (l *Loop) performAction(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action act.Action) act.Outcome {
	switch {
	case action.Kind.JournalOnly():
		return act.Outcome{Result: act.Done}
	case action.Kind == act.Publish:
		return l.ensurePublished(record)
	}
	if outcome, fenced := l.checkFence(); fenced { // guard: fence-before-effects
		return outcome
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Effect)
	defer cancel()
	if action.Kind.ChangesPower() && !action.Wait { // guard: no-power-while-a-job-runs
		jobs, err := l.config.Executor.Jobs(ctx, desired)
		if outcome := act.AwaitJobs(record, jobs, err); outcome.Unsent {
			return outcome
		}
	}
	outcome := l.config.Executor.Do(ctx, desired, record, action)
	if outcome.Result == act.Done {
		l.config.Log.Info("done", "host", record.ID, "action", action.Kind, "reason", action.Reason)
	}
	return outcome
}

// summarizeHost writes the last look onto the host's page, and reports whether the page reads differently now.
func (l *Loop) summarizeHost(h *host) bool {
	id := h.record.ID
	document := status.Summarize(l.branch.HostDocument(id), status.Result{
		At: h.lastLook.at, Desired: &h.desired, Observed: &h.lastLook.observed, Plan: &h.lastLook.plan,
		Action: h.lastLook.action, Outcome: h.lastLook.outcome,
	})
	if h.record.Unreadable != "" {
		return l.branch.WithholdPage(id, document)
	}
	return l.branch.WritePage(id, document, h.record.OperationID())
}

// pushPages pushes pages to the status branch and returns the new tip. A daemon that stands aside pushes no page.
func (l *Loop) pushPages(ctx context.Context, next *statusbranch.Change) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	l.branchSlot <- struct{}{}
	defer func() { <-l.branchSlot }()
	l.mu.Lock()
	if l.otherDaemon != "" {
		defer l.mu.Unlock()
		return "", errors.New(l.otherDaemon)
	}
	message := next.CommitMessage(l.fleet.commit)
	l.mu.Unlock()
	return l.config.Publisher.Publish(ctx, next.Files, message)
}

// RequestLook asks for a look at a host soon. The request carries no facts: the look observes the host. Safe at any
// time from any goroutine.
func (l *Loop) RequestLook(id inventory.MachineID) {
	l.mu.Lock()
	_, known := l.hosts[id]
	ready := l.fleet.commit != ""
	l.mu.Unlock()
	if known && ready {
		l.queue.AddHost(id, l.config.Now(), queue.Asked)
	}
}

// RefreshSource asks for a look at the source soon.
func (l *Loop) RefreshSource() { queue.SendSignal(l.refresh) }

// followOnce looks at the source once. The next look comes after the configured time, or on a call of RefreshSource.
// Several calls soon after a look wait a little and share one look: a burst of pushes costs few looks, and the last
// look sees the newest commit.
func (l *Loop) followOnce(ctx context.Context) rest {
	began := l.config.Now()
	err := l.acceptCommit(ctx)
	if l.config.Publisher.Strayed() {
		_ = l.mendBranch(ctx) // the next push tries again
		queue.SendSignal(l.publish)
	}
	l.rememberAside(ctx)
	l.recordFollowed()
	l.endLookAtFleet(began, err)
	l.keepBatches(ctx)
	return rest{settle: l.config.Limits.Settle, wait: l.config.NextPoll(), woken: l.refresh}
}

// takeTurn waits for the right to write what the loop knows of a host. The caller ends the turn with endTurn.
func (l *Loop) takeTurn(id inventory.MachineID) *host {
	l.mu.Lock()
	h := l.hosts[id]
	l.mu.Unlock()
	h.turn <- struct{}{}
	return h
}

func (h *host) endTurn() { <-h.turn }

// readInput gives the fleet's desire for a host and the host's record. A record in doubt is read again first. The
// caller has the host's turn.
func (l *Loop) readInput(ctx context.Context, h *host) (lookInput, error) {
	in := lookInput{host: h}
	l.mu.Lock()
	doubtful := h.doubtful
	l.mu.Unlock()
	if doubtful {
		if err := l.rereadRecord(ctx, h); err != nil {
			return in, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	in.desired, in.record, in.revision, in.retry = h.desired, h.record, h.revision, h.retry
	in.desired.Run = l.batches.FindWork(h.record.ID)
	return in, nil
}

// rereadRecord reads a record in doubt from the journal, and writes back what the journal had lost.
func (l *Loop) rereadRecord(ctx context.Context, h *host) error {
	record, read, err := l.config.Journal.Get(ctx, h.record.ID)
	if err != nil {
		return err
	}
	record, revision, err := l.overtakeWrite(ctx, h, record, read)
	if err != nil {
		return err
	}
	l.mu.Lock()
	record, unrecorded := recovery.MergeRecord(h.record, journal.Entry{Record: record, Revision: revision})
	h.record, h.revision, h.doubtful, h.pending = record, revision, false, nil
	l.indexHost(h)
	l.mu.Unlock()
	if unrecorded {
		return l.writeRecord(ctx, &lookInput{host: h, revision: revision}, record)
	}
	return nil
}

// findStanding finds out from a look which machine the host is known as.
func (l *Loop) findStanding(in lookInput, observed inventory.Observed) inventory.Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing.Of(in.desired, in.record, observed)
}

// stopCause is why a context ended; nil when the context's owner ended it.
func stopCause(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the loop stopped: %w", err)
	}
	return nil
}

// stopIfDisowned ends the loop when another daemon owns the journal: from then on no action may start.
func (l *Loop) stopIfDisowned(err error) bool {
	if !errors.Is(err, journal.ErrNotOwner) {
		return false
	}
	l.fatal(err)
	return true
}
